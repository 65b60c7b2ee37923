"""Depth maps become one closed mesh on their own pixels."""

from collections import Counter

import numpy as np
import pytest

from geometry.camera import CENTRE, Camera
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, network_from_distance
from geometry.map_mesh import map_mesh, shrunk_maps
from geometry.pixel_grid import PixelGrid, manifold_part
from geometry.point_cloud import lift_sides

RADIUS = 0.2


def ball_maps(size: int, centre=(0.02, -0.03, 0.0), radius: float = RADIUS) -> tuple[np.ndarray, np.ndarray]:
    """Front and back network depth of a ball, exact."""
    rays, to_ball = Camera(size).rays(), np.array(centre) - CENTRE
    along = rays @ to_ball
    inside = along**2 - to_ball @ to_ball + radius**2
    half = np.sqrt(np.maximum(inside, 0))
    front = np.where(inside > 0, network_from_distance(along - half), FRONT_BACKGROUND)
    return front, np.where(inside > 0, network_from_distance(along + half), BACK_BACKGROUND)


def maps_of(mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rough depth on a mask: front near 1.9, back near 2.1, with jumps."""
    random = np.random.default_rng(seed)
    front = 1.9 + 0.05 * random.random(mask.shape) - 0.4 * (random.random(mask.shape) < 0.05)
    return np.where(mask, front, FRONT_BACKGROUND), np.where(mask, front + 0.2 * random.random(mask.shape), 0)


def directed_edges(faces: np.ndarray) -> Counter:
    return Counter(map(tuple, np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()))


def assert_closed(faces: np.ndarray) -> None:
    """Every edge has exactly two faces, which run through it in opposite directions."""
    edges = directed_edges(faces)
    assert max(edges.values()) == 1
    assert all((end, start) in edges for start, end in edges)


@pytest.mark.parametrize("seed", range(60))
def test_the_rim_of_a_pixel_grid_is_the_edges_that_one_triangle_has_alone(seed):
    random = np.random.default_rng(seed)
    mask = manifold_part(random.random(random.integers(1, 16, 2)) < random.uniform(0.3, 0.95))
    grid = PixelGrid.of(mask)
    faces, rim = grid.triangles(random.random(mask.shape)), grid.rim()
    edges = directed_edges(faces)
    assert {edge for edge in edges if edge[::-1] not in edges} == set(map(tuple, rim.tolist()))
    assert set(faces.ravel().tolist()) == set(range(np.count_nonzero(mask))), "no pixel is without a triangle"
    assert len(set(rim[:, 0].tolist())) == len(rim), "curves around the mask do not meet"


@pytest.mark.parametrize("seed", range(12))
def test_any_silhouette_and_any_depth_give_a_closed_mesh(seed):
    random = np.random.default_rng(seed)
    mask = np.kron(random.random((16, 16)) < 0.6, np.ones((4, 4), bool)) & (random.random((64, 64)) < 0.97)
    mask[:, :20] |= seed % 3 == 0  # touches the picture's edge
    mesh = map_mesh(lift_sides(*maps_of(mask, seed)))
    assert_closed(mesh.faces)
    assert np.isfinite(mesh.vertices).all()
    assert set(mesh.faces.ravel().tolist()) == set(range(len(mesh.vertices)))


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_ball_is_round_and_faces_outwards(step):
    maps = shrunk_maps(*ball_maps(256), step)
    mesh = map_mesh(lift_sides(*maps))
    assert_closed(mesh.faces)
    assert mesh.signed_volume() == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02 * step)
    radii = np.linalg.norm(mesh.vertices - (0.02, -0.03, 0.0), axis=1)
    pixel = step * 1.0 / Camera(256).focal
    assert np.percentile(abs(radii - RADIUS), 95) < pixel and abs(radii - RADIUS).max() < 3 * pixel
    outwards = (mesh.vertices - (0.02, -0.03, 0.0)) / radii[:, None]
    assert np.median(np.einsum("vc,vc->v", mesh.vertex_normals(), outwards)) > 0.995


@pytest.mark.parametrize("tilt_deg", [8, 20, 33, 70])
def test_the_side_of_a_slanting_limb_has_no_teeth(tilt_deg):
    """Stairs of pixels at its rim neither show on it nor make it thicker."""
    size, radius = 192, 8.0 / Camera(192).focal
    axis = np.array([np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg)), 0])
    rays = Camera(size).rays()
    across_ray = rays - (rays @ axis)[..., None] * axis
    a, b = (across_ray**2).sum(-1), across_ray @ CENTRE
    root = np.sqrt(np.maximum(b**2 - a * (1 - radius**2), 0))
    near, far = (-b - root) / a, (-b + root) / a
    limb = (root > 0) & (abs((CENTRE + near[..., None] * rays) @ axis) < 0.3)
    front = np.where(limb, network_from_distance(near), FRONT_BACKGROUND)
    mesh = map_mesh(lift_sides(front, np.where(limb, network_from_distance(far), BACK_BACKGROUND)))
    along = mesh.vertices @ axis
    thick = np.linalg.norm(mesh.vertices - along[:, None] * axis, axis=1)[abs(along) < 0.25]
    assert abs(thick - radius).max() * Camera(size).focal < 0.25


def test_shrunk_maps_are_means_over_the_body_alone():
    front, back = np.full((4, 4), FRONT_BACKGROUND), np.zeros((4, 4))
    front[:2, :2], back[:2, :2] = [[1, 2], [3, 6]], [[2, 4], [3, 0]]  # three body pixels
    front[2:, 2:], back[2:, 2:] = [[1, 6], [6, 6]], [[2, 0], [0, 0]]  # one of four
    near, far = shrunk_maps(front, back, 2)
    np.testing.assert_allclose(near, [[2, FRONT_BACKGROUND], [FRONT_BACKGROUND, FRONT_BACKGROUND]])
    np.testing.assert_allclose(far, [[3, 0], [0, 0]])
    with pytest.raises(ValueError, match="step 3 for maps of 4 px"):
        shrunk_maps(front, back, 3)


def test_an_arm_before_a_hip_is_joined_by_a_step_that_may_be_left_open():
    mask = np.zeros((128, 128), bool)
    mask[20:110, 30:100] = True
    front, back = np.where(mask, 2.0, FRONT_BACKGROUND), np.where(mask, 2.1, 0)
    front[40:80, 50:60] -= 0.5  # 30 cm of a grown person before it
    sides = lift_sides(front, back)
    closed, opened = map_mesh(sides), map_mesh(sides, open_jumps=True)
    assert_closed(closed.faces)
    edges = directed_edges(opened.faces)
    alone = [edge for edge in edges if edge[::-1] not in edges]
    around_arm, around_hole = 2 * (39 + 9), 2 * (41 + 11)
    assert around_arm + around_hole - 4 <= len(alone) <= around_arm + around_hole
    longest = np.linalg.norm(opened.corners - np.roll(opened.corners, 1, axis=1), axis=-1).max()
    assert longest < 0.05 < np.linalg.norm(closed.corners - np.roll(closed.corners, 1, axis=1), axis=-1).max()


def test_specks_are_left_out_and_a_thread_alone_is_refused():
    mask = np.zeros((64, 64), bool)
    mask[10:50, 10:40] = True
    mask[5:7, 60:62] = True
    mask[25, 40:64] = True  # a thread to another speck: no triangle joins them
    mask[24:27, 52:55] = True
    mesh = map_mesh(lift_sides(*maps_of(mask, 0)))
    assert Camera(64).project(mesh.vertices)[:, 0].max() < 45
    thread = np.zeros((64, 64), bool)
    thread[5:60, 30] = True
    with pytest.raises(ValueError, match="thinner than two pixels"):
        map_mesh(lift_sides(*maps_of(thread, 0)))
