"""The grid of the coarse maps: an eighth of the canvas, and which of its pixels it stands for (METHOD.md 5.2 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND
from geometry.window import Window

Array = TypeVar("Array", np.ndarray, Tensor)

COARSE_STRIDE = 8
"""Canvas pixels to a coarse one, along rows and along columns."""
THINNED = 4
"""Canvas pixels to one that the coarse networks look at (`coarse_pixels`), along rows and along columns."""
SAMPLED_PIXEL = 3
"""Of every COARSE_STRIDE, in rows and columns: a coarse depth is the depth there."""
COLUMN_STEP = 16
"""A network halves its map four times."""
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
        depth: (..., R, R), or (..., R / 4, R / 4) thinned to `coarse_pixels`, or (..., R / 8, w), some columns of what
            this function gave, which it gives again; array or tensor.
        canvas: side R of the full canvas [px].

    Returns:
        (..., R / 8, R / 8), or (..., R / 8, w).
    """
    stride = COARSE_STRIDE * depth.shape[-2] // canvas
    start = SAMPLED_PIXEL * stride // COARSE_STRIDE
    return depth[..., start::stride, start::stride]


def columns_needed(windows: Sequence[Window], least: int, size: int) -> int:
    """How many columns of a coarse map hold each of some people: told on the host, so that no GPU is waited for.

    Args:
        windows: of the full canvas, around each person.
        least: a multiple of COLUMN_STEP.
        size: side r of the coarse map.

    Returns:
        A multiple of COLUMN_STEP, or r: `least` or more.
    """
    widest = -(-max(window.width for window in windows) // COARSE_STRIDE)
    return min(max(least, -(-widest // COLUMN_STEP) * COLUMN_STEP), size)


def columns_around(depth: Tensor, width: int) -> Tensor:
    """For every sample as many columns as `columns_needed` tells: the person is in their middle.

    Args:
        depth: (B, 2, r, r) coarse depth, 0 on the background.
        width: w columns.

    Returns:
        (B, w) indices of columns.
    """
    size = depth.shape[-1]
    present = (depth[:, 0] > 0).any(1).int()
    first, end = present.argmax(1), size - present.flip(1).argmax(1)
    start = ((first + end - width) // 2).clamp(0, size - width)
    return start[:, None] + torch.arange(width, device=depth.device)


def carried_on(values: Tensor, known: Tensor) -> Tensor:
    """Values become the mean of their known neighbours where they are not known, ring after ring.

    Args:
        values: (B, C, r, r).
        known: (B, 1, r, r) bool.

    Returns:
        (B, C, r, r); as they were beyond FILL_ROUNDS coarse pixels from any known one.
    """
    for _ in range(FILL_ROUNDS):
        weight = known.to(values.dtype)
        reached = F.avg_pool2d(weight, 3, stride=1, padding=1)
        around = F.avg_pool2d(values * weight, 3, stride=1, padding=1) / reached.clamp(min=1e-6)
        values = torch.where(~known & (reached > 0), around, values)
        known = reached > 0
    return values


def at_pixels(coarse: Tensor, window: Window, sampled: float = SAMPLED_PIXEL) -> Tensor:
    """A coarse map on the canvas: bilinear between its samples, constant beyond the outermost.

    Args:
        coarse: (B, C, r, r).
        window: of the canvas [px].
        sampled: where in the first 8 pixels, along rows and columns, the first sample lies [px].

    Returns:
        (B, C, h, w) on the window.
    """
    for axis, (start, stop) in ((-2, (window.top, window.bottom)), (-1, (window.left, window.right))):
        last = coarse.shape[axis] - 1
        pixels = torch.arange(start, stop, dtype=coarse.dtype, device=coarse.device)
        place = ((pixels - sampled) / COARSE_STRIDE).clamp(0, last)
        first = place.long()
        way = (place - first)[:, None] if axis == -2 else place - first
        ends = first, (first + 1).clamp(max=last)
        coarse = torch.lerp(coarse.index_select(axis, ends[0]), coarse.index_select(axis, ends[1]), way)
    return coarse


def lift_depth(coarse: Tensor, window: Window) -> Tensor:
    """The coarse depth on the canvas, bilinear; the background takes no part in what the person's pixels get.

    Args:
        coarse: (B, 2, r, r) network depth of front and back, with the networks' backgrounds (6, 0) on the background.
        window: of the canvas [px].

    Returns:
        (B, 2, h, w) on the window. Around the person its depth goes on outwards.
    """
    person = (coarse[:, :1] < FRONT_BACKGROUND) & (coarse[:, 1:] > BACK_BACKGROUND)
    return at_pixels(carried_on(coarse, person), window)
