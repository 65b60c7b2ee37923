"""Depth maps become points where the camera says, with the normals of the surface, and a closed side."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geometry.camera import CENTRE, Camera
from geometry.depth import (
    BACK_BACKGROUND,
    FRONT_BACKGROUND,
    WORLD_PER_NETWORK_UNIT,
    network_from_distance,
)
from geometry.point_cloud import PointCloud, lift_sides, normals_of_distance, sides_cloud, silhouettes
from geometry.side_gap import LONGEST_GAP, closed_cloud, side_gap_cloud

GOLDEN = Path(__file__).parent / "data" / "pointcloud_256.npz"
SIZE = 256
BALL_CENTRE, BALL_RADIUS = np.array([0.1, -0.05, 0.1]), 0.15


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Front and back network depth of a ball with the networks' backgrounds, and a photo of random colors."""
    rays = Camera(SIZE).rays()
    along = (BALL_CENTRE - CENTRE) @ rays.reshape(-1, 3).T
    gap = along**2 - ((BALL_CENTRE - CENTRE) ** 2).sum() + BALL_RADIUS**2
    half = np.sqrt(np.maximum(gap, 0))
    front = np.where(gap > 0, network_from_distance(along - half), FRONT_BACKGROUND).reshape(SIZE, SIZE)
    back = np.where(gap > 0, network_from_distance(along + half), BACK_BACKGROUND).reshape(SIZE, SIZE)
    return front, back, np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def plane_distance(rays: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """Distance from the camera to the plane normal . (P - camera) = offset."""
    return offset / (rays @ normal)


def widest_hole(cloud: PointCloud, places: np.ndarray) -> float:
    """Largest distance from a place to its nearest point."""
    return max(np.linalg.norm(cloud.points - place, axis=1).min() for place in places)


def test_points_equal_the_golden_cloud():
    golden = np.load(GOLDEN)
    depth = golden["encoded_depth"] / (32 * 2048 / 4)  # of a 2048 px map: the network unit is a quarter of it
    present = golden["encoded_depth"] > 0
    front = np.where(present, depth, FRONT_BACKGROUND)
    back = np.where(present, depth, BACK_BACKGROUND)
    cloud = sides_cloud(lift_sides(front, back), np.zeros((SIZE, SIZE, 3), np.uint8))

    points_of_camera = (cloud.points - CENTRE) * [1, -1, -1]

    np.testing.assert_allclose(points_of_camera[: present.sum()], golden["xyz"], rtol=0, atol=1e-12)


def test_points_project_onto_their_pixels_with_their_colors(ball):
    front, back, rgb = ball
    cloud = sides_cloud(lift_sides(front, back), rgb)

    columns, rows = np.floor(Camera(SIZE).project(cloud.points)).astype(int).T

    np.testing.assert_array_equal(cloud.colors, rgb[rows, columns])


def test_silhouette_drops_crossed_depths_and_cuts_the_back():
    front, back = np.full((2048, 2048), FRONT_BACKGROUND), np.zeros((2048, 2048))
    front[100:120, 200:230], back[100:120, 200:230] = 1.9, 2.1
    front[110, 215] = 2.2
    front[0, 0], back[0, 0] = 0.0, 0.0
    front[1, 1], back[1, 1] = np.nan, np.nan
    front[2, 2], back[2, 2] = 6.0, 6.0

    front_body, back_body = silhouettes(front, back)

    assert front_body.sum() == 20 * 30 - 1
    assert not front_body[110, 215]
    # 3 px at the edge, and a 7 x 7 hole around the crossed pixel.
    assert back_body.sum() == 14 * 24 - 49


def test_back_cut_scales_with_the_canvas(ball):
    front, back, _ = ball
    front_body, back_body = silhouettes(front, back)
    rows = front_body.any(axis=1).sum()
    assert back_body.any(axis=1).sum() == rows - 2


def test_empty_silhouette_and_wrong_shapes_are_refused():
    empty = np.full((8, 8), FRONT_BACKGROUND)
    with pytest.raises(ValueError, match="the body is empty"):
        lift_sides(empty, np.zeros((8, 8)))
    with pytest.raises(ValueError, match=r"\(8, 8\) and \(8, 9\)"):
        lift_sides(empty, np.zeros((8, 9)))


def test_tilted_plane_has_one_normal_up_to_its_border():
    rays = Camera(64).rays()
    normal = np.array([0.6, -0.3, 1.0]) / np.linalg.norm([0.6, -0.3, 1.0])
    distance = plane_distance(rays, normal, -0.9)

    normals = normals_of_distance(distance, rays, np.ones((64, 64), bool))

    np.testing.assert_allclose(normals, np.broadcast_to(normal, normals.shape), atol=1e-4)


def test_normals_do_not_mix_across_a_depth_jump():
    rays = Camera(64).rays()
    normal = np.array([0.5, 0.0, 1.0]) / np.linalg.norm([0.5, 0.0, 1.0])
    distance = plane_distance(rays, normal, -0.9)
    distance[:, 32:] += 1.0

    normals = normals_of_distance(distance, rays, np.ones((64, 64), bool))

    near_jump = normals[:, 31]
    assert np.degrees(np.arccos(np.clip(near_jump @ normal, -1, 1))).max() < 3  # 45 if the jump counted


def test_ball_normals_point_outwards_on_both_sides(ball):
    front, back, rgb = ball
    cloud = sides_cloud(lift_sides(front, back), rgb)

    true_normals = (cloud.points - BALL_CENTRE) / BALL_RADIUS
    angles = np.degrees(np.arccos(np.clip((true_normals * cloud.normals).sum(axis=1), -1, 1)))

    assert np.median(angles) < 1
    assert angles.max() < 45  # at the rim one pixel spans that much of a ball


def test_a_lonely_pixel_faces_the_camera():
    front, back = np.full((16, 16), FRONT_BACKGROUND), np.zeros((16, 16))
    front[8, 8], back[8, 8] = 1.9, 2.1
    sides = lift_sides(front, back)
    cloud = sides_cloud(sides, np.zeros((16, 16, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1, atol=1e-5)
    assert cloud.normals[0, 2] > 0.99
    assert np.isfinite(side_gap_cloud(sides, np.zeros((16, 16, 3), np.uint8)).normals).all()


def test_side_gap_lies_on_the_ball_and_leaves_no_hole(ball):
    front, back, rgb = ball
    sides = lift_sides(front, back)
    gap = side_gap_cloud(sides, rgb)
    radii = np.linalg.norm(gap.points - BALL_CENTRE, axis=1)
    pixel = 1 / Camera(SIZE).focal

    assert abs(radii - BALL_RADIUS).max() < 1.0 * pixel
    outwards = (gap.points - BALL_CENTRE) / radii[:, None]
    assert (outwards * gap.normals).sum(axis=1).min() > 0.5
    plain = sides_cloud(sides, rgb)
    everywhere = np.random.default_rng(0).normal(size=(300, 3))
    everywhere *= BALL_RADIUS / np.linalg.norm(everywhere, axis=1, keepdims=True)
    assert widest_hole(plain + gap, everywhere + BALL_CENTRE) < 2.5 * pixel
    assert widest_hole(plain, everywhere + BALL_CENTRE) > 5 * pixel


def test_closed_cloud_drops_pixels_that_fly_between_two_surfaces():
    """A step of 0.4 units (26 px) in the middle of the front map, blurred over three pixels."""
    front, back = np.full((SIZE, SIZE), FRONT_BACKGROUND), np.zeros((SIZE, SIZE))
    front[60:200, 60:200], back[60:200, 60:200] = 1.7, 2.4
    front[60:200, 130:200] += 0.4
    front[60:200, 129:132] = 1.8, 1.9, 2.0
    sides, rgb = lift_sides(front, back), np.zeros((SIZE, SIZE, 3), np.uint8)

    def flying(cloud: PointCloud) -> np.ndarray:
        columns, rows = np.floor(Camera(SIZE).project(cloud.points)).astype(int).T
        return (columns >= 129) & (columns <= 131) & (rows > 65) & (rows < 195) & (cloud.normals[:, 2] > -0.5)

    assert flying(sides_cloud(sides, rgb)).sum() == 3 * 129
    assert flying(closed_cloud(sides, rgb)).sum() == 0


def test_closed_cloud_keeps_a_smooth_body(ball):
    front, back, rgb = ball
    sides = lift_sides(front, back)
    whole = len(sides_cloud(sides, rgb)) + len(side_gap_cloud(sides, rgb))
    assert 0.999 * whole < len(closed_cloud(sides, rgb)) <= whole


def test_side_colors_come_from_inside_the_silhouette(ball):
    front, back, _ = ball
    sides = lift_sides(front, back)
    rgb = np.full((SIZE, SIZE, 3), 200, np.uint8)
    rgb[~silhouettes(front, back)[1]] = 0  # the rim, darkened by the background

    assert (side_gap_cloud(sides, rgb).colors == 200).all()


def test_no_strut_joins_a_hand_to_the_hip_behind_it():
    front, back = np.full((64, 64), FRONT_BACKGROUND), np.zeros((64, 64))
    front[10:50, 10:30], back[10:50, 10:30] = 1.9, 1.9 + 1.1 * LONGEST_GAP / WORLD_PER_NETWORK_UNIT
    wide, rgb = lift_sides(front, back), np.zeros((64, 64, 3), np.uint8)
    back[10:50, 10:30] = 1.9 + 0.9 * LONGEST_GAP / WORLD_PER_NETWORK_UNIT
    narrow = lift_sides(front, back)
    strip = (wide.silhouette & ~wide.back.present).sum()
    assert len(side_gap_cloud(wide, rgb)) == strip < len(side_gap_cloud(narrow, rgb))


def test_depths_of_noise_stay_small_and_finite():
    random = np.random.default_rng(0)
    front, back = random.uniform(0, 6, (2, 64, 64))
    sides = lift_sides(front, back)
    gap = side_gap_cloud(sides, np.zeros((64, 64, 3), np.uint8))
    assert np.isfinite(gap.points).all() and np.isfinite(gap.normals).all()
    assert len(gap) <= (LONGEST_GAP * Camera(64).focal * 2 + 1) * sides.silhouette.sum()


def test_body_cut_by_the_image_border_is_closed_there():
    front, back = np.full((32, 32), FRONT_BACKGROUND), np.zeros((32, 32))
    front[10:, 8:24], back[10:, 8:24] = 1.92, 2.08
    gap = side_gap_cloud(lift_sides(front, back), np.zeros((32, 32, 3), np.uint8))
    lowest = gap.normals[gap.points[:, 1] < gap.points[:, 1].min() + 0.01]
    assert (lowest[:, 1] < -0.5).mean() > 0.5


def test_the_cut_of_the_back_does_not_move_the_gap(ball):
    """Curves end on the uncut back map: the same with and without the cut."""
    front, back, rgb = ball
    sides = lift_sides(front, back)
    uncut = replace(sides, back=replace(sides.back, present=sides.silhouette))
    strip = (sides.silhouette & ~sides.back.present).sum()
    np.testing.assert_array_equal(side_gap_cloud(sides, rgb).points[strip:], side_gap_cloud(uncut, rgb).points)
