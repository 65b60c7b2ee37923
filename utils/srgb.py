"""sRGB, linear light (IEC 61966-2-1) and CIELAB."""

from __future__ import annotations

import cv2
import numpy as np


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] -> linear light in [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(linear: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] -> sRGB in [0, 1]."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def cielab_from_srgb(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, or float32 in [0, 1] -> (h, w, 3) float32 CIELAB, L in [0, 100]."""
    return cv2.cvtColor(picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture, cv2.COLOR_RGB2LAB)


def make_cielab_tables() -> None:
    """Let OpenCV make the tables of `cielab_from_srgb`: 0.15 s, once in a process, that may pass beside other work.

    A thread that does it must not be a daemon: Python would end while it is in OpenCV, and abort.
    """
    cielab_from_srgb(np.zeros((1, 1, 3), np.uint8))
