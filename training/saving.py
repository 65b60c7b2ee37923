"""The checkpoints of a run: last.pt to go on from, best.pt to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.opening import Training
from training.run import Run
from utils.checkpoint import write_checkpoint
from utils.config import to_dict
from utils.distributed import is_main


def save_last(run: Run, training: Training) -> None:
    """Everything that resuming needs, atomically."""
    _save(run.last, run, training, {"training": _origin(run, training) | training.learner.state()})


def save_best(run: Run, training: Training) -> None:
    """The weights alone, and where they come from."""
    _save(run.best, run, training, {"trained": _origin(run, training)})


def _origin(run: Run, training: Training) -> dict[str, Any]:
    return {"identity": training.identity, "progress": to_dict(training.progress), "settings": to_dict(run.settings)}


def _save(path: Path, run: Run, training: Training, extra: dict[str, Any]) -> None:
    if is_main():
        weights = {name: tensor.detach() for name, tensor in training.learner.model.state_dict().items()}
        write_checkpoint(path, to_dict(run.settings.model), weights, **extra)
