"""Coarse normals where no part's crop reaches: the right slopes, only on the person, and the parts' own elsewhere."""

from dataclasses import replace

import pytest
import torch

from geometry.coarse_grid import coarse_of
from geometry.coarse_normals import converted, lift_normals
from geometry.normals import normals_from_depth
from geometry.poses import Poses
from losses.targets import both_normals
from models.build import build_digitizer
from models.fast import accelerate
from tests.conftest import TINY

SIZE = 256


def slope(right: float, down: float) -> torch.Tensor:
    """(1, 2, SIZE, SIZE) a tilted plane in front and another one behind; steps in network units per pixel."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.stack([1.5 + right * x + down * y, 2.5 - down * x + right * y])[None]


@pytest.mark.parametrize(("right", "down"), [(0.0, 0.0), (2e-3, -1e-3), (-4e-3, 3e-3)])
def test_a_plane_reads_the_same_in_both_codes(right, down):
    """METHOD.md 6: a coarse normal stores 8 times the slope; converted, it is that of the full depth."""
    depth = slope(right, down)
    lifted = lift_normals(both_normals(coarse_of(depth, SIZE), SIZE), torch.ones(1, 1, 32, 32), SIZE)
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(lifted[inside], both_normals(depth, SIZE)[inside], atol=1e-4, rtol=0)


def test_steps_to_the_background_leave_no_rim():
    """The last coarse pixel before the background stores a step of metres; the surface goes on instead."""
    depth = slope(2e-3, 1e-3)
    person = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    person[..., 80:160, 96:192] = True
    cut = torch.where(person, depth, 0)
    mask = torch.where(coarse_of(person.float(), SIZE) > 0, 4.0, -4.0)
    lifted = lift_normals(both_normals(coarse_of(cut, SIZE), SIZE), mask, SIZE)
    truth = both_normals(depth, SIZE)
    known = (lifted.sum(1, keepdim=True) > 0).expand_as(lifted)
    assert person[known[:, :1]].float().mean() > 0.85
    torch.testing.assert_close(lifted[known], truth[known], atol=1e-4, rtol=0)
    far = torch.nn.functional.max_pool2d(person.float(), 17, 1, 8) == 0
    assert not lifted[far.expand_as(lifted)].any()


def test_a_conversion_keeps_unit_length_and_dead_normals_finite():
    stored = torch.cat([torch.rand(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)])
    normal = converted(stored)
    torch.testing.assert_close(normal.norm(dim=1), torch.ones(2, 8, 8))


@torch.no_grad()
def test_a_filled_model_changes_only_what_no_part_covers(tiny_digitizer, standing_poses):
    torch.manual_seed(1)
    photo, poses = torch.rand(1, 3, SIZE, SIZE) * 2 - 1, Poses.stack([standing_poses])
    filled = build_digitizer(replace(TINY, filled=True))
    filled.load_state_dict(tiny_digitizer.state_dict())
    for model in (tiny_digitizer, filled):
        # Every pixel is a person's.
        model.coarse_depth.head.bias[2] += 100
    plain, full = (accelerate(model.eval()).phase1(photo, poses) for model in (tiny_digitizer, filled))
    assert torch.equal(plain.covered, full.covered)
    uncovered = ~plain.covered.expand_as(plain.fused)
    assert uncovered.any() and not plain.fused[uncovered].any() and (full.fused[uncovered] > 0).float().mean() > 0.9
    changed = ((plain.fused - full.fused).abs() > 1e-4).any(1, keepdim=True) & plain.covered
    # The coarse normals fade in over the rim of the crops: a line of pixels.
    assert changed.any() and changed.sum() < 0.1 * plain.covered.sum()


def test_stored_normals_of_a_flat_map_are_the_code_of_facing():
    flat = normals_from_depth(torch.full((1, 1, 8, 8), 2.0), 768)
    torch.testing.assert_close((converted(flat) + 1) / 2, flat, atol=1e-6, rtol=0)
