"""The grid of the coarse maps: an eighth of the canvas, and which of its pixels it stands for (METHOD.md 5.2 and 7)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Array = TypeVar("Array")

COARSE_STRIDE = 8
"""Canvas pixels to a coarse one, along rows and along columns."""


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
    start = (stride - 1) // 2
    return depth[..., start::stride, start::stride]
