"""What the paper's model costs on cards that are not at hand: counted from the code, estimated by a roofline.

python -m benchmarks.planning                          the tables of docs/SCALE.md
python -m benchmarks.planning --write docs/SCALE.md    put them there, between its marks
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks import sample
from benchmarks.counting import Costs, counted
from benchmarks.networks import PERSON, paper_model
from benchmarks.training_steps import optimizer_of, phase_of, stepping
from datasets.pairs.samples import Sample
from geometry.poses import Poses
from geometry.window import MARGINS_ON_CANVAS
from models.fast import accelerate
from training.steps import SecondPhase, parameters_of
from utils.files import write_text

REACHED_ARITHMETIC, REACHED_BANDWIDTH = 0.4, 0.75
"""Of a card's published rates, what convolutions of 32 to 512 channels and large maps sustain: an assumption."""
USABLE_MEMORY = 0.9
"""Of a card's memory; the rest is the CUDA context, the workspace of the convolutions and fragmentation."""
SAMPLE_SECONDS = 0.2
"""Of one core, to read and augment a pair at 2048 px: measured by `benchmark.py --stages load-2048`."""
PAIRS, EPOCHS, BATCH = 14_000, {1: 30, 2: 10}, 2
"""The paper's: 2000 scans from seven sides, the epochs of each phase, the batch."""


@dataclass(frozen=True)
class Card:
    """An accelerator, by its data sheet: dense rates, without sparsity."""

    name: str
    memory_gb: float
    tflops: dict[str, float]  # precision -> peak [TFLOP/s]
    bandwidth_tb: float  # [TB/s]

    def seconds(self, costs: Costs, precision: str) -> float:
        """The estimate for what was counted."""
        rate = REACHED_ARITHMETIC * self.tflops[precision] * 1e12
        return costs.seconds(rate, REACHED_BANDWIDTH * self.bandwidth_tb * 1e12)


CARDS = (
    Card("RTX 4090, 24 GB", 24, {"fp32": 82.6, "tf32": 82.6, "bf16": 165.2}, 1.008),
    Card("A100 SXM, 80 GB", 80, {"fp32": 19.5, "tf32": 156, "bf16": 312}, 2.039),
    Card("H100 SXM, 80 GB", 80, {"fp32": 66.9, "tf32": 494.7, "bf16": 989.4}, 3.35),
)
PRECISIONS = {"fp32": "fp32", "tf32": "fp32", "bf16": "bf16"}
"""Arithmetic of the convolutions -> the precision in which the maps are held, so which count it takes."""


@dataclass(frozen=True)
class Workload:
    """A training step; `number` and `window` as in benchmarks.training_steps."""

    title: str
    number: int
    window: str = "canvas"


STEPS = (
    Workload("phase 1", 1),
    Workload("phase 2", 2),
    Workload("phase 2, `refiner_window: person`", 2, "person"),
)


def _fake() -> FakeTensorMode:
    return FakeTensorMode(allow_non_fake_inputs=True)


