"""Distances, samples and alignments against shapes whose answers are known."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from evaluation.alignment import Similarity, depth_shift, procrustes, similarity_alignment, vertex_icp
from evaluation.distances import Surface, nearest_on_triangles
from evaluation.protocols import (
    check_plausible,
    measure_icon,
    measure_sith,
    measure_strict,
    normal_error,
)
from evaluation.visible_part import visible_part
from geometry.mesh import Mesh

ALIGNMENTS = ("raw", "depth-aligned", "similarity-aligned")


def sphere(radius: float, rings: int = 60) -> Mesh:
    """A UV sphere, counter-clockwise from outside; its poles are rows of equal points, so some faces are degenerate."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False))
    points = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], axis=-1)
    index = np.arange(points[..., 0].size).reshape(polar.shape)
    a, b = index, np.roll(index, -1, axis=0)
    quads = np.stack([a[:, :-1], a[:, 1:], b[:, 1:], b[:, :-1]], axis=-1).reshape(-1, 4)
    return Mesh(radius * points.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def box(size=(1.0, 1.0, 1.0), cuts: int = 1) -> Mesh:
    """An axis-aligned box around the origin; every side has cuts x cuts squares of two triangles."""
    steps = np.linspace(-0.5, 0.5, cuts + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    index = np.arange((cuts + 1) ** 2).reshape(cuts + 1, cuts + 1)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    side = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            points = np.empty((len(u), 3))
            points[:, axis], points[:, (axis + 1) % 3], points[:, (axis + 2) % 3] = 0.5 * sign, u, v
            faces.append((side if sign > 0 else side[:, ::-1]) + len(u) * len(vertices))
            vertices.append(points * size)
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def blob() -> Mesh:
    """A body without symmetry, 1.8 high."""
    mesh = sphere(1.0)
    x, y, z = (mesh.vertices * [0.25, 0.9, 0.15]).T
    return mesh.moved(np.stack([x + 0.1 * np.sin(3 * y), y, z + 0.05 * np.cos(5 * y) + 0.2 * x * y], axis=1))


def test_nearest_point_of_a_triangle_inside_on_an_edge_and_at_a_corner():
    triangle = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])
    points = np.array([[0.5, 0.5, 3], [1, -1, 0], [5, 5, 1], [-1, -2, 0], [3, -1, 0]])
    expected = np.array([[0.5, 0.5, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [2, 0, 0]])
    np.testing.assert_allclose(nearest_on_triangles(points, np.repeat(triangle[None], 5, 0)), expected, atol=1e-15)


def test_degenerate_triangles_are_segments_and_points():
    segment = np.array([[[0.0, 0, 0], [2, 0, 0], [1, 0, 0]]])
    point = np.ones((1, 3, 3))
    np.testing.assert_allclose(nearest_on_triangles(np.array([[1.5, 1, 0]]), segment), [[1.5, 0, 0]])
    np.testing.assert_allclose(nearest_on_triangles(np.array([[4.0, 1, 0]]), point), [[1, 1, 1]])


def test_exact_distances_to_a_box_far_from_the_origin():
    """Distances to a box have a closed form; at 1000 units float32 alone would be off by 6e-5."""
    centre, half = np.array([1000.0, -400, 250]), np.array([0.5, 1.0, 0.25])
    points = np.random.default_rng(0).uniform(-3, 3, (2000, 3))
    outside = np.maximum(np.abs(points) - half, 0)
    inside = (half - np.abs(points)).min(1)
    expected = np.where(inside > 0, inside, np.linalg.norm(outside, axis=1))

    mesh = box(2 * half, cuts=3)
    nearest = Surface(mesh.moved(mesh.vertices + centre)).nearest(points + centre)

    np.testing.assert_allclose(nearest.distance, expected, atol=1e-6)


def test_samples_are_uniform_by_area_and_the_same_for_a_seed():
    """A 3 x 1 x 1 box: 3/14 of the area on each long side, 1/14 on each end."""
    mesh = box((3.0, 1.0, 1.0), cuts=4)
    samples = mesh.sample(20_000, seed=3)
    on_end = np.abs(np.abs(samples.points[:, 0]) - 1.5) < 1e-12

    assert on_end.mean() == pytest.approx(2 / 14, abs=0.001)
    np.testing.assert_allclose(samples.points.mean(0), 0, atol=0.02)
    np.testing.assert_array_equal(samples.points, mesh.sample(20_000, seed=3).points)
    assert (samples.points != mesh.sample(20_000, seed=4).points).any()


def test_identical_meshes_are_exactly_0_apart():
    surface = Surface(blob())
    values = measure_strict(surface, surface, seed=0).values
    for block in ALIGNMENTS:
        for column in ("accuracy_cm", "completeness_cm", "chamfer_cm", "accuracy_p95_cm", "completeness_p95_cm"):
            assert values[f"{block}/{column}"] == 0
        assert values[f"{block}/f_5mm_%"] == 100
        assert values[f"{block}/normal_consistency"] > 0.999
    assert measure_icon(surface, surface, seed=0).values == {"icon/p2s_cm": 0, "icon/chamfer_cm": 0, "icon/normal": 0}


def test_cube_against_its_subdivision_is_exactly_0():
    values = measure_strict(Surface(box(cuts=1)), Surface(box(cuts=7)), seed=0).values
    assert values["raw/chamfer_cm"] == 0
    assert values["depth-aligned/chamfer_cm"] == 0
    assert values["raw/normal_consistency"] > 0.999


def test_concentric_spheres_are_their_difference_apart():
    """Radii 0.9 and 0.93 m: every distance is 3 cm but for the facets' sagitta (0.9 mm at 60 rings)."""
    values = measure_strict(Surface(sphere(0.93, 120)), Surface(sphere(0.9, 120)), seed=0).values
    for column in ("accuracy_cm", "completeness_cm", "chamfer_cm"):
        assert values[f"raw/{column}"] == pytest.approx(3.0, rel=0.005)
    assert values["raw/f_10mm_%"] == 0
    assert values["raw/normal_consistency"] == pytest.approx(1, abs=1e-3)
    assert values["similarity-aligned/chamfer_cm"] < 0.03


def test_shifted_plane_is_the_shift_apart_and_depth_alignment_removes_it():
    side = np.array([[-1.0, -0.9, 0], [1, -0.9, 0], [1, 0.9, 0], [-1, 0.9, 0]])
    plane = Mesh(side, np.array([[0, 1, 2], [0, 2, 3]]))
    values = measure_strict(Surface(plane.moved(side + [0, 0, 0.04])), Surface(plane), seed=0).values

    assert values["raw/accuracy_cm"] == pytest.approx(4, rel=1e-6)
    assert values["raw/completeness_cm"] == pytest.approx(4, rel=1e-6)
    assert values["raw/accuracy_p95_cm"] == pytest.approx(4, rel=1e-6)
    assert values["depth-aligned/chamfer_cm"] == 0
    assert values["similarity-aligned/chamfer_cm"] == 0


def test_two_unequal_boxes():
    """A unit box and the same box 0.2 longer along x: five sides coincide within the shorter one, one end is 0.2 off.

    From the longer box: the end 0.2 (area 1), the four strips 0 to 0.2 (area 4 x 0.2, mean 0.1), the rest 0, over an
    area of 6.8. From the unit box: only the end is off, by 0.2, less near its rim where the sides are nearer.
    """
    short = box()
    long = box((1.2, 1.0, 1.0))
    long = long.moved(long.vertices + [0.1, 0, 0])
    values = measure_strict(Surface(long), Surface(short), seed=0).values
    assert values["raw/accuracy_cm"] == pytest.approx(100 * (1 * 0.2 + 0.8 * 0.1) / 6.8, rel=0.005)
    # min(0.2, distance to the rim) over a unit square: 0.2 on the inner 0.6^2, pyramids' mean on the rest.
    levels = np.linspace(0, 0.2, 2001)
    mean_end = np.trapezoid((1 - 2 * levels) ** 2, levels)
    assert values["raw/completeness_cm"] == pytest.approx(100 * mean_end / 6, rel=0.005)


def test_agreement_with_nearest_neighbours_among_dense_samples():
    """scipy's kd-tree over 1 M samples knows nothing of triangles, and agrees to 0.5 %."""
    predicted, truth = blob(), blob()
    predicted = predicted.moved(predicted.vertices * [1.05, 1.0, 0.8] + [0.02, 0, 0.03])
    values = measure_strict(Surface(predicted), Surface(truth), seed=0).values
    dense = cKDTree(truth.sample(1_000_000, seed=11).points)
    distance, _ = dense.query(predicted.sample(20_000, seed=12).points)
    assert values["raw/accuracy_cm"] == pytest.approx(100 * distance.mean(), rel=0.005)


def test_seeds_change_the_numbers_by_less_than_1_percent():
    truth = blob()
    predicted, truth = Surface(truth.moved(truth.vertices * [1.1, 1.0, 0.8] + [0.02, 0, 0.03])), Surface(truth)
    one, other = (measure_strict(predicted, truth, seed).values for seed in (0, 1))
    assert one != other
    for column, value in one.items():
        assert value == pytest.approx(other[column], rel=0.01), column


def test_flipped_faces_turn_the_sign_of_normal_consistency_and_are_named():
    mesh = blob()
    flipped = Mesh(mesh.vertices, mesh.faces[:, ::-1])
    values = measure_strict(Surface(flipped), Surface(mesh), seed=0).values
    assert values["raw/normal_consistency"] < -0.999
    assert measure_sith(Surface(flipped), Surface(mesh), seed=0).values["sith/normal_consistency"] > 0.99
    assert mesh.signed_volume() > 0 > flipped.signed_volume()
    assert check_plausible(mesh, mesh) == []
    (warning,) = check_plausible(flipped, mesh)
    assert "prediction point inwards" in warning


def test_what_is_inside_a_body_is_not_visible():
    """A box in a sphere vanishes, a box beside it stays, and so do all faces of either shape on its own."""
    outer, inner = sphere(0.9), box((0.5, 0.5, 0.5), cuts=2)
    offset = np.array([3.0, 0, 0])
    parts = (outer, inner, inner.moved(inner.vertices + offset))
    counts = [0, len(outer.vertices), len(outer.vertices) + len(inner.vertices)]
    both = Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + first for part, first in zip(parts, counts, strict=True)]),
    )
    seen = visible_part(both)
    assert len(seen.faces) == len(outer.faces) + len(inner.faces)
    assert not ((seen.faces >= counts[1]) & (seen.faces < counts[2])).any()


