"""The inputs of the golden numbers (METHOD.md 12): the authors' code was run on them, and anyone can make them again.

Nothing here is data: weights are a function of their names, photo and depths are closed forms with seeded phases.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geometry.poses import Poses
from models.coarse_depth import DualEncoderUNet

DATA = Path(__file__).parent / "data"
CANVAS = 2048
HEAD_STARTS = {
    # front depth, back depth, mask logit: inside ReLU6, and the masks near their threshold
    "ImgNorm_to_Dep.Conv_1x1.bias": (4.15, 4.2, 0.004),
    "refine.merge3_2.bias": (3.3, 1.6, 0.6),
}
NORMAL_HEAD = "Conv_1x1.conv.0"
"""End of the name of a normal network's head; it is kept small and around 0.5, so that its ReLU cuts little."""
MASK_SPREAD, MASK_SHIFT = 25, 1.228
"""What turns the coarse mask logits into clear ones, and keeps about as many of them positive."""


def _tensor(name: str, shape: list[int]) -> Tensor:
    """A tensor of the authors' checkpoint. Its numbers depend on its name and shape alone."""
    layer, _, leaf = name.rpartition(".")
    if leaf == "num_batches_tracked":
        return torch.tensor(1)
    rng = np.random.RandomState(zlib.crc32(name.encode()))  # noqa: NPY002 the goldens were made with it
    noise = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    if leaf == "running_var":
        return 1 + 0.1 * noise.abs()
    if leaf == "weight":
        if len(shape) == 1:  # of a BatchNorm
            return 1 + 0.1 * noise
        scaled = noise * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        return 0.15 * scaled if layer.endswith(NORMAL_HEAD) else scaled
    small = 0.1 * noise  # biases and running means
    if layer.endswith(NORMAL_HEAD):
        return small + 0.5
    return small + torch.tensor(HEAD_STARTS[name]) if name in HEAD_STARTS else small


def weights() -> dict[str, Tensor]:
    """The tensors of an official checkpoint, by their official names."""
    shapes = json.loads((DATA / "state_dict_shapes.json").read_text())
    return {name: _tensor(name, shape) for name, shape in shapes.items()}


@torch.no_grad()
def clear_masks(coarse_depth: DualEncoderUNet) -> None:
    """Spread the mask logits of a coarse depth network, so that rounding hardly moves one across the threshold."""
    mask = 2
    assert coarse_depth.head.bias is not None
    coarse_depth.head.weight[mask] *= MASK_SPREAD
    coarse_depth.head.bias[mask] += MASK_SHIFT


def photo() -> Tensor:
    """(1, 3, 2048, 2048) float32 in [-1, 1]: per channel two slanted waves and a fine grid of 150 x 170 rad."""
    rng = np.random.RandomState(0)  # noqa: NPY002
    y, x = np.mgrid[0:CANVAS, 0:CANVAS] / float(CANVAS)
    channels = []
    for _ in range(3):
        frequency, phase = rng.uniform(2, 40, 4), rng.uniform(0, 2 * np.pi, 4)
        slanted = np.sin(frequency[0] * x + frequency[1] * y + phase[0])
        finer = np.sin(frequency[2] * x * 2 - frequency[3] * y * 2 + phase[1])
        grid = np.sin(150 * x + phase[2]) * np.sin(170 * y + phase[3])
        channels.append(0.4 * slanted + 0.3 * finer + 0.2 * grid)
    return torch.from_numpy(np.stack(channels).astype(np.float32))[None]


def poses() -> Poses:
    """Of the sample photo 000028; the official names say which is which: z is the inverse of A."""
    with np.load(DATA / "forward_phase2.npz") as arrays:
        return Poses.of(torch.from_numpy(arrays["inv_z"]), torch.from_numpy(arrays["z"]))


def depths() -> Tensor:
    """(1, 2, 2048, 2048) float32 network depth of an ellipsoid with waves, front and back; 0 outside its outline."""
    rng = np.random.RandomState(0)  # noqa: NPY002
    y, x = np.mgrid[0:CANVAS, 0:CANVAS] / float(CANVAS) - 0.5
    radius_squared = (x / 0.18) ** 2 + (y / 0.42) ** 2
    bulge = 0.5 * np.sqrt(np.clip(1 - radius_squared, 0, None))
    waves = 0.02 * np.sin(60 * x + rng.rand()) * np.sin(45 * y + rng.rand())
    maps = np.stack([2 - bulge + waves, 2 + bulge - waves]) * (radius_squared < 1)
    return torch.from_numpy(maps.astype(np.float32))[None]
