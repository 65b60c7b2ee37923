"""Shared by all tests: where the goldens are, and models small enough for a test."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from geometry.similarity import PartPoses, pose_parts
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer

DATA = Path(__file__).parent / "data"
GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
TINY = ModelConfig(canvas=256, normal_widths=(4, 6, 8, 10), depth_widths=(4, 6, 8, 10, 12), refiner_width=4)


@pytest.fixture
def golden_modules():
    """The modules that make the full-size inputs and weights; only where the goldens lie beside the checkout."""
    if not GOLDEN.is_dir():
        pytest.skip(f"needs {GOLDEN}")
    sys.path.insert(0, str(GOLDEN))
    try:
        import inputs
        import weights
    finally:
        sys.path.remove(str(GOLDEN))
    return inputs, weights


@pytest.fixture
def standing_xy() -> np.ndarray:
    """(31, 2) joints of a real standing person on a canvas that spans [-1, 1]."""
    with np.load(DATA / "keypoints_affines.npz") as golden:
        return 2 * golden["DSC02780.keypoints31_2048"][:, :2] / 2048 - 1


@pytest.fixture
def standing_poses(standing_xy) -> PartPoses:
    return pose_parts(standing_xy)


@pytest.fixture
def tiny_digitizer() -> Digitizer:
    """A model with random weights whose BatchNorms have seen something, so that folding them matters."""
    torch.manual_seed(0)
    model = build_digitizer(TINY)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.weight, mean=1.0, std=0.2)
            torch.nn.init.normal_(module.bias, std=0.2)
    # Mask logits far from 0, so that rounding flips no pixel.
    torch.nn.init.normal_(model.coarse_depth.head.weight, std=0.5)
    return model.eval()
