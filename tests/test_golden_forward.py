"""The full-size model against the numbers of the official code; needs the goldens beside the checkout."""

import numpy as np
import pytest
import torch

from geometry.window import Window
from models.build import ModelConfig, build_digitizer, load_weights
from models.digitizer import Digitized, Poses
from models.fast import accelerate
from tests.conftest import GOLDEN
from utils.checkpoint import OFFICIAL_MODEL, from_official_names
from utils.config import build_config

WINDOW = Window(150, 1950, 624, 1424)
"""The box of a typical standing person."""


def official_model(weights_module, clear_masks: bool):
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "official"))
    load_weights(model, from_official_names(weights_module.official_state_dict(clear_masks), "golden"), "golden")
    return model.eval()


def golden_names(result: Digitized) -> dict[str, torch.Tensor]:
    masked = result.coarse_depth.masked
    named = {
        "pred_down_normal_front": result.coarse_normals.front,
        "pred_down_normal_back": result.coarse_normals.back,
        "pred_down_depth_front": masked.front,
        "pred_down_depth_back": masked.back,
        "pred_down_depth_mask": result.coarse_depth.mask_logits.sigmoid(),
        "pred_normal_front": result.fused_normals.front,
        "pred_normal_back": result.fused_normals.back,
        "occupancy": result.covered[:, 0].float(),
    }
    for kind, maps in result.part_normals.items():
        named |= {f"pred_{kind}_normal_front": maps.front[0], f"pred_{kind}_normal_back": maps.back[0]}
    depth = {
        "pred_depth_front": result.depth.depth.front,
        "pred_depth_back": result.depth.depth.back,
        "pred_depth_mask": result.depth.mask_logits.sigmoid(),
    }
    for name, values in depth.items():
        whole = torch.full((1, 1, 2048, 2048), float("nan"))
        whole[(..., *result.window.slices)] = values
        named[name] = whole
    return named


@torch.inference_mode()
@pytest.mark.parametrize(
    ("golden", "path"),
    [("forward_phase2", "plain"), ("forward_phase2", "fast"), ("forward_phase2_clear_masks", "fast")],
)
def test_forward_is_the_golden_one(golden_modules, golden, path):
    inputs, weights = golden_modules
    clear = golden.endswith("clear_masks")
    model = official_model(weights, clear)
    window = None
    if path == "fast":
        model, window = accelerate(model), WINDOW
    with np.load(GOLDEN / "forward_phase2.npz") as first, np.load(GOLDEN / f"{golden}.npz") as expected:
        poses = Poses(torch.from_numpy(first["inv_z"]), torch.from_numpy(first["z"]))
        actual = golden_names(model(inputs.image(), poses, window))
        compared = [name for name in actual if name in expected.files]
        assert len(compared) == (8 if clear else 21)
        for name in compared:
            stride = 16 if actual[name].shape[-1] == 2048 else 4
            values = actual[name][..., ::stride, ::stride].numpy()
            inside = np.isfinite(values)
            assert inside.mean() > 0.3
            error = np.abs(values - expected[name])[inside].max()
            assert error < 2e-5, f"{name}: {error}"


@torch.inference_mode()
def test_sixteen_bit_part_networks_turn_hardly_any_normal(golden_modules):
    """With bfloat16 in the part networks, 99.9 % of the fused normals stay within one degree."""
    inputs, weights = golden_modules
    model = official_model(weights, clear_masks=False)
    with np.load(GOLDEN / "forward_phase2.npz") as golden:
        poses = Poses(torch.from_numpy(golden["inv_z"]), torch.from_numpy(golden["z"]))
    maps = [
        accelerate(model, dtype)(inputs.image(), poses, Window(800, 808, 800, 808))
        for dtype in (torch.float32, torch.bfloat16)
    ]
    covered = maps[0].covered[0, 0]
    for side in ("front", "back"):
        exact, rounded = (2 * getattr(result.fused_normals, side)[0][:, covered].T.double() - 1 for result in maps)
        sine, cosine = torch.linalg.cross(exact, rounded).norm(dim=1), (exact * rounded).sum(1)
        assert (torch.rad2deg(torch.atan2(sine, cosine)) < 1).double().mean() > 0.999, side
