"""Confidence intervals of means over people, by the bootstrap (benchmarks/PROTOCOLS.md, Means)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and where it may lie."""

    mean: float
    low: float  # NaN with fewer than two people
    high: float
    count: int  # values in the mean


def bootstrap_mean(values: Sequence[float], subjects: Sequence[str], seed: int) -> Interval:
    """Mean of all values, with a 95 % percentile-bootstrap interval over people.

    Views of one person are not independent, so people are drawn, each with all their views. Values that are not finite
    do not count.

    Args:
        values: (N,) one per view.
        subjects: (N,) whose view it is.
        seed: the same seed gives the same interval.
    """
    finite = [(value, subject) for value, subject in zip(values, subjects, strict=True) if np.isfinite(value)]
    if not finite:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    numbers = np.array([value for value, _ in finite], dtype=np.float64)
    names, person = np.unique([subject for _, subject in finite], return_inverse=True)
    if len(names) < 2:
        return Interval(float(numbers.mean()), float("nan"), float("nan"), len(numbers))
    sums, counts = np.bincount(person, numbers), np.bincount(person)
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(numbers.mean()), float(low), float(high), len(numbers))
