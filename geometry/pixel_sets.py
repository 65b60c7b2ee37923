"""Sets of pixels as (h, w) bool: cut from their edge, and the nearest member of every pixel."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.special import ndtri

OUTLINE_SIGMA = 2.0
"""Blur [px] under which the stairs of a mask's edge become a line."""
SMOOTH_RINGS = 2.5
"""Distance [px] to the outside below which a pixel is near enough to the blurred edge to be placed by it."""
NEAREST_OUTLINE = 0.05
"""[px] a pixel of the mask is at least this far inside its outline."""


def eroded(mask: np.ndarray, times: int, outside: bool = False) -> np.ndarray:
    """(h, w) bool: the mask cut `times` times by a 3x3 square.

    Args:
        outside: what lies beyond the window: True keeps a mask whole that the window cuts.
    """
    square = np.ones((3, 3), np.uint8)
    return cv2.erode(
        mask.astype(np.uint8), square, iterations=times, borderType=cv2.BORDER_CONSTANT, borderValue=int(outside)
    ).astype(bool)


def rim_of(mask: np.ndarray, outside: bool = False) -> np.ndarray:
    """(h, w) bool: pixels of the mask that touch, at a side or a corner, a pixel that is not in it."""
    return mask & ~eroded(mask, 1, outside)


def depth_inside(mask: np.ndarray) -> np.ndarray:
    """(h, w) float32 distance [px] of the mask's pixels to the nearest pixel that is not in it; 0 outside the mask.

    Where the window cuts the mask, it is taken to go on.
    """
    if mask.all():
        return np.full(mask.shape, float(sum(mask.shape)), np.float32)
    padded = np.pad(mask, 1, constant_values=True).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def nearest_in(mask: np.ndarray, wanted: np.ndarray | tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The pixel of a mask that is nearest to each wanted one.

    Args:
        mask: (h, w) bool, with at least one pixel.
        wanted: N pixels, as an (h, w) mask or as (N,) rows and (N,) columns.

    Returns:
        (N,) int64 rows and (N,) int64 columns.
    """
    _, labels = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(mask)
    index = np.zeros(labels.max() + 1, np.int64)
    index[labels[rows, columns]] = np.arange(len(rows))
    nearest = index[labels[wanted]]
    return rows[nearest], columns[nearest]


def outline_distance(mask: np.ndarray) -> np.ndarray:
    """Distance of the mask's pixel centres to its smooth outline: stairs of pixels have a line through them.

    Near a straight edge a Gaussian blur of the mask is the cumulative normal distribution of that distance.

    Args:
        mask: (h, w) bool. Where the window cuts it, it is taken to go on.

    Returns:
        (h, w) float64 [px], from NEAREST_OUTLINE on; 0 outside the mask.
    """
    steps = depth_inside(mask).astype(np.float64)
    blurred = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), OUTLINE_SIGMA, borderType=cv2.BORDER_REPLICATE)
    smooth = OUTLINE_SIGMA * ndtri(np.clip(blurred, 1e-3, 1 - 1e-3))
    # A corner or a finger blurs away: no pixel is further from the line than its steps to the outside.
    smooth = np.clip(smooth, NEAREST_OUTLINE, steps)
    return np.where(steps < SMOOTH_RINGS, smooth, steps - 0.5) * mask
