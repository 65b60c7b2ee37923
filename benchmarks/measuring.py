"""Measuring a mesh against a scan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.scans import body_of
from evaluation.distances import Surface
from evaluation.protocols import measure_strict


def strict(faces: int) -> Callable[[], None]:
    """The strict protocol on two bodies of 1.8 m, one with waves of 1 cm; building their search trees included."""
    body = body_of(faces).mesh
    truth = body.moved(body.vertices * (1.8 / body.height))
    predicted = truth.moved(truth.vertices + 0.01 * np.sin(30 * truth.vertices[:, [1, 2, 0]]))

    def work() -> None:
        measure_strict(Surface(predicted), Surface(truth), seed=0)

    return work
