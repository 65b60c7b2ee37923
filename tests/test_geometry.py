"""Camera, depth units, windows, similarities and slope normals: closed forms, round trips, goldens."""

import numpy as np
import pytest
import torch

from geometry import depth as units
from geometry.camera import CENTRE, Camera
from geometry.normals import normals_from_depth
from geometry.parts import KINDS, PARTS, indices_of
from geometry.similarity import fit_similarity, invert, pose_parts
from geometry.window import Window, person_window
from tests import golden
from tests.conftest import DATA

PHOTOS = ("000028", "0281", "0502_front", "DSC02780", "hanni", "rp_aaron_posed_013_front", "rp_alvin_posed_002_front",
          "son")  # fmt: skip


def test_focal_length_is_the_papers():
    assert Camera(2048).focal == pytest.approx(2195.975, abs=5e-4)


@pytest.mark.parametrize("size", [128, 2048])
def test_a_point_on_a_pixels_ray_projects_to_the_pixels_centre(size):
    camera = Camera(size)
    rows, columns = np.array([0, 3, size - 1, size // 2]), np.array([0, size - 1, 5, size // 2])
    points = CENTRE + np.array([0.6, 0.9, 1.1, 1.4])[:, None] * camera.rays_at(rows, columns)
    np.testing.assert_allclose(camera.project(points), np.stack([columns + 0.5, rows + 0.5], 1), atol=1e-9)


def test_rays_of_a_window_are_those_of_the_image():
    camera, window = Camera(64), Window(5, 20, 7, 64)
    np.testing.assert_array_equal(camera.rays(window), camera.rays()[window.slices])
    np.testing.assert_array_equal(camera.rays()[[3, 9], [4, 63]], camera.rays_at(np.array([3, 9]), np.array([4, 63])))
    np.testing.assert_allclose(np.linalg.norm(camera.rays(), axis=-1), 1, atol=1e-15)


def test_depth_units_agree_with_each_other():
    distance = np.linspace(0.6, 1.4, 101)
    for size in (256, 2048):
        pixels = units.pixels_from_distance(distance, size)
        np.testing.assert_allclose(units.distance_from_network(pixels / (size / 4)), distance, atol=1e-13)
        np.testing.assert_allclose(pixels / (size / 4), units.network_from_distance(distance), atol=1e-12)
    np.testing.assert_allclose(units.distance_from_network(units.network_from_distance(distance)), distance, atol=1e-13)


def test_depth_survives_its_file():
    """The file truncates: at most one step of 1 / 32 px is lost, and background stays background."""
    size = 512
    depth = np.random.default_rng(0).uniform(0.1, 3.9, (8, 8))
    present = np.random.default_rng(1).random((8, 8)) > 0.3
    encoded = units.encode_network(depth, size, present)
    assert encoded.dtype == np.uint16
    decoded = units.decode_network(encoded, size)
    assert (decoded[~present] == 0).all()
    lost = depth[present] - decoded[present]
    step = 4 / size / 32
    assert (lost > -1e-6).all() and (lost < step + 1e-6).all()


def test_a_present_depth_never_reads_as_background():
    assert units.encode_network(np.zeros((1, 1)), 256, np.ones((1, 1), bool))[0, 0] == 1


@pytest.mark.parametrize("bad", [-1.0, 2048.0, np.nan])
def test_depth_that_uint16_cannot_hold_is_refused(bad):
    with pytest.raises(ValueError, match="does not fit"):
        units.encode_pixels(np.array([1.0, bad]))


def test_windows_keep_their_promises():
    window = Window(3, 10, 5, 8)
    assert window.grown(4, 12) == Window(0, 12, 1, 12)
    assert window.aligned(4) == Window(0, 12, 4, 8)
    assert window.halved() == Window(1, 5, 2, 4)
    outer = Window(2, 20, 1, 20)
    assert window.relative_to(outer) == Window(1, 8, 4, 7) and window.relative_to(outer).placed_in(outer) == window
    assert Window(5, 5, 0, 3).is_empty and not window.is_empty
    assert np.zeros((12, 12))[window.slices].shape == (window.height, window.width)


def test_a_similarity_is_recovered_from_its_own_points():
    truth = np.array([[0.8, -0.3, 0.1], [0.3, 0.8, -0.2]])
    points = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(fit_similarity(points, points @ truth[:, :2].T + truth[:, 2]), truth, atol=1e-14)


def test_a_similarity_of_one_place_is_refused():
    with pytest.raises(ValueError, match="coincide"):
        fit_similarity(np.ones((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        fit_similarity(np.array([[0, 0], [np.nan, 1]]), np.zeros((2, 2)))


@pytest.mark.parametrize("photo", PHOTOS)
def test_part_poses_are_the_golden_ones(photo):
    with np.load(DATA / "keypoints_affines.npz") as expected:
        poses = pose_parts(2 * expected[f"{photo}.keypoints31_2048"][:, :2] / 2048 - 1)
        np.testing.assert_allclose(poses.part_from_canvas, expected[f"{photo}.affine"], atol=1e-6)
        np.testing.assert_allclose(poses.canvas_from_part, expected[f"{photo}.affine_inverse"], atol=1e-6)


def test_parts_without_a_limit_follow_the_person(standing_xy, standing_poses):
    """Turn, scale and move the person: torso and feet move along exactly."""
    motion = np.array([[0.6, -0.4, 0.05], [0.4, 0.6, -0.1]])
    moved = pose_parts(standing_xy @ motion[:, :2].T + motion[:, 2])
    inverse, free = invert(motion), [index for index, part in enumerate(PARTS) if part.limb is None]
    assert len(free) == 3
    for index in free:
        pose = standing_poses.part_from_canvas[index]
        linear = pose[:, :2] @ inverse[:, :2]
        expected = np.column_stack([linear, pose[:, :2] @ inverse[:, 2] + pose[:, 2]])
        np.testing.assert_allclose(moved.part_from_canvas[index], expected, atol=1e-12)


def test_a_short_limb_is_never_magnified(standing_xy):
    """Of a child far away, the parts with a limit are seen at the canvas's own scale."""
    scales = [np.hypot(*pose[:, 0]) for pose in pose_parts(0.1 * standing_xy).part_from_canvas]
    for part, scale in zip(PARTS, scales, strict=True):
        if part.limb is None:
            assert scale > 2
        elif len(part.anchors) == 2:
            assert scale == pytest.approx(1, abs=1e-9)
        else:
            assert scale == pytest.approx(1, abs=0.1), "three joints are fitted, not met"


def test_the_part_table_has_five_networks_and_twelve_crops():
    assert [len(indices_of(kind)) for kind in KINDS] == [1, 1, 4, 4, 2]
    assert [part.name for part in PARTS][2:4] == ["left_upper_arm", "left_forearm"]
    for canvas in (2048, 1024, 512, 256, 128):
        for kind in KINDS:
            height, width = kind.crop_on(canvas)
            assert height % 8 == 0 and width % 8 == 0
            assert (
                0 <= height - kind.crop_hw[0] * canvas / 2048 < 8 and 0 <= width - kind.crop_hw[1] * canvas / 2048 < 8
            )


def test_slope_normals_are_the_golden_ones():
    with np.load(DATA / "normals_from_depth.npz") as expected:
        for side, depth in zip(("front", "back"), golden.depths().split(1, dim=1), strict=True):
            coarse = normals_from_depth(depth[..., 3::8, 3::8], 2048)[0]
            np.testing.assert_allclose(coarse, expected[f"normal_{side}_stride8"], atol=1e-6)
            fine = normals_from_depth(depth, 2048)[0][..., ::16, ::16]
            np.testing.assert_allclose(fine, expected[f"normal_{side}_stride1"], atol=1e-6)


@pytest.mark.parametrize("canvas", [2048, 512])
def test_a_flat_map_faces_the_camera_and_background_is_zero(canvas):
    depth = torch.full((1, 1, 6, 6), 2.0)
    depth[..., :, 4:] = 0
    normals = normals_from_depth(depth, canvas)
    torch.testing.assert_close(normals[..., :3], torch.tensor([0.5, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 6, 3))
    assert (normals[..., 4:] == 0).all()


def test_slope_normals_have_unit_length_and_the_gradients_of_the_formula():
    """The norm is written out for speed: the formula of METHOD.md 6 by F.normalize gives the same, backwards too."""
    depth = 2 + 0.05 * torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    depth[..., :9] = 0
    results = []
    for formula in (normals_from_depth, _by_normalize):
        leaf = depth.clone().requires_grad_()
        stored = formula(leaf, 768)
        stored.pow(2).sum().backward()
        results.append((stored.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1], atol=1e-9, rtol=1e-9)


def _by_normalize(depth: torch.Tensor, canvas: int) -> torch.Tensor:
    x = depth - torch.cat([depth[..., 1:], depth[..., -1:]], -1)
    y = torch.cat([depth[..., :1, :], depth[..., :-1, :]], -2) - depth
    steps = torch.cat([x, y, torch.full_like(depth, 2048 / canvas / 255)], 1)
    return torch.where(depth >= 0.2, (torch.nn.functional.normalize(steps, dim=1) + 1) / 2, 0.0)


def test_the_window_of_a_person_has_a_thirty_second_of_the_canvas_around_it():
    present = np.zeros((256, 256), bool)
    assert person_window(present) == Window.full(256)
    present[40, 100] = present[90, 253] = True
    assert person_window(present) == Window(32, 99, 92, 256)
