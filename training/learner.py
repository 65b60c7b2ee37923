"""The model in training: its phase, its gradients, its optimiser. One step is `gradients`, then `update`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.digitizer import Digitizer
from training import ranks
from training.gradients import GradientExchange
from training.reading import Batch
from training.recorded import RecordedPhase
from training.refiner_crops import CropPhase
from training.run import Run
from training.steps import BatchResult, FirstPhase, Phase, SecondPhase, parameters_of
from utils.device import PRECISIONS, set_precision


@dataclass(frozen=True)
class Update:
    """The outcome of one step."""

    terms: dict[str, float]  # loss term -> mean over all batches of all processes
    gradient_norm: float  # before clipping
    is_finite: bool  # otherwise the step was skipped

    @property
    def loss(self) -> float:
        """The sum of all terms."""
        return sum(self.terms.values())

    @property
    def values(self) -> dict[str, float]:
        """For the log."""
        return {"loss": self.loss} | self.terms | {"gradient_norm": self.gradient_norm}


def adam_of(parameters: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """The optimiser, fused: one launch for many parameters, and no copies of them in between."""
    return torch.optim.Adam(parameters, lr=learning_rate, fused=True)


class Learner:
    """A model with its phase, gradients and optimiser.

    Args:
        model: with the weights that the run begins with, on the device; phase 2 folds its frozen networks here.

    Raises:
        InputError: compute.cuda_graphs without CUDA.
    """

    def __init__(self, run: Run, model: Digitizer, device: torch.device) -> None:
        self.run, self.model, self.device = run, model, device
        set_precision(run.options.precision)
        names = [name for name, _ in model.named_parameters() if name.startswith("refiner.") == (run.phase == 2)]
        self.optimizer = adam_of([model.get_parameter(name) for name in names], run.options.learning_rate)
        self.scaler = torch.amp.GradScaler(device.type, enabled=run.options.precision == "fp16")
        self.phase = _phase_of(run, model, device)
        self.parameters = dict(parameters_of(self.phase.networks))
        self.exchange = GradientExchange(self.phase.networks, in_place=isinstance(self.phase, RecordedPhase))
        self.buffers = [buffer for network in self.phase.networks.values() for buffer in network.buffers()]
        self.before = [buffer.clone() for buffer in self.buffers]  # as they were before the step at hand

    def gradients(self, batches: Sequence[Batch]) -> BatchResult:
        """Forward and backward of one step: gradients, statistics and terms become the mean over all processes.

        Returns:
            The terms, and the normals of this process's last batch.
        """
        self.exchange.clear()
        torch._foreach_copy_(self.before, self.buffers)
        results = [self.phase.run(batch.to(self.device), self._scaled) for batch in batches[:-1]]
        results.append(self.phase.run(batches[-1].to(self.device), self._scaled, self.exchange.start))
        self.exchange.finish()
        terms = {
            name: torch.stack([result.terms[name].float() for result in results]).mean() for name in results[0].terms
        }
        ranks.average([*(buffer for buffer in self.buffers if buffer.is_floating_point()), *terms.values()])
        return BatchResult(terms, results[-1].normals)

    def update(self, terms: Mapping[str, Tensor], learning_rate: float) -> Update:
        """Move the weights, unless a term or the gradient is not finite: then the step leaves no trace."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.scaler.unscale_(self.optimizer)
        norm = self._clip()
        # The one place where a step waits for the device.
        gradient_norm, *values = torch.stack([norm, *terms.values()]).tolist()
        is_finite = all(map(math.isfinite, (gradient_norm, *values)))
        if is_finite:
            self.scaler.step(self.optimizer)
        else:
            # The forward pass has moved BatchNorm's statistics already, perhaps to NaN.
            torch._foreach_copy_(self.buffers, self.before)
        self.scaler.update()
        return Update(dict(zip(terms, values, strict=True)), gradient_norm, is_finite)

    def state(self) -> dict[str, Any]:
        """What resuming needs besides the weights."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def _scaled(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss / self.run.options.accumulate)

    def _clip(self) -> Tensor:
        """Scale the gradients down to clip_norm, if that is wanted; returns their norm before."""
        parameters = list(self.parameters.values())
        if self.run.options.clip_norm > 0:
            return torch.nn.utils.clip_grad_norm_(parameters, self.run.options.clip_norm)
        return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def _phase_of(run: Run, model: Digitizer, device: torch.device) -> Phase:
    options, compute = run.options, run.settings.compute
    dtype = PRECISIONS[options.precision]

    def autocast() -> AbstractContextManager:
        return nullcontext() if dtype is torch.float32 else torch.autocast(device.type, dtype=dtype)

    phase: Phase
    if run.phase == 1:
        phase = FirstPhase(model, run.settings.loss, autocast, options.networks, columns=compute.coarse_columns)
        if compute.cuda_graphs:
            phase = RecordedPhase(phase, device)
    elif compute.refiner_crop:
        phase = CropPhase(model, run.settings.loss, autocast)
    else:
        recompute = compute.recompute and not compute.compile
        phase = SecondPhase(model, run.settings.loss, autocast, compute.refiner_window, recompute)
    if compute.compile:
        from models.compiling import compile_networks  # PyTorch's compiler takes two seconds to import

        compile_networks(phase.networks.values())
    return phase
