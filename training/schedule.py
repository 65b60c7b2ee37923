"""Learning rate by position in the run: the paper's restarting cosine, or a single one (METHOD.md 8.1)."""

from __future__ import annotations

import math

from training.settings import PhaseSettings

RESTART_EPOCHS = 5
RESTART_WARM_UP = 0.01
"""Epochs over which each restart warms up."""
RESTART_DECAY = 0.5
COSINE_WARM_UP = 0.02
"""Fraction of a run over which a single cosine warms up."""


def restarts(epoch: float) -> float:
    """Cosine that restarts every 5 epochs at half the height: the paper's.

    Args:
        epoch: fractional, 0 at the first step.
    """
    since, restart = epoch % RESTART_EPOCHS, math.floor(epoch / RESTART_EPOCHS)
    if since < RESTART_WARM_UP:
        fraction = since / RESTART_WARM_UP
    else:
        fraction = (1 + math.cos(math.pi * (since - RESTART_WARM_UP) / (RESTART_EPOCHS - RESTART_WARM_UP))) / 2
    return RESTART_DECAY**restart * fraction


def one_cosine(progress: float) -> float:
    """Linear warm-up, then a cosine to 0 at the end of the run.

    Args:
        progress: fraction of the run, in [0, 1].
    """
    if progress < COSINE_WARM_UP:
        return progress / COSINE_WARM_UP
    return (1 + math.cos(math.pi * (progress - COSINE_WARM_UP) / (1 - COSINE_WARM_UP))) / 2


def rate(schedule: str, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Fraction of the base rate for a step, counted from 0."""
    if schedule == "restarts":
        return restarts(step / steps_per_epoch)
    # The first step counts as one, so that it moves something.
    return one_cosine((step + 1) / (steps_per_epoch * epochs + 1))


def learning_rate(options: PhaseSettings, step: int, steps_per_epoch: int) -> float:
    """Of a step, counted from 0."""
    return options.learning_rate * rate(options.schedule, step, steps_per_epoch, options.epochs)


def has_fixed_statistics(options: PhaseSettings, step: int, steps_per_epoch: int) -> bool:
    """Whether BatchNorm takes its running statistics in a step, counted from 0: in the last fraction of the run."""
    return step >= (1 - options.fixed_statistics) * steps_per_epoch * options.epochs