def test_units_that_differ_are_named():
    mesh = blob()
    (warning,) = check_plausible(mesh.moved(100 * mesh.vertices), mesh)
    assert "180" in warning and "1.8" in warning


def test_depth_shift_finds_a_pure_shift_exactly_and_knows_when_it_cannot():
    mesh = blob()
    shift = depth_shift(Surface(mesh.moved(mesh.vertices + [0, 0, 0.1])), Surface(mesh))
    np.testing.assert_allclose(shift.translation, [0, 0, -0.1], atol=1e-6)
    assert depth_shift(Surface(mesh.moved(mesh.vertices + [9, 0, 0])), Surface(mesh)) is None


def test_similarity_alignment_undoes_a_similarity():
    mesh = blob()
    rotation = Rotation.from_rotvec([0.1, 0.2, -0.05]).as_matrix()
    moved = Surface(mesh.moved(0.4 * mesh.vertices @ rotation.T + [0.1, -0.3, 0.5]))
    found = similarity_alignment(moved, Surface(mesh), seed=0)
    assert found.scale == pytest.approx(2.5, rel=1e-5)
    assert Surface(mesh).nearest(found.apply(moved.mesh.vertices)).distance.max() < 1e-5


def test_similarities_compose_and_invert():
    first = Similarity(0.5, Rotation.from_rotvec([1, 2, 3]).as_matrix(), np.array([1.0, 2, 3]))
    second = Similarity(3.0, Rotation.from_rotvec([0, 1, 0]).as_matrix(), np.array([0.0, -1, 2]))
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(second.after(first).apply(points), second.apply(first.apply(points)))
    np.testing.assert_allclose(first.apply_inverse(first.apply(points)), points)


