"""A full-size training step of phase 1 against the authors' numbers (METHOD.md 7 and 12): minutes, and 6 GB."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from datasets.pairs.samples import Sample
from geometry.window import Window
from losses.terms import LossWeights
from models.build import load_digitizer
from tests import golden
from tests.golden_step import check_step, gradient_of_a_plain_limit
from training.steps import FirstPhase


def test_a_step_of_phase_1_has_the_official_losses_and_gradients(tmp_path, monkeypatch):
    """From a file as the authors' training writes it. That the layout of the memory changes nothing is shown elsewhere.

    Another order of summing moves these weights' coarse gradients by up to 8 % of their largest value, and the norm of
    all of them by 0.12 %: channels-last does, or another processor than the golden one.
    """
    monkeypatch.setattr("models.blocks._gradient_passes", gradient_of_a_plain_limit)
    torch.save({"model_state_dict": golden.weights()}, tmp_path / "golden.pth.tar")
    model = load_digitizer(tmp_path / "golden.pth.tar")
    (tmp_path / "golden.pth.tar").unlink()
    phase = FirstPhase(model, LossWeights(mask=0.0), nullcontext)
    phase.train()
    sample = Sample(golden.photo(), golden.depths(), golden.poses(), (Window.full(golden.CANVAS),))
    check_step(phase.run(sample, lambda loss: loss), phase.networks, 1, tolerance=0.1)
