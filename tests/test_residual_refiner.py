"""The refiner that changes the lifted coarse depth: what it starts from, and that every way to run it agrees."""

from dataclasses import replace

import pytest
import torch

from geometry.coarse_grid import coarse_of, lift_depth
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND
from geometry.window import Window
from losses.terms import LossWeights, refined_normal_loss
from models.build import build_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate
from tests.conftest import TINY
from training.recompute import refine_recomputed
from training.settings import DataSettings, PhaseSettings, Settings
from training.state import load_start
from utils.checkpoint import read_checkpoint, write_checkpoint
from utils.config import to_dict
from utils.errors import InputError

RESIDUAL = replace(TINY, residual=True)
SIZE = TINY.canvas
WINDOW = Window(40, 250, 61, 200)


def settings(model) -> Settings:
    return Settings(model, DataSettings(("a",), ("b",)), PhaseSettings(1), PhaseSettings(1))


@pytest.fixture
def residual(tiny_digitizer) -> Digitizer:
    """The tiny model, residual, whose head says something."""
    model = build_digitizer(RESIDUAL)
    model.load_state_dict(tiny_digitizer.state_dict())
    return model.eval()


@pytest.fixture
def coarse() -> torch.Tensor:
    """(2, 2, r, r) depth of a person before the background."""
    depth = 1 + torch.rand(2, 2, SIZE // 8, SIZE // 8, generator=torch.Generator().manual_seed(1))
    depth[:, 0, :, :9], depth[:, 1, :, :9] = FRONT_BACKGROUND, BACK_BACKGROUND
    return depth


@pytest.fixture
def normals() -> torch.Tensor:
    return torch.rand(2, 6, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def plane() -> torch.Tensor:
    """(1, 2, SIZE, SIZE) a tilted front and back."""
    y, x = torch.meshgrid(torch.arange(SIZE) / SIZE, torch.arange(SIZE) / SIZE, indexing="ij")
    return torch.stack([1.5 + 0.3 * x - 0.2 * y, 2.5 - 0.1 * x + 0.4 * y])[None]


def test_a_tilted_plane_is_lifted_exactly_between_its_samples():
    """The coarse depth is a sample of pixel 3 of 8, not a mean: a half-pixel slip would be seen."""
    lifted = lift_depth(coarse_of(plane(), SIZE), Window.full(SIZE))
    between = (..., slice(3, SIZE - 5), slice(3, SIZE - 5))
    torch.testing.assert_close(lifted[between], plane()[between], atol=2e-6, rtol=0)


def test_the_background_takes_no_part_in_the_depth_of_the_rim():
    """One unit away from the mask there is no trace of the background's 6 and 0: a flat person stays flat."""
    depth = torch.zeros(1, 2, 32, 32)
    depth[:, 0], depth[:, 1] = FRONT_BACKGROUND, BACK_BACKGROUND
    depth[:, 0, 10:20, 12:18], depth[:, 1, 10:20, 12:18] = 1.75, 2.25
    lifted = lift_depth(depth, Window(10 * 8 - 56, 20 * 8 + 56, 12 * 8 - 56, 18 * 8 + 56))
    torch.testing.assert_close(lifted, torch.tensor([1.75, 2.25])[:, None, None].expand_as(lifted), atol=1e-6, rtol=0)


def test_a_fresh_refiner_says_the_lifted_coarse_depth(coarse, normals):
    torch.manual_seed(0)
    refiner = build_digitizer(RESIDUAL).refiner.eval()
    with torch.no_grad():
        out = refiner(coarse, normals, WINDOW)
    assert torch.equal(out[:, :2], lift_depth(coarse, WINDOW)) and out[:, 2].std() > 0
    # The first step moves its head, and the features as soon as the head has moved.
    refiner(coarse, normals, WINDOW)[:, 0].sum().backward()
    assert refiner.steps[-1].head.weight.grad[0].abs().sum() > 0


@torch.no_grad()
def test_windows_the_fast_road_and_recomputing_agree(residual, tiny_digitizer, coarse, normals):
    whole = residual.refiner(coarse, normals)
    plain = tiny_digitizer.refiner(coarse, normals)
    torch.testing.assert_close(whole[:, :2], plain[:, :2] + lift_depth(coarse, Window.full(SIZE)))
    assert torch.equal(whole[:, 2:], plain[:, 2:])
    whole = whole[(..., *WINDOW.slices)]
    torch.testing.assert_close(residual.refiner(coarse, normals, WINDOW), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(refine_recomputed(residual.refiner, coarse, normals, WINDOW), whole, atol=1e-5, rtol=0)
    fast = accelerate(residual).refiner
    torch.testing.assert_close(fast(coarse, normals, WINDOW), whole, atol=1e-4, rtol=1e-4)


def test_a_refiner_becomes_residual_with_its_old_features(tmp_path, tiny_digitizer, coarse, normals):
    path = tmp_path / "plain.pt"
    write_checkpoint(path, to_dict(TINY), tiny_digitizer.state_dict())
    model = build_digitizer(RESIDUAL).eval()
    load_start(path, read_checkpoint(path), model, settings(RESIDUAL))
    head = {"refiner.steps.2.head.weight", "refiner.steps.2.head.bias"}
    before = tiny_digitizer.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name not in head), name
    with torch.no_grad():
        out, old = model.refiner(coarse, normals), tiny_digitizer.refiner(coarse, normals)
    assert torch.equal(out[:, :2], lift_depth(coarse, Window.full(SIZE))) and torch.equal(out[:, 2:], old[:, 2:])


def test_a_residual_refiner_goes_on_as_it_is_and_does_not_become_a_plain_one(tmp_path, residual):
    path = tmp_path / "residual.pt"
    write_checkpoint(path, to_dict(RESIDUAL), residual.state_dict())
    model = build_digitizer(RESIDUAL)
    load_start(path, read_checkpoint(path), model, settings(RESIDUAL))
    assert torch.equal(model.refiner.steps[-1].head.weight, residual.refiner.steps[-1].head.weight)
    with pytest.raises(InputError, match=r"'residual': True.*expected the config's .*'residual': False"):
        load_start(path, read_checkpoint(path), build_digitizer(TINY), settings(TINY))


def test_the_loss_of_refined_normals_is_an_l1_on_the_person():
    """Twice the error costs twice; a constant shift of the depth costs nothing, and neither does the background."""
    target = plane()
    target[..., :100] = 0
    weights = LossWeights(refined_normals=4.0)

    def loss(depth):
        return float(refined_normal_loss(depth, target, SIZE, weights))

    assert loss(target) == 0
    # Not beside the background, where the shift changes the step to it.
    shifted = torch.where(target > 0, target + 0.05, 0)
    assert loss(torch.where(target > 0, shifted, shifted[..., 100:101])) < 1e-4
    noise = 1e-4 * torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    assert loss(target + 2 * noise) == pytest.approx(2 * loss(target + noise), rel=0.02)
    assert loss(target + noise) > 1e-3
