"""Where a run stands, as its checkpoint holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datasets.pairs.pair_files import Pair
from models.build import ModelConfig, load_weights
from models.digitizer import Digitizer
from models.widening import widened
from training.settings import Settings
from utils.checkpoint import read_checkpoint, write_checkpoint
from utils.config import build_config, to_dict
from utils.errors import InputError

LAST, BEST = "last.pt", "best.pt"


@dataclass
class Progress:
    """Numbers that a run carries from step to step.

    There is no state of a random generator among them: every draw is a pure function of the seed, the epoch and the
    sample (training.order, datasets.pairs.training_pairs).
    """

    step: int = 0  # of the optimiser, done
    skipped: int = 0  # steps without an update, because something was not finite
    best: float = float("inf")  # smallest validation loss


def fingerprint(pairs: Sequence[Pair]) -> str:
    """A hash of the training pairs in order: a run can go on only with the same ones."""
    return hashlib.sha256("\n".join(pair.list_line for pair in pairs).encode()).hexdigest()[:16]


def save_last(
    path: Path,
    settings: Settings,
    model: Digitizer,
    identity: dict[str, Any],
    progress: Progress,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    """Everything that continuing needs, atomically.

    Args:
        identity: what must not change between parts of a run: phase, data, steps per epoch.
    """
    training = {
        "identity": identity,
        "progress": to_dict(progress),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "settings": to_dict(settings),
    }
    write_checkpoint(path, to_dict(settings.model), _weights(model), training=training)


def save_best(path: Path, settings: Settings, model: Digitizer, identity: dict[str, Any], progress: Progress) -> None:
    """The weights alone, and where they come from."""
    trained = {"identity": identity, "progress": to_dict(progress), "settings": to_dict(settings)}
    write_checkpoint(path, to_dict(settings.model), _weights(model), trained=trained)


def resume(
    path: Path,
    model: Digitizer,
    identity: dict[str, Any],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> Progress:
    """Put a run back where `save_last` left it.

    Raises:
        InputError: the file cannot be used, or belongs to another run.
    """
    checkpoint = read_checkpoint(path)
    training = checkpoint.extra.get("training")
    if training is None:
        raise InputError(f"{path}: weights without the state of a training, expected a {LAST}")
    for name, value in identity.items():
        if training["identity"].get(name) != value:
            known = training["identity"].get(name)
            raise InputError(f"{path}: its {name} is {known!r}, this run's is {value!r}: expected the same run")
    load_weights(model, checkpoint.weights, path)
    optimizer.load_state_dict(training["optimizer"])
    scaler.load_state_dict(training["scaler"])
    return Progress(**training["progress"])


def load_start(path: Path, model: Digitizer, settings: Settings) -> None:
    """Start from a checkpoint's weights; a refiner that it lacks keeps its fresh ones.

    What stands for "nobody" may be said in another way: it is learnt, and changes no shape. Agreement is of no
    network. Networks may be narrower than the config's, by whole factors: they are widened. A refiner that was not
    residual may become it: its features stay, its depths start as the lifted coarse ones.

    Raises:
        InputError: the file cannot be used, or is of another model.
    """
    checkpoint = read_checkpoint(path)
    # Through plain lists: files hold no tuples.
    wanted = to_dict(settings.model)
    known = to_dict(build_config(ModelConfig, checkpoint.model, f"{path}: model"))
    becomes_residual = settings.model.residual and not known["residual"]
    free = ["backdrop", "masked", "agreement", "normal_widths", "depth_widths", "refiner_width"]
    free += ["residual"] if becomes_residual else []
    if known | {name: wanted[name] for name in free} != wanted:
        raise InputError(f"{path}: model {known}, expected the config's {wanted}")
    weights = dict(checkpoint.weights)
    if model.refiner is not None and not checkpoint.has_refiner:
        weights |= {f"refiner.{name}": tensor for name, tensor in model.refiner.state_dict().items()}
    try:
        weights = widened(weights, model.state_dict())
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    load_weights(model, weights, path)
    if becomes_residual and model.refiner is not None:
        model.refiner.start_at_lifted()


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}
