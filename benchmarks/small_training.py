"""The three runs that make the shipped model, by configs/small.yaml, as train.py does them: read, learn, update."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

from benchmarks.loading import CONFIGS, PAIR, data_folder
from training.opening import open_training
from training.reading import batches_of_steps, loader_of, reading
from training.run import Run
from training.schedule import has_fixed_statistics
from training.settings import Settings
from utils.choices import SHIPPED_CHECKPOINT
from utils.config import build_config, override, read_yaml
from utils.files import write_text

SAMPLES = 24
"""Of the list, which names one person again and again: backgrounds, light and crops differ."""
CANVAS = 768


def _run(phase: int, changes: tuple[str, ...]) -> Run:
    root = data_folder(CANVAS)
    write_text(root / "list/all.txt", f"{PAIR.list_line}\n" * SAMPLES)
    lists = ("data.train=[all]", "data.validation=[all]", f"phase{phase}.epochs=100000")
    settings = build_config(Settings, override(read_yaml(CONFIGS / "small.yaml"), [*lists, *changes]), "small.yaml")
    return Run(settings, phase, root, root / "run", start_from=SHIPPED_CHECKPOINT)


def epoch(phase: int, *changes: str) -> Callable[[], dict[str, float]]:
    """One epoch of a run. The first one, which warms up, computes what the refiner's crops are kept in.

    Args:
        changes: of the config, as in `train.py --set`.
    """
    held = ExitStack()
    atexit.register(held.close)
    run = _run(phase, changes)
    training = held.enter_context(open_training(run))
    learner, order = training.learner, training.order
    batches = held.enter_context(reading(loader_of(run, training.learnt, order, order.kept)))
    steps = batches_of_steps(batches, order)

    def work() -> dict[str, float]:
        for taken in islice(steps, order.steps_per_epoch):
            learner.phase.train(has_fixed_statistics(run.options, 0, order.steps_per_epoch))
            learner.update(learner.gradients(taken).terms, run.options.learning_rate)
        return {"samples/s": order.steps_per_epoch * order.per_step}

    return work