def _weights_of(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _poses(batch: int) -> Poses:
    return Poses.stack([sample.poses()] * batch)


@cache
def forward_costs(fast: bool) -> Costs:
    """One photo, batch 1, float32: as it is digitized, or the plain networks on the whole canvas."""
    with _fake():
        model = accelerate(paper_model()) if fast else paper_model()
        photo = torch.rand(1, 3, sample.CANVAS, sample.CANVAS)
    poses, window = _poses(1), PERSON if fast else None

    @torch.no_grad()
    def work() -> None:
        model(photo, poses, window)

    return counted(work, [*_weights_of(model), photo])


def _batch(size: int) -> Sample:
    """Fake photos of people who fill PERSON, with their margin."""
    margin = sample.CANVAS // MARGINS_ON_CANVAS
    depth = torch.zeros(size, 2, sample.CANVAS, sample.CANVAS)
    depth[..., PERSON.top + margin : PERSON.bottom - margin, PERSON.left + margin : PERSON.right - margin] = 2.0
    with _fake():
        photo = torch.rand(size, 3, sample.CANVAS, sample.CANVAS)
    return Sample(photo, depth, _poses(size), (PERSON,) * size)


@cache
def step_costs(step: Workload, batch: int, precision: str) -> Costs:
    """Forward, backward and Adam of one step that is not the first."""
    autocast: Callable[[], AbstractContextManager] = nullcontext
    if precision == "bf16":
        autocast = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
    with _fake():
        phase = phase_of(model := paper_model().train(), step.number, step.window, autocast=autocast)
    trained = [parameter for _, parameter in parameters_of(phase.networks)]
    optimizer = optimizer_of(phase)
    for parameter in trained:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    pair = _batch(batch)
    state = [value for one in optimizer.state.values() for value in one.values() if isinstance(value, Tensor)]
    frozen = _weights_of(phase.frozen) if isinstance(phase, SecondPhase) else []
    held = [
        *_weights_of(model),
        *frozen,
        *state,
        pair.photo,
        pair.depth,
        *(p.grad for p in trained if p.grad is not None),
    ]
    return counted(stepping(phase, optimizer, pair), held)


def memory_gb(step: Workload, batch: int, precision: str) -> float:
    """Peak [GB] of a batch: a line through the counts of one pair and of two."""
    one, two = (step_costs(step, size, precision).peak / 1e9 for size in (1, 2))
    return one + (batch - 1) * (two - one)


def largest_batch(step: Workload, card: Card, precision: str) -> int:
    """The most pairs that fit in a card's memory; 0 when none does."""
    one, each = memory_gb(step, 1, precision), memory_gb(step, 2, precision) - memory_gb(step, 1, precision)
    return max(0, 1 + math.floor((USABLE_MEMORY * card.memory_gb - one) / each))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counts_table() -> str:
    """What was counted: work, traffic and peak memory."""
    rows = []
    for title, costs in (
        ("forward, one photo, as digitized", forward_costs(True)),
        ("forward, plain networks, whole canvas", forward_costs(False)),
    ):
        rows.append(
            [title, "1", "fp32", f"{costs.flop / 1e12:.2f}", f"{costs.moved / 1e9:.0f}", f"{costs.peak / 1e9:.1f}"]
        )
    for step in STEPS:
        for precision in ("fp32", "bf16"):
            costs = step_costs(step, BATCH, precision)
            rows.append(
                [
                    step.title,
                    str(BATCH),
                    precision,
                    f"{costs.flop / 1e12:.1f}",
                    f"{costs.moved / 1e9:.0f}",
                    f"{costs.peak / 1e9:.1f}",
                ]  # fmt: skip
            )
    return _table(("what", "batch", "maps in", "TFLOP", "GB moved", "peak GB"), rows)


def inference_table() -> str:
    """Estimated seconds a photo."""
    rows = [
        [card.name, *(f"{card.seconds(forward_costs(True), precision):.2f}" for precision in ("fp32", "tf32"))]
        for card in CARDS
    ]
    return _table(("card", "fp32 (the default) [s]", "tf32 [s]"), rows)


def training_table(sample_seconds: float) -> str:
    """Estimated time of a step of the paper's batch, the batch that fits, the workers that feed it, days for all."""
    rows = []
    for step in STEPS:
        for card in CARDS:
            for precision in PRECISIONS:
                counted_in = PRECISIONS[precision]
                seconds = card.seconds(step_costs(step, BATCH, counted_in), precision)
                fits = largest_batch(step, card, counted_in)
                days = EPOCHS[step.number] * PAIRS / BATCH * seconds / 86400
                cores = math.ceil(sample_seconds * BATCH / seconds)
                rows.append([step.title, card.name, precision, f"{seconds:.2f}", str(fits), str(cores), f"{days:.1f}"])
    return _table(("step", "card", "precision", f"s a step of {BATCH}", "batch that fits", "workers", "days"), rows)


def with_tables(page: str, tables: dict[str, str]) -> str:
    """The page with each table between `<!-- NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)

        def filled(match: re.Match[str], table: str = table) -> str:
            return f"{match[1]}{table}\n{match[2]}"

        page = mark.sub(filled, page)
    return page


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample_seconds", type=float, default=SAMPLE_SECONDS, help="of one core, for one pair")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    return parser.parse_args(argv)


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or write them into a page; returns the exit code."""
    args = parse_args(argv)
    tables = {
        "counts": counts_table(),
        "inference": inference_table(),
        "training": training_table(args.sample_seconds),
    }
    for name, table in tables.items():
        print(f"{name}\n{table}\n")
    if args.write:
        write_text(args.write, with_tables(args.write.read_text(encoding="utf-8"), tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
