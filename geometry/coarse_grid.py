"""The grid of the coarse maps: an eighth of the canvas, and which of its pixels it stands for (METHOD.md 5.2 and 7)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND
from geometry.window import Window

Array = TypeVar("Array")

COARSE_STRIDE = 8
"""Canvas pixels to a coarse one, along rows and along columns."""
SAMPLED_PIXEL = 3
"""Of every COARSE_STRIDE, in rows and columns: a coarse depth is the depth there."""
FILL_ROUNDS = 8
"""Coarse pixels beyond its mask to which the coarse depth is carried on: there starts a limb that the mask has lost."""


def coarse_pixels(size: int) -> np.ndarray:
    """Rows, and columns, of a canvas that the coarse networks look at: 3 and 4 of every 8, (size / 4,) int.

    The small photo is the mean of the middle 2x2 of every 8x8, its depth a sample of the same middle.
    """
    return (COARSE_STRIDE * np.arange(size // COARSE_STRIDE)[:, None] + (3, 4)).ravel()


def coarse_of(depth: Array, canvas: int) -> Array:
    """The target of the coarse depth, [3::8, 3::8] of the full depth: a sample, not a mean.

    Args:
        depth: (..., R, R), or (..., R / 4, R / 4) thinned to `coarse_pixels`; array or tensor.
        canvas: side R of the full canvas [px].

    Returns:
        (..., R / 8, R / 8).
    """
    stride = COARSE_STRIDE * depth.shape[-1] // canvas
    start = SAMPLED_PIXEL * stride // COARSE_STRIDE
    return depth[..., start::stride, start::stride]


def _carried_on(depth: Tensor, person: Tensor) -> Tensor:
    """Depth on the background becomes the mean of its neighbours on the person, ring after ring.

    Args:
        depth: (B, 2, r, r).
        person: (B, 1, r, r) float, 1 on the person.
    """
    for _ in range(FILL_ROUNDS):
        share = F.avg_pool2d(person, 3, stride=1, padding=1)
        around = F.avg_pool2d(depth * person, 3, stride=1, padding=1) / share.clamp(min=1e-6)
        depth = torch.where((person == 0) & (share > 0), around, depth)
        person = (share > 0).to(depth.dtype)
    return depth


def _lerped(values: Tensor, pixels: Tensor, axis: int) -> Tensor:
    """Coarse values at canvas pixels along one axis, linear between samples, constant beyond the outermost."""
    last = values.shape[axis] - 1
    place = ((pixels - SAMPLED_PIXEL) / COARSE_STRIDE).clamp(0, last)
    first = place.long()
    share = (place - first).unsqueeze(-1) if axis == -2 else place - first
    return torch.lerp(values.index_select(axis, first), values.index_select(axis, (first + 1).clamp(max=last)), share)


def lift_depth(coarse: Tensor, window: Window) -> Tensor:
    """The coarse depth on the canvas, bilinear; the background takes no part in what the person's pixels get.

    Args:
        coarse: (B, 2, r, r) network depth of front and back, with the networks' backgrounds (6, 0) on the background.
        window: of the canvas [px].

    Returns:
        (B, 2, h, w) on the window.
    """
    person = (coarse[:, :1] < FRONT_BACKGROUND) & (coarse[:, 1:] > BACK_BACKGROUND)
    depth = _carried_on(coarse, person.to(coarse.dtype))
    rows, columns = (
        torch.arange(start, stop, device=coarse.device, dtype=coarse.dtype)
        for start, stop in ((window.top, window.bottom), (window.left, window.right))
    )
    return _lerped(_lerped(depth, rows, -2), columns, -1)
