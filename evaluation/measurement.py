"""The numbers of one subject: columns in blocks, distributions, warnings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Distribution:
    """Counts over equal bins from 0 to `top`; what lies above is in the last bin."""

    axis: str  # "distance [cm]"
    top: float
    counts: dict[str, list[int]]  # curve -> one count per bin


@dataclass
class Measurement:
    """The numbers of one subject."""

    values: dict[str, float] = field(default_factory=dict)  # "block/column" -> value; the column's name ends in a unit
    distributions: dict[str, Distribution] = field(default_factory=dict)  # block -> counts of points or pixels
    warnings: list[str] = field(default_factory=list)

    def add(self, block: str, columns: dict[str, float]) -> None:
        """Put a block of columns behind those already there."""
        self.values |= {f"{block}/{column}": float(value) for column, value in columns.items()}


BINS = 50


def count(values: np.ndarray, top: float) -> list[int]:
    """Counts of values in BINS bins over [0, top]; larger values go to the last bin."""
    return np.histogram(np.minimum(values, top), bins=BINS, range=(0.0, top))[0].tolist()
