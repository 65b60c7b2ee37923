"""The networks on one photo, and the machine's own rate to compare with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import sample
from geometry.poses import Poses
from geometry.window import Window
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate
from utils.checkpoint import OFFICIAL_MODEL
from utils.config import build_config
from utils.device import PRECISIONS

PERSON = Window(150, 1950, 624, 1424)
"""The box of a typical standing person on the 2048 px canvas."""


def paper_model() -> Digitizer:
    """The paper's model with fresh weights: what it costs does not depend on them."""
    torch.manual_seed(0)
    return build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "paper")).eval()


def convolution_rate() -> Callable[[], dict[str, float]]:
    """The machine's own rate: one 64-channel 3x3 fp32 channels-last convolution at 1024 px."""
    layout = {"memory_format": torch.channels_last}
    image, weight = torch.randn(1, 64, 1024, 1024).contiguous(**layout), torch.randn(64, 64, 3, 3).contiguous(**layout)

    @torch.inference_mode()
    def work() -> dict[str, float]:
        F.conv2d(image, weight, padding=1)
        return {"GFLOP/s": 2 * 64 * 64 * 9 * 1024**2 / 1e9}

    return work


def forward(precision: str) -> Callable[[], dict[str, float]]:
    """One photo through the paper's model, refiner on the person's box; precision is that of the part networks."""
    poses = Poses.stack([sample.poses()])
    model, photo = accelerate(paper_model(), PRECISIONS[precision]), torch.rand(1, 3, 2048, 2048) * 2 - 1
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(photo, poses, PERSON)
    total = counter.get_total_flops() / 1e9

    @torch.inference_mode()
    def work() -> dict[str, float]:
        model(photo, poses, PERSON)
        return {"GFLOP/s": total}

    return work
