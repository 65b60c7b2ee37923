"""One training step of the paper's model: 2048 px, batch 1, fp32, optimiser included."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch

from benchmarks import sample
from benchmarks.render_stages import depth_and_color
from benchmarks.scans import body_of
from datasets.pairs.samples import Sample
from geometry.depth import decode_network
from geometry.poses import Poses
from geometry.window import person_window
from losses.terms import LossWeights
from models.build import ModelConfig, build_digitizer
from models.compiling import compile_networks
from models.digitizer import Digitizer
from training.learner import adam_of
from training.steps import Autocast, FirstPhase, Phase, SecondPhase, parameters_of
from utils.checkpoint import OFFICIAL_MODEL
from utils.config import build_config

PAPER_LOSS = LossWeights()


def _batch() -> Sample:
    """A rendered body with the joints of another person: what a step costs depends on the size alone."""
    files = depth_and_color(body_of(110_000), sample.CANVAS)[:2]
    depth = torch.stack([torch.from_numpy(decode_network(values, sample.CANVAS)) for values in files])
    photo = torch.rand(1, 3, sample.CANVAS, sample.CANVAS) * 2 - 1
    return Sample(photo, depth[None], Poses.stack([sample.poses()]), (person_window((depth[0] > 0).numpy()),))


def phase_of(
    model: Digitizer,
    number: int,
    window: str = "canvas",
    weights: LossWeights = PAPER_LOSS,
    autocast: Autocast = nullcontext,
    is_compiled: bool = False,
) -> Phase:
    """Phase 1 or 2 of a model.

    Args:
        window: of phase 2 (training.steps.SecondPhase).
        is_compiled: by torch.compile, when it first runs; else phase 2 computes maps again in the backward pass.
    """
    if number == 1:
        phase: Phase = FirstPhase(model, weights, autocast)
    else:
        phase = SecondPhase(model, weights, autocast, window, recompute=not is_compiled)
    if is_compiled:
        compile_networks(phase.networks.values())
    return phase


def optimizer_of(phase: Phase) -> torch.optim.Adam:
    """Adam of the networks that a phase trains."""
    return adam_of([parameter for _, parameter in parameters_of(phase.networks)], 1e-4)


def stepping(phase: Phase, optimizer: torch.optim.Optimizer, batch: Sample) -> Callable[[], None]:
    """One training step of a batch: forward, backward and the optimiser."""

    def work() -> None:
        phase.train()
        optimizer.zero_grad(set_to_none=True)
        phase.run(batch, lambda loss: loss)
        optimizer.step()

    return work


def step(number: int, window: str, is_compiled: bool = False) -> Callable[[], None]:
    """Forward, backward and Adam of one phase.

    Args:
        window: of phase 2: "canvas", or "person" for the person's box.
        is_compiled: by torch.compile, in the warm-up.
    """
    torch.manual_seed(0)
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "paper"), refiner=number == 2)
    phase = phase_of(model.to(memory_format=torch.channels_last), number, window, is_compiled=is_compiled)
    return stepping(phase, optimizer_of(phase), _batch())
