"""Where a run stands, as its checkpoint holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.pairs.pair_layout import Pair
from models.build import ModelConfig, load_weights
from models.digitizer import Digitizer
from models.refiner import DepthRefiner
from models.widening import widened
from training.run import LAST, Run
from training.settings import Settings
from utils.checkpoint import Checkpoint
from utils.config import build_config, to_dict
from utils.distributed import world_size
from utils.errors import InputError

PER_STEP = "samples per step"


@dataclass
class Progress:
    """Numbers that a run carries from step to step.

    There is no state of a random generator among them: every draw is a pure function of the seed, the epoch and the
    sample (training.sampler, datasets.pairs.training_pairs).
    """

    step: int = 0  # of the optimiser, done
    skipped: int = 0  # steps without an update, because something was not finite
    best: float = float("inf")  # smallest validation loss


def fingerprint(pairs: Sequence[Pair]) -> str:
    """A hash of the training pairs in order: a run can go on only with the same ones."""
    return hashlib.sha256("\n".join(pair.list_line for pair in pairs).encode()).hexdigest()[:16]


def identity_of(run: Run, pairs: Sequence[Pair], per_step: int) -> dict[str, Any]:
    """What must not change between the parts of a run, nor differ between its processes."""
    return {
        "phase": run.phase,
        "networks": run.options.networks,
        "training data": fingerprint(pairs),
        PER_STEP: per_step,
        "seed": run.settings.run.seed,
        **({"echo": run.options.echo} if run.options.echo > 1 else {}),
    }


def training_state(checkpoint: Checkpoint, path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says about the run that it belongs to: progress, optimizer, scaler.

    Raises:
        InputError: the file holds weights alone, or belongs to another run.
    """
    training = checkpoint.extra.get("training")
    if not isinstance(training, dict) or not isinstance(training.get("identity"), dict):
        raise InputError(f"{path}: weights without the state of a training, expected a {LAST}")
    for name in dict.fromkeys([*training["identity"], *identity]):
        known, value = training["identity"].get(name), identity.get(name)
        if known != value:
            advice = _other_batch_size(known) if name == PER_STEP else "the same run"
            raise InputError(f"{path}: its {name} is {known!r}, this run's is {value!r}: expected {advice}")
    return training


def refuse_other_model(checkpoint: Checkpoint, path: Path, model: ModelConfig) -> None:
    """A run goes on with the model that it began with; what is done with its depth at test may change.

    Raises:
        InputError: names the first key of the config that differs.
    """
    known = to_dict(build_config(ModelConfig, checkpoint.model, f"{path}: model"))
    for name, value in to_dict(model).items():
        if name != "agreement" and known[name] != value:
            raise InputError(f"{path}: its model.{name} is {known[name]}, this run's is {value}: expected the same run")


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Around what takes the state of a training: a state that does not fit is the file's fault.

    Raises:
        InputError: it does not.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            f"{path}: the state of its training is broken ({type(error).__name__}: {error}), expected a {LAST} as this"
            " run wrote it: start from its weights (--load_ckpt) in another --save_path"
        ) from error


def _other_batch_size(per_step: int) -> str:
    """How this number of processes takes as many samples per step as the run began with."""
    each, rest = divmod(per_step, world_size())
    if rest:
        return f"a number of processes that divides {per_step}"
    return f"--batch_size {each} with accumulate 1, or any two whose product is {each}, for {world_size()} process(es)"


def load_start(path: Path, checkpoint: Checkpoint, model: Digitizer, settings: Settings) -> None:
    """Start from a checkpoint's weights; a refiner that it lacks keeps its fresh ones.

    The backdrop and the agreement may differ: they change no shape. Networks may be narrower than the config's by whole
    factors: they are widened. A refiner that was not residual may become it: its features stay, its depths start as the
    lifted coarse ones.

    Args:
        path: of the checkpoint, for error messages.

    Raises:
        InputError: the file cannot be used, or is of another model.
    """
    # Through plain lists: files hold no tuples.
    wanted = to_dict(settings.model)
    known = to_dict(build_config(ModelConfig, checkpoint.model, f"{path}: model"))
    becomes_residual = settings.model.residual and not known["residual"]
    free = ["backdrop", "masked", "agreement", "filled", "normal_widths", "depth_widths", "refiner_width"]
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
    if becomes_residual and isinstance(model.refiner, DepthRefiner):
        model.refiner.start_at_lifted()
