"""Sampling between the canvas and the parts. The only home of grid_sample (METHOD.md 4 and 5.4).

Coordinates span [-1, 1] from edge to edge (align_corners=False): pixel i of n has its centre at (2 i + 1) / n - 1.
Every sampling is bilinear and sees zeros outside. Only the pixels that are wanted are sampled: a crop is a centred
window of the part canvas, and going back touches only the part's footprint.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.parts import PARTS
from geometry.window import Window


def centred_window(hw: tuple[int, int], size: int) -> Window:
    """The h x w window in the middle of a size x size grid."""
    (height, width), (top, left) = hw, ((size - side) // 2 for side in hw)
    return Window(top, top + height, left, left + width)


def sampling_grid(target_from_pixel: Tensor, window: Window, size: int) -> Tensor:
    """Where to sample for every pixel of a window of a size x size grid: affine_grid without the rest of the grid.

    Args:
        target_from_pixel: (B, 2, 3) from the grid, which spans [-1, 1], to the image that is sampled.

    Returns:
        (B, window height, window width, 2) as grid_sample takes it.
    """
    dtype, device = target_from_pixel.dtype, target_from_pixel.device
    x = (2 * torch.arange(window.left, window.right, dtype=dtype, device=device) + 1) / size - 1
    y = (2 * torch.arange(window.top, window.bottom, dtype=dtype, device=device) + 1) / size - 1
    coefficients = target_from_pixel[:, :, :, None, None]
    moved = coefficients[:, :, 0] * x + coefficients[:, :, 1] * y[:, None] + coefficients[:, :, 2]
    return moved.permute(0, 2, 3, 1)


def sample_crop(canvas: Tensor, canvas_from_part: Tensor, crop_hw: tuple[int, int]) -> Tensor:
    """See the canvas through a part's crop.

    Args:
        canvas: (B, C, R, R).
        canvas_from_part: (B, 2, 3).
        crop_hw: (h, w) [px], centred on the part canvas of R x R px.

    Returns:
        (B, C, h, w), zeros where the crop leaves the canvas.
    """
    size = canvas.shape[-1]
    grid = sampling_grid(canvas_from_part.to(torch.float32), centred_window(crop_hw, size), size)
    return F.grid_sample(canvas, grid.to(canvas.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)


def footprint(canvas_from_part: np.ndarray, crop_hw: tuple[int, int], size: int) -> Window:
    """The window of the canvas on which a part's crop can land; may be empty.

    Args:
        canvas_from_part: (2, 3).
        crop_hw: (h, w) [px] of the part canvas of size x size px.
    """
    height, width = (side / size for side in crop_hw)
    corners = np.array([[x, y, 1.0] for x in (-width, width) for y in (-height, height)])
    pixels = ((corners @ np.asarray(canvas_from_part, dtype=np.float64).T + 1) * size - 1) / 2
    low, high = pixels.min(0), pixels.max(0)
    # One pixel around the exact box: the outermost bilinear weights, and one more against rounding.
    top, bottom = math.floor(low[1]) - 1, math.ceil(high[1]) + 2
    left, right = math.floor(low[0]) - 1, math.ceil(high[0]) + 2
    return Window(top, bottom, left, right).clipped(size)


def sample_back(crop: Tensor, part_from_canvas: Tensor, window: Window, size: int) -> Tensor:
    """Put a crop back on a window of the canvas.

    Args:
        crop: (C, h, w), centred on the part canvas of size x size px; zeros beyond it.
        part_from_canvas: (2, 3).
        window: pixels of the size x size canvas.

    Returns:
        (C, window height, window width).
    """
    height, width = crop.shape[-2:]
    x, y = part_from_canvas.to(torch.float32)
    grid = sampling_grid(torch.stack([x * (size / width), y * (size / height)])[None], window, size)
    return F.grid_sample(crop[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def part_corners(canvas_from_part: np.ndarray, size: int) -> np.ndarray:
    """Where the corners of the crops lie on the canvas.

    Args:
        canvas_from_part: (12, 2, 3).

    Returns:
        (12, 4, 2) [px], corners of each part's crop in turn.
    """
    corners = []
    for part, transform in zip(PARTS, canvas_from_part, strict=True):
        height, width = (side / size for side in part.kind.crop_on(size))
        square = np.array([[-width, -height, 1], [width, -height, 1], [width, height, 1], [-width, height, 1]])
        corners.append(((square @ transform.T + 1) * size - 1) / 2)
    return np.stack(corners)


def fraction_outside_parts(mask: np.ndarray, part_from_canvas: np.ndarray) -> float:
    """How much of a person no part's crop looks at, as below a wide skirt.

    Args:
        mask: (R, R) bool, True on the person.
        part_from_canvas: (12, 2, 3).

    Returns:
        A fraction of the mask's pixels; 0 for an empty mask.
    """
    size = len(mask)
    rows, columns = np.nonzero(mask)
    pixels = (2 * np.stack([columns, rows]) + 1) / size - 1
    outside = np.ones(len(rows), bool)
    for part, transform in zip(PARTS, part_from_canvas, strict=True):
        height, width = (side / size for side in part.kind.crop_on(size))
        x, y = transform[:, :2] @ pixels + transform[:, 2:]
        outside &= (np.abs(x) > width) | (np.abs(y) > height)
    return float(outside.mean()) if len(outside) else 0.0
