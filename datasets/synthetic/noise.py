"""Smooth random functions of space, the same on every machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

PERIOD = 48


@lru_cache(maxsize=1)
def _lattice() -> np.ndarray:
    """(48, 48, 48) float32 periodic noise of unit variance, features about 3 cells wide."""
    values = gaussian_filter(np.random.default_rng(7).standard_normal((PERIOD,) * 3), 1.2, mode="wrap")
    return (values / values.std()).astype(np.float32)


def noise(points: np.ndarray, frequency: float | tuple[float, ...] | np.ndarray, seed: int) -> np.ndarray:
    """(N,) noise of unit variance at (N, 3) points; a feature is about 3 / frequency long."""
    offset = np.random.default_rng(seed).uniform(0, PERIOD, 3)
    cells = np.asarray(points, dtype=np.float32) * np.asarray(frequency, dtype=np.float32) + offset.astype(np.float32)
    return map_coordinates(_lattice(), cells.T, order=1, mode="grid-wrap")


def fractal_noise(points: np.ndarray, frequency: float | tuple[float, ...], seed: int, octaves: int = 3) -> np.ndarray:
    """(N,) sum of octaves, each twice as fine and half as strong."""
    base = np.asarray(frequency, dtype=np.float64)
    return np.asarray(sum(0.5**k * noise(points, base * 2**k, seed + k) for k in range(octaves)))
