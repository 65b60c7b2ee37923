"""Training steps of the shipped model on this machine's GPU: launched operator by operator, and recorded.

python -m benchmarks.small_on_gpu                        the table, each row as soon as it is there
python -m benchmarks.small_on_gpu --json gpu.json        and the numbers in a file
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import sample
from benchmarks.loading import CONFIGS
from benchmarks.on_gpu import Row, clocked, measure
from datasets.pairs.samples import PackedSample, packed
from geometry.coarse_grid import THINNED
from geometry.poses import Poses
from geometry.window import person_window
from models.build import build_digitizer
from training.learner import Learner
from training.run import Run
from training.settings import Settings
from utils.config import build_config, override, read_yaml

RADIUS = 0.45
"""Of the stand-in for a person, a disk [fraction of the canvas]: the coarse networks see all columns."""


@dataclass(frozen=True)
class Step:
    """A training step of one of the three runs that make the shipped model."""

    trained: str  # "coarse", "parts" or "refiner"
    batch: int
    precision: str
    is_recorded: bool = False

    @property
    def phase(self) -> int:
        """1 or 2."""
        return 2 if self.trained == "refiner" else 1


STEPS = (
    *(Step("coarse", batch, "bf16", is_recorded) for batch in (32, 64) for is_recorded in (False, True)),
    *(Step("parts", batch, "bf16", is_recorded) for batch in (16, 32) for is_recorded in (False, True)),
    *(Step("refiner", 16, precision) for precision in ("tf32", "bf16")),
)


def learner_of(step: Step, device: torch.device) -> Learner:
    """A fresh model of configs/small.yaml, as train.py would train it."""
    phase = step.phase
    changes = [f"phase{phase}.precision={step.precision}", "compute.refiner_crop=0", "compute.refiner_window=person"]
    changes += [f"phase1.networks={step.trained}", f"compute.cuda_graphs={step.is_recorded}"] if phase == 1 else []
    settings = build_config(Settings, override(read_yaml(CONFIGS / "small.yaml"), changes), "small.yaml")
    torch.manual_seed(0)
    model = build_digitizer(settings.model, refiner=phase == 2).to(device).to(memory_format=torch.channels_last)
    return Learner(Run(settings, phase, Path(), Path()), model, device)


def batch_of(size: int, canvas: int, is_thin: bool) -> PackedSample:
    """Pinned noise, with a disk in the place of people: what a step costs depends on sizes alone."""
    rng, side = np.random.default_rng(0), canvas // THINNED if is_thin else canvas
    y, x = np.mgrid[:canvas, :canvas] / (canvas / 2) - 1
    person = x**2 + y**2 < (2 * RADIUS) ** 2
    window, thinned = person_window(person), person[:: canvas // side, :: canvas // side]
    pairs = []
    for _ in range(size):
        rgb = rng.integers(0, 256, (side, side, 3), np.uint8)
        depth = np.where(thinned, rng.normal(2, 0.01, (2, side, side)), 0).astype(np.float32)
        pairs.append(packed(rgb, depth, canvas, Poses.stack([sample.poses()]), window))
    return PackedSample.stack(pairs).pin_memory()


def step_time(step: Step, device: torch.device) -> Row:
    """A whole step: the batch's way to the GPU, forward, backward, Adam, reading the losses."""
    learner = learner_of(step, device)
    data = batch_of(step.batch, learner.model.canvas, step.trained == "coarse")

    def work() -> None:
        learner.phase.train()
        learner.update(learner.gradients([data]).terms, 1e-4)

    return vars(step) | clocked(work, device)


def difference(trained: str, device: torch.device) -> Row:
    """How far a recorded step is from one that is not: loss terms and gradients, relative to the largest."""
    terms, gradients = [], []
    for is_recorded in (False, True):
        learner = learner_of(Step(trained, 4, "fp32", is_recorded), device)
        learner.phase.train()
        for _ in range(2):  # the second one is a repetition
            result = learner.gradients([batch_of(4, learner.model.canvas, trained == "coarse")])
        terms.append(torch.stack(list(result.terms.values())))
        gradients.append(torch.cat([p.grad.flatten() for p in learner.parameters.values() if p.grad is not None]))
    row: Row = {"what": f"{trained}, recorded or not"}
    for name, (expected, actual) in {"terms": terms, "gradients": gradients}.items():
        row[f"{name} off by"] = float((actual - expected).abs().max() / expected.abs().max())
    return row


def rows(device: torch.device) -> list[partial[Row]]:
    """What is measured, in order."""
    checks = [partial(difference, trained, device) for trained in ("coarse", "parts")]
    return checks + [partial(step_time, step, device) for step in STEPS]


if __name__ == "__main__":
    sys.exit(measure(__doc__, rows))
