"""The stages that benchmark.py times. Each sets itself up and returns the work to repeat.

The work may return what it has done, as {name: amount}; the report divides it by the time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from geometry.similarity import pose_parts
from geometry.window import Window
from models.build import ModelConfig, build_digitizer
from models.digitizer import Poses
from models.fast import accelerate
from utils.checkpoint import OFFICIAL_MODEL
from utils.config import build_config

Work = Callable[[], dict[str, float] | None]

PERSON = Window(150, 1950, 624, 1424)
"""The box of a typical standing person on the 2048 px canvas."""


def standing_poses() -> Poses:
    """Part poses of a standing person who fills that box."""
    import numpy as np

    from tests.conftest import DATA

    with np.load(DATA / "keypoints_affines.npz") as golden:
        return Poses.stack([pose_parts(2 * golden["000028.keypoints31_2048"][:, :2] / 2048 - 1)])


def convolution_rate() -> Work:
    """The machine's own rate: one 64-channel 3x3 fp32 channels-last convolution at 1024 px."""
    layout = {"memory_format": torch.channels_last}
    image, weight = torch.randn(1, 64, 1024, 1024).contiguous(**layout), torch.randn(64, 64, 3, 3).contiguous(**layout)

    @torch.inference_mode()
    def work() -> dict[str, float]:
        F.conv2d(image, weight, padding=1)
        return {"GFLOP/s": 2 * 64 * 64 * 9 * 1024**2 / 1e9}

    return work


def forward(part_dtype: torch.dtype) -> Work:
    """One photo through the paper's model, refiner on the person's box."""
    config = build_config(ModelConfig, OFFICIAL_MODEL, "paper")
    model, photo, poses = accelerate(build_digitizer(config).eval(), part_dtype), torch.rand(1, 3, 2048, 2048), None
    poses = standing_poses()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(photo, poses, PERSON)
    total = counter.get_total_flops() / 1e9

    @torch.inference_mode()
    def work() -> dict[str, float]:
        model(photo, poses, PERSON)
        return {"GFLOP/s": total}

    return work


STAGES: dict[str, Callable[[], Work]] = {
    "convolution-rate": convolution_rate,
    "forward-fp32": lambda: forward(torch.float32),
    "forward-bf16": lambda: forward(torch.bfloat16),
}
