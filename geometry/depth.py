"""Depth along the viewing ray: its units, and the only home of its encoding in 16 bits (METHOD.md 2.2).

distance  t  length along the unit viewing ray from the camera's centre [world units]; not z
pixels    v  (t - 1) f + R / 2, with the focal length f of an R x R image
network   u  v / (R / 4) = 2 + 2 (t - 1) / tan 25 deg, the same at every R, inside (0, 4)
file         uint16(32 v), truncated; 0 marks background in both maps

All functions take scalars, numpy arrays or torch tensors alike, unless a dtype is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from geometry.camera import HALF_TANGENT, Camera

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", float, np.ndarray, "Tensor")

FRONT_BACKGROUND = 6.0
"""Network depth of the front map on the background: behind everything."""
BACK_BACKGROUND = 0.0
"""Network depth of the back map on the background: in front of everything."""
NETWORK_DEPTH_MAX = 6.0
"""Network depths pass ReLU6."""
FILE_BACKGROUND = 0
FILE_STEPS_PER_PIXEL = 32
FILE_LARGEST_PX = 65536 // FILE_STEPS_PER_PIXEL
"""Depths [px] from here on do not fit uint16, so 2048 px is the largest picture."""
WORLD_PER_NETWORK_UNIT = HALF_TANGENT / 2
"""World units in one network unit: 0.233. That is 0.6 m of a grown person, who stands about 0.7 world units high."""


def pixels_from_distance(distance: Array, size: int) -> Array:
    """t -> v for an image of size x size px."""
    return (distance - 1) * Camera(size).focal + size / 2


def network_from_distance(distance: Array) -> Array:
    """t -> u."""
    return (distance - 1) / WORLD_PER_NETWORK_UNIT + 2


def distance_from_network(depth: Array) -> Array:
    """u -> t. Background values are transformed like any other: mask them before or after."""
    return (depth - 2) * WORLD_PER_NETWORK_UNIT + 1


def encode_pixels(pixels: np.ndarray) -> np.ndarray:
    """v -> file values: uint16(32 v), truncated towards 0.

    Args:
        pixels: float array of any shape; 0 marks background.

    Raises:
        ValueError: a value that uint16 cannot hold: NaN, negative or 2048 px and more.
    """
    scaled = np.asarray(pixels) * FILE_STEPS_PER_PIXEL
    if not ((scaled >= 0) & (scaled < 65536)).all():
        raise ValueError(
            f"depth from {np.nanmin(pixels)} to {np.nanmax(pixels)} px does not fit uint16: "
            f"expected 0 <= v < {FILE_LARGEST_PX}"
        )
    return scaled.astype(np.uint16)


def encode_network(depth: np.ndarray, size: int, present: np.ndarray) -> np.ndarray:
    """u -> file values of a size x size map; FILE_BACKGROUND where `present` is False.

    A present depth is kept inside the file's range, 1 to 65535, so that it never reads as background.

    Args:
        depth: (size, size) network depth.
        present: (size, size) bool.
    """
    scaled = np.asarray(depth, dtype=np.float64) * (size / 4 * FILE_STEPS_PER_PIXEL)
    return np.where(present, np.clip(scaled, 1, 65535), FILE_BACKGROUND).astype(np.uint16)


def decode_network(encoded: np.ndarray, size: int) -> np.ndarray:
    """File values of a size x size map -> u, float32; 0 where the file says background."""
    return (encoded.astype(np.float64) / (size / 4 * FILE_STEPS_PER_PIXEL)).astype(np.float32)


def network_from_file(encoded: Tensor, size: int) -> Tensor:
    """`decode_network` of a uint16 tensor on its own device: the same bits on a CPU.

    Args:
        encoded: uint16 file values of any shape.
        size: side of the full canvas [px].
    """
    return encoded.float() / (size / 4 * FILE_STEPS_PER_PIXEL)
