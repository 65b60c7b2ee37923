"""Crops, their return to the canvas and the fusion: equal to warps of the whole canvas, as the paper describes them."""

import pytest
import torch
from torch.nn import functional as F

from geometry.fusion import blend_weight, fuse_parts
from geometry.parts import ARM, KINDS, indices_of
from geometry.poses import Poses
from geometry.warp import centred_window, footprint, part_corners, sample_back, sample_crop
from geometry.window import Window

SIZE = 256
NOISE = 1e-4
"""White noise changes by 1 from pixel to pixel, and float32 coordinates are good to 3e-5 px."""


@pytest.fixture
def poses(standing_poses) -> Poses:
    return Poses.stack([standing_poses])


def whole_warp(image: torch.Tensor, target_from_output: torch.Tensor) -> torch.Tensor:
    """Warp a whole canvas with PyTorch's own affine_grid."""
    grid = F.affine_grid(target_from_output, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def noise(channels: int, *hw: int) -> torch.Tensor:
    return torch.rand(1, channels, *hw, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("part", range(12))
def test_a_crop_is_the_middle_of_the_warped_canvas(poses, part):
    image, theta = noise(3, SIZE, SIZE), poses.canvas_from_part[:, part]
    expected = whole_warp(image, theta)[(..., *centred_window((88, 56), SIZE).slices)]
    torch.testing.assert_close(sample_crop(image, theta, (88, 56)), expected, atol=NOISE, rtol=0)


@pytest.mark.parametrize("part", range(12))
def test_the_way_back_is_the_warp_of_the_padded_crop(poses, part):
    crop = noise(2, 88, 56)
    padded = torch.zeros(1, 2, SIZE, SIZE)
    padded[(..., *centred_window((88, 56), SIZE).slices)] = crop
    expected = whole_warp(padded, poses.part_from_canvas[:, part])[0]
    window = footprint(poses.canvas_from_part[0, part], (88, 56), SIZE)
    landed = sample_back(crop[0], poses.part_from_canvas[0, part], window, SIZE)
    torch.testing.assert_close(landed, expected[(..., *window.slices)], atol=NOISE, rtol=0)
    outside = expected.clone()
    outside[(..., *window.slices)] = 0
    assert not outside.any(), "the footprint must hold everything that lands"


def test_a_crop_and_its_way_back_give_the_picture_back(poses):
    y, x = torch.meshgrid(torch.linspace(0, 6, SIZE), torch.linspace(0, 5, SIZE), indexing="ij")
    image = (torch.sin(x) + torch.cos(y))[None, None]
    part, hw = 1, (66, 42)
    crop = sample_crop(image, poses.canvas_from_part[:, part], hw)
    whole = Window.full(SIZE)
    back = sample_back(crop[0], poses.part_from_canvas[0, part], whole, SIZE)
    solid = sample_back(torch.ones_like(crop[0]), poses.part_from_canvas[0, part], whole, SIZE) > 0.999
    assert solid.sum() > 500
    assert (back - image[0])[solid].abs().max() < 2e-3


def test_a_part_beside_the_canvas_has_an_empty_footprint():
    far = torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]])
    assert footprint(far, (64, 64), SIZE).is_empty


def test_corners_lie_on_the_rim_of_the_footprint(standing_poses, poses):
    corners = part_corners(standing_poses.canvas_from_part, SIZE)
    for kind in KINDS:
        for part in indices_of(kind):
            window = footprint(poses.canvas_from_part[0, part], kind.crop_on(SIZE), SIZE)
            low, high = corners[part].min(0), corners[part].max(0)
            assert abs(max(low[0], 0) - window.left) <= 3 and abs(min(high[1], SIZE) - window.bottom) <= 4


def test_the_weight_is_one_inside_and_zero_at_the_rim():
    identity = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    weight = blend_weight(identity, (352, 224), 2048)
    assert weight.shape == (1, 1, 352, 224)
    assert weight[0, 0, 176, 112] == pytest.approx(1, abs=1e-6)
    assert not weight[0, 0, 0].any() and not weight[..., 0].any(), "the support lies inside the crop"
    torch.testing.assert_close(weight, weight.flip(2), atol=1e-6, rtol=0)


def test_the_weight_ends_where_the_photo_ends():
    right = torch.tensor([[[1.0, 0, 0.95], [0, 1.0, 0]]])
    weight = blend_weight(right, (352, 224), 2048)[0, 0, 176]
    assert weight[60] > 0.9 and weight[200] == 0


def slow_fusion(part_normals, poses):
    """The paper's fusion with twelve whole canvases."""
    total, fused = torch.zeros(1, 1, SIZE, SIZE), torch.zeros(1, 6, SIZE, SIZE)
    for kind in KINDS:
        hw = kind.crop_on(SIZE)
        for position, part in enumerate(indices_of(kind)):
            padded = torch.zeros(1, 7, SIZE, SIZE)
            weight = blend_weight(poses.canvas_from_part[:, part], hw, SIZE)
            window = (..., *centred_window(hw, SIZE).slices)
            padded[window] = torch.cat([part_normals[kind.name][:, position], weight], 1)
            landed = whole_warp(padded, poses.part_from_canvas[:, part])
            fused += landed[:, :6] * landed[:, 6:]
            total += landed[:, 6:]
    return torch.where(total > 0, fused / total, fused), total > 0


def test_fusion_in_footprints_equals_fusion_on_whole_canvases(poses):
    generator = torch.Generator().manual_seed(1)
    parts = {k.name: torch.rand(1, len(indices_of(k)), 6, *k.crop_on(SIZE), generator=generator) for k in KINDS}
    fused, covered = fuse_parts(parts, poses, SIZE)
    expected, expected_covered = slow_fusion(parts, poses)
    assert (covered != expected_covered).float().mean() < 1e-4
    both = (covered & expected_covered).expand(-1, 6, -1, -1)
    assert ((fused - expected).abs()[both] > 1e-3).float().mean() < 1e-3, "only sums near zero may differ"
    assert not fused[~covered.expand(-1, 6, -1, -1)].any()


def test_fusing_one_color_gives_that_color(poses):
    parts = {k.name: torch.full((1, len(indices_of(k)), 6, *k.crop_on(SIZE)), 0.7) for k in KINDS}
    fused, covered = fuse_parts(parts, poses, SIZE)
    torch.testing.assert_close(fused[covered.expand(-1, 6, -1, -1)], torch.tensor(0.7).expand(6 * int(covered.sum())))


def test_a_batch_is_fused_person_by_person(standing_xy, standing_poses):
    from geometry.similarity import pose_parts

    shifted = pose_parts(standing_xy + 0.1)
    generator = torch.Generator().manual_seed(2)
    parts = {k.name: torch.rand(2, len(indices_of(k)), 6, *k.crop_on(SIZE), generator=generator) for k in KINDS}
    both = Poses.stack([standing_poses, shifted])
    fused, _ = fuse_parts(parts, both, SIZE)
    alone = Poses.stack([shifted])
    second, _ = fuse_parts({k: v[1:] for k, v in parts.items()}, alone, SIZE)
    torch.testing.assert_close(fused[1:], second)


def test_every_kind_of_crop_fits_every_canvas():
    assert ARM.crop_on(512) == (88, 56)
