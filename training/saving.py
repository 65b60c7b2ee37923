"""The checkpoints of a run: last.pt to go on from, best.pt to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.opening import Opened
from training.run import Run
from utils.checkpoint import write_checkpoint
from utils.config import to_dict
from utils.distributed import is_main


def save_last(run: Run, it: Opened) -> None:
    """Everything that resuming needs, atomically."""
    _save(run.last, run, it, training=_origin(run, it) | it.learner.state())


def save_best(run: Run, it: Opened) -> None:
    """The weights alone, and where they come from."""
    _save(run.best, run, it, trained=_origin(run, it))


def _origin(run: Run, it: Opened) -> dict[str, Any]:
    return {"identity": it.identity, "progress": to_dict(it.progress), "settings": to_dict(run.settings)}


def _save(path: Path, run: Run, it: Opened, **extra: Any) -> None:
    if is_main():
        weights = {name: tensor.detach() for name, tensor in it.learner.model.state_dict().items()}
        write_checkpoint(path, to_dict(run.settings.model), weights, **extra)
