"""From the description of a run to what trains: the pairs in their order, and the model with its optimiser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from datasets.pairs.augmentation import Augmentation
from datasets.pairs.pair_check import CheckRecord, check_pairs, without
from datasets.pairs.pair_layout import Pair
from datasets.pairs.training_pairs import TrainingPairs, read_lists
from models.build import build_digitizer, load_weights
from models.digitizer import Digitizer
from models.fast import accelerate
from training import ranks
from training.learner import Learner
from training.reading import Pairs
from training.refiner_crops import RefinerCrops
from training.run import Run, sole_use
from training.sampler import ResumableBatchSampler
from training.state import Progress, identity_of, load_start, refuse_other_model, restoring, training_state
from training.sync_batch_norm import synchronise_batchnorm
from utils.checkpoint import read_checkpoint
from utils.distributed import is_main, shard
from utils.errors import InputError


@dataclass(frozen=True)
class Data:
    """What a run learns from and what it is measured on."""

    train: TrainingPairs
    validation: TrainingPairs
    left_out: list[str]  # one line about each training pair that cannot be used


@dataclass(frozen=True)
class Listed:
    """The pairs of some lists, and which of them cannot be used."""

    pairs: list[Pair]
    problems: dict[int, str]  # position -> one line


def look_at(run: Run, names: Sequence[str]) -> Listed:
    """Read lists and check all their pairs, each process a part of them; a record saves the next start the work.

    Raises:
        InputError: in all processes, when one of them cannot read a list.
        TrainingFailed: another process is gone.
    """
    listed, canvas = Listed([], {}), run.settings.model.canvas
    for name in names:
        with ranks.failing_together():
            pairs = read_lists(run.root, [name])
            record = CheckRecord(run.root, name, pairs, canvas)
        # The first process decides for all: nodes may see another clock.
        known = json.loads(ranks.all_gather([json.dumps(record.bad_positions())])[0][0])
        mine = list(shard(range(len(pairs)) if known is None else known))
        found = check_pairs(run.root, [pairs[position] for position in mine], canvas)
        lines = ranks.all_gather([f"{mine[index]} {line}" for index, line in found.items()])
        bad = {int(line.split(" ", 1)[0]): line.split(" ", 1)[1] for part in lines for line in part}
        if is_main() and known is None:
            record.write(sorted(bad))
        listed.problems.update({len(listed.pairs) + position: bad[position] for position in sorted(bad)})
        listed.pairs.extend(pairs)
    return listed


def open_data(run: Run, train: Listed, validation: Listed) -> Data:
    """The pairs that can be used, as samples.

    Raises:
        InputError: too many of them cannot, or there are no background photos.
    """
    canvas, seed, backdrop = run.settings.model.canvas, run.settings.run.seed, run.settings.model.backdrop
    thin = run.phase == 1 and run.options.networks == "coarse"
    learnt, left_out = without(train.pairs, train.problems)
    measured, passed_over = without(validation.pairs, validation.problems)
    for line in passed_over if is_main() else ():
        tqdm.write(f"LEFT OUT of the validation: {line}")
    augmentation = Augmentation(run.settings.augmentation, run.root, backdrop, thin)
    return Data(
        TrainingPairs(run.root, learnt, canvas, augmentation, seed),
        TrainingPairs(run.root, measured, canvas, None, seed, backdrop=backdrop),
        left_out,
    )


def open_learner(run: Run, identity: Mapping[str, Any], device: torch.device) -> tuple[Learner, Progress]:
    """Build the model, give it the weights that the run begins with, and put it on the device.

    Args:
        identity: of the run (`identity_of`).

    Returns:
        The learner, and where the run stands.

    Raises:
        InputError: a checkpoint cannot be used, or belongs to another run or model.
    """
    settings, source, state = run.settings, run.source, None
    torch.manual_seed(settings.run.seed)
    checkpoint = read_checkpoint(source) if source else None
    # Phase 1 carries along the refiner of a checkpoint that has one, so that phase 2 can go on with it.
    carried = checkpoint is not None and checkpoint.has_refiner
    model = build_digitizer(settings.model, refiner=run.phase == 2 or carried)
    if source and checkpoint and source == run.last:
        state = training_state(checkpoint, source, identity)
        refuse_other_model(checkpoint, source, settings.model)
        load_weights(model, checkpoint.weights, source)
    elif source and checkpoint:
        load_start(source, checkpoint, model, settings)
    if settings.compute.sync_batchnorm:
        model = synchronise_batchnorm(model, device)
    layout = torch.channels_last if settings.compute.channels_last else torch.contiguous_format
    learner = Learner(run, model.to(device).to(memory_format=layout), device)
    if state is None:
        return learner, Progress()
    with restoring(run.last):
        learner.load_state(state)
        return learner, Progress(**state["progress"])


@dataclass(frozen=True)
class Training:
    """Everything that a run needs, opened."""

    device: torch.device
    data: Data
    learnt: Pairs  # data.train as this phase takes it
    order: ResumableBatchSampler  # of the training pairs, from where the run stands
    learner: Learner
    progress: Progress
    identity: dict[str, Any]


def _as_learnt(run: Run, pairs: TrainingPairs, model: Digitizer) -> Pairs:
    """The training pairs, or crops of them: of phase 2, when crops are wanted."""
    side = run.settings.compute.refiner_crop
    if run.phase == 1 or not side:
        return pairs
    # On the CPU, where samples are read.
    return RefinerCrops(pairs, accelerate(model).cpu(), side, run.folder / "phase1_maps")


@contextmanager
def open_training(run: Run) -> Iterator[Training]:
    """Join the other processes, open data and model, and make sure that all are about to do the same.

    Raises:
        InputError: in all processes, if one of them cannot go on or they differ.
        TrainingFailed: another process is gone.
    """
    compute = run.settings.compute
    with ExitStack() as held:
        device = held.enter_context(ranks.joined(compute.device, compute.timeout_minutes))
        with ranks.failing_together():
            held.enter_context(sole_use(run))
        train, validation = (look_at(run, names) for names in (run.settings.data.train, run.settings.data.validation))
        with ranks.failing_together():
            data, options = open_data(run, train, validation), run.options
            order = ResumableBatchSampler(len(data.train), options, run.settings.run.seed)
            identity = identity_of(run, data.train.pairs, order.per_step)
            learner, progress = open_learner(run, identity, device)
            if progress.step > order.steps:
                raise InputError(
                    f"{run.last}: has done {progress.step} steps, expected at most the {order.steps} of"
                    f" phase{run.phase}.epochs={options.epochs}: ask for more epochs"
                )
            learnt = _as_learnt(run, data.train, learner.model)
        ranks.require_same(identity | {"step": progress.step, "config": run.settings})
        order.first_step = progress.step
        yield Training(device, data, learnt, order, learner=learner, progress=progress, identity=identity)