def test_procrustes_recovers_a_similarity_and_never_mirrors():
    points = np.random.default_rng(0).normal(size=(50, 3))
    wanted = Similarity(1.7, Rotation.from_rotvec([0.3, -1, 2]).as_matrix(), np.array([1.0, 2, 3]))
    found = procrustes(points, wanted.apply(points))
    np.testing.assert_allclose(found.apply(points), wanted.apply(points), atol=1e-12)
    assert np.linalg.det(procrustes(points, points * [-1, 1, 1]).rotation) == pytest.approx(1)


def test_vertex_icp_removes_scale_and_shift():
    vertices = blob().vertices
    found = vertex_icp(1.02 * vertices + [0.01, 0.02, 0], vertices, seed=0)
    np.testing.assert_allclose(found.apply(1.02 * vertices + [0.01, 0.02, 0]), vertices, atol=0.01)


def test_icon_p2s_runs_from_the_scan_to_the_prediction():
    """Half a sphere is all on the sphere, but not the other way round."""
    whole = sphere(0.9)
    half = Mesh(whole.vertices, whole.faces[whole.corners[:, :, 2].min(1) > -1e-9])
    values = measure_icon(Surface(half), Surface(whole), seed=0).values
    assert values["icon/p2s_cm"] > 10
    assert values["icon/chamfer_cm"] == pytest.approx(values["icon/p2s_cm"] / 2, rel=1e-6)


