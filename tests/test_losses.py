"""Loss terms and targets on inputs small enough to solve by hand, and the learning rate against the official one."""

import math

import numpy as np
import pytest
import torch

from geometry.coarse_grid import coarse_of
from geometry.normals import normals_from_depth
from geometry.parts import ARM
from losses.objective import depth_terms
from losses.targets import both_normals, crops_of, depth_target
from losses.terms import LossWeights, consistency_loss, depth_loss, mask_loss, normal_loss
from models.digitizer import DepthMaps, FrontBack
from tests.conftest import DATA
from training.schedule import one_cosine, rate, restarts

PAPER = LossWeights()


def a_disc(size: int = 64, front: float = 1.8, back: float = 2.2) -> torch.Tensor:
    """(1, 2, size, size) flat front and back inside a circle, 0 outside."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    inside = ((x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 3) ** 2).float()
    return torch.stack([front * inside, back * inside])[None]


def test_perfect_predictions_cost_nothing():
    depth = a_disc()
    normals = both_normals(depth, 64)
    assert float(normal_loss(normals, normals, PAPER, crops=1)) == pytest.approx(0, abs=1e-6)
    assert depth_loss(depth_target(depth), depth, PAPER) == 0
    assert consistency_loss(depth, depth, 64, PAPER) == 0
    logits = torch.where(depth[:, :1] > 0, 50.0, -50.0)
    assert float(mask_loss(logits, depth, PAPER)) == pytest.approx(0, abs=1e-6)


def test_normal_loss_sums_over_crops_and_means_over_samples():
    """A constant error of 0.1 in all maps: 0.85 L1 x crops; SSIM does not grow with the crops."""
    target = torch.full((8, 6, 16, 16), 0.5)
    only_l1 = LossWeights(normals_ssim=0.0)
    one, four = (normal_loss(target + 0.1, target, only_l1, crops) for crops in (1, 4))
    assert float(one) == pytest.approx(2 * 0.5 * 0.85 * 0.1, rel=1e-5)
    assert float(four) == pytest.approx(4 * float(one), rel=1e-6)
    only_ssim = LossWeights(normals_l1=0.0)
    noisy = target + 0.2 * torch.rand(target.shape, generator=torch.Generator().manual_seed(0))
    assert float(normal_loss(noisy, target, only_ssim, 1)) == pytest.approx(
        float(normal_loss(noisy, target, only_ssim, 4))
    )


def test_depth_loss_sees_the_background_of_the_front_at_6():
    """Predicting 0 everywhere: smooth L1 of 6 in front, 0 behind, on the background."""
    background = torch.zeros(1, 2, 8, 8)
    assert float(depth_loss(torch.zeros(1, 2, 8, 8), background, PAPER)) == pytest.approx(0.85 * (6 - 0.5))


def test_depth_loss_pulls_small_errors_as_hard_as_large_ones_above_beta():
    """With a small beta the gradient of an error is +-1, whatever its size, so that the loss seeks the median."""
    truth = torch.full((1, 2, 4, 4), 2.0)
    for error in (-1.5, 0.06, 0.9):
        predicted = (truth + error).requires_grad_()
        depth_loss(predicted, truth, LossWeights(depth=1.0, depth_beta=0.05)).backward()
        assert torch.allclose(predicted.grad * 16, torch.tensor(math.copysign(1.0, error)).expand(1, 2, 4, 4))
    halfway = (truth + 0.025).requires_grad_()
    depth_loss(halfway, truth, LossWeights(depth=1.0, depth_beta=0.05)).backward()
    assert torch.allclose(halfway.grad * 16, torch.full((1, 2, 4, 4), 0.5), atol=1e-4)


def test_depth_loss_can_leave_the_background_out():
    """An error of 2 everywhere; the person covers a quarter."""
    truth = torch.zeros(1, 2, 8, 8)
    truth[..., :4, :4] = 2.0
    wrong = torch.where(truth > 0, truth + 2, torch.tensor([[[[4.0]], [[2.0]]]]))
    whole = 0.85 * 2 * (2 - 0.5)
    assert float(depth_loss(wrong, truth, PAPER)) == pytest.approx(whole)
    assert float(depth_loss(wrong, truth, PAPER, background=0.0)) == pytest.approx(whole / 4)
    both = DepthMaps(FrontBack.split(wrong), torch.zeros(1, 1, 8, 8))
    alone = LossWeights(coarse_background=0.0)
    assert float(depth_terms("coarse", both, truth, 64, alone)["depth/coarse"]) == pytest.approx(whole / 4)
    assert float(depth_terms("full", both, truth, 64, alone)["depth/full"]) == pytest.approx(whole)
    half = LossWeights(full_background=0.5)
    assert float(depth_terms("coarse", both, truth, 64, half)["depth/coarse"]) == pytest.approx(whole)
    assert float(depth_terms("full", both, truth, 64, half)["depth/full"]) == pytest.approx(whole * (1 + 3 * 0.5) / 4)


def test_consistency_counts_only_the_person_but_divides_by_all_pixels():
    depth, wrong = a_disc(), a_disc()
    wrong[depth == 0] = 3.0
    inner = (wrong - depth).abs().sum() > 0
    assert inner
    slope = torch.linspace(0, 1, 64).expand(1, 2, 64, 64) * (depth > 0) + depth
    expected = 0.0
    for side in (0, 1):
        pair = [normals_from_depth(maps[:, side : side + 1], 64) * (depth[:, :1] > 0) for maps in (slope, depth)]
        expected += torch.nn.functional.smooth_l1_loss(*pair)
    assert float(consistency_loss(slope, depth, 64, PAPER)) == pytest.approx(float(0.15 * expected), rel=1e-5)


def test_mask_loss_is_cross_entropy_of_logits():
    depth = a_disc()
    present = float((depth[:, 0] > 0).float().mean())
    expected = present * math.log(1 + math.exp(-2)) + (1 - present) * math.log(1 + math.exp(2))
    assert float(mask_loss(torch.full((1, 1, 64, 64), 2.0), depth, PAPER)) == pytest.approx(expected, rel=1e-5)


def test_coarse_target_is_every_eighth_pixel_from_the_third():
    grid = torch.arange(64.0 * 64).view(1, 1, 64, 64)
    assert coarse_of(grid, canvas=64)[0, 0, 1, 2] == grid[0, 0, 11, 19]


def test_targets_are_not_edited_in_place():
    depth = a_disc()
    before = depth.clone()
    depth_terms("full", DepthMaps(FrontBack(*depth.split(1, 1)), depth[:, :1]), depth, 64, PAPER)
    assert torch.equal(depth, before)


def test_part_targets_follow_the_order_of_the_crops(standing_poses):
    """Each arm's target is that arm's crop, samples innermost, zeros outside the canvas."""
    maps = torch.rand(2, 6, 256, 256)
    poses = torch.from_numpy(standing_poses.canvas_from_part).float().expand(2, -1, -1, -1)
    crops = crops_of(ARM, maps, poses)
    assert crops.shape == (8, 6, *ARM.crop_on(256))
    assert torch.equal(crops[2:4], crops_of(ARM, maps, poses)[2:4])
    alone = crops_of(ARM, maps[1:], poses[1:])
    torch.testing.assert_close(crops[1::2], alone)


def test_learning_rate_is_the_official_one():
    with np.load(DATA / "lr_schedule.npz") as golden:
        ours = [1e-4 * restarts(epoch) for epoch in golden["epoch"]]
        np.testing.assert_allclose(ours, golden["lr"], atol=1e-12)


def test_one_cosine_warms_up_and_ends_at_zero():
    assert one_cosine(0.01) == pytest.approx(0.5)
    assert one_cosine(0.02) == 1
    assert one_cosine(1) == pytest.approx(0)
    assert 0 < rate("cosine", 99, 10, 10) < 0.01
