"""Learning rate by position in the run, as a share of the base rate (METHOD.md 8.1)."""

from __future__ import annotations

import math

RESTART_EPOCHS = 5
RESTART_WARM_UP = 0.01
"""Epochs over which each restart warms up."""
RESTART_DECAY = 0.5
COSINE_WARM_UP = 0.02
"""Share of a run over which a single cosine warms up."""


def restarts(epoch: float) -> float:
    """Cosine that restarts every 5 epochs at half the height: the paper's.

    Args:
        epoch: fractional, 0 at the first step.
    """
    since, restart = epoch % RESTART_EPOCHS, math.floor(epoch / RESTART_EPOCHS)
    if since < RESTART_WARM_UP:
        share = since / RESTART_WARM_UP
    else:
        share = (1 + math.cos(math.pi * (since - RESTART_WARM_UP) / (RESTART_EPOCHS - RESTART_WARM_UP))) / 2
    return RESTART_DECAY**restart * share


def one_cosine(progress: float) -> float:
    """Linear warm-up, then a cosine to 0 at the end of the run.

    Args:
        progress: share of the run, in [0, 1].
    """
    if progress < COSINE_WARM_UP:
        return progress / COSINE_WARM_UP
    return (1 + math.cos(math.pi * (progress - COSINE_WARM_UP) / (1 - COSINE_WARM_UP))) / 2


def rate(schedule: str, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Share of the base rate for a step, counted from 0."""
    if schedule == "restarts":
        return restarts(step / steps_per_epoch)
    # The first step counts as one, so that it moves something.
    return one_cosine((step + 1) / (steps_per_epoch * epochs + 1))