def test_normal_error_of_a_flipped_disc_and_of_an_empty_view():
    """A 1 x 1 m wall seen from 0 and 180 deg covers a quarter of the 2 m view; edge-on it is empty.

    Its color is (.5, .5, 1) from the front and (.5, .5, 0) from behind; flipped the other way round: a squared
    difference of 1 over a quarter of the pixels of two views.
    """
    corners = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    wall = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))
    flipped = Mesh(corners, wall.faces[:, ::-1])
    assert normal_error(Surface(flipped), Surface(wall)) == pytest.approx(2 * 0.25, rel=1e-6)
    # The wall moved out of sight: its own pixels count in both views, .5^2 + .5^2 + 1 in front and .5 behind.
    away = wall.moved(corners + [50, 0, 0])
    assert normal_error(Surface(away), Surface(wall)) == pytest.approx(0.25 * 1.5 + 0.25 * 0.5, rel=1e-6)


def test_vertex_normals_of_a_sphere_point_outwards():
    mesh = sphere(1.0)
    away_from_poles = np.abs(mesh.vertices[:, 1]) < 0.99
    normals = mesh.vertex_normals()[away_from_poles]
    np.testing.assert_allclose(normals, mesh.vertices[away_from_poles], atol=0.03)


def test_sith_measures_samples_after_alignment():
    """A moved and grown copy is aligned away: what is left is the spacing of 100 000 samples and of vertices."""
    mesh = blob()
    values = measure_sith(Surface(mesh.moved(1.03 * mesh.vertices + [0.05, 0, 0.1])), Surface(mesh), seed=0).values
    spacing_cm = 100 * 0.5 / np.sqrt(100_000 / 1.9)
    assert values["sith/p_to_s_cm"] < 3 * spacing_cm
    assert values["sith/f_score_%"] > 99
    assert values["sith/normal_consistency"] > 0.98
