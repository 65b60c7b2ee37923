"""One batch forward and backward, one network at a time, so that only one network's activations are ever held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from datasets.pairs.training_pairs import Sample
from geometry.coarse_grid import COARSE_STRIDE
from geometry.parts import KINDS
from geometry.window import Window, person_window
from losses.objective import Terms, phase1_objective, phase2_objective
from losses.targets import COARSE, Truth
from losses.terms import LossWeights
from models.digitizer import DepthMaps, Digitizer, Poses
from models.fast import accelerate
from training.recompute import refine_recomputed

Scaled = Callable[[Tensor], Tensor]
"""A loss as it is sent backwards: divided by the batches that share a step, times the factor of 16-bit gradients."""
Autocast = Callable[[], AbstractContextManager]


@dataclass
class BatchResult:
    """What a batch gave."""

    terms: Terms = field(default_factory=dict)  # detached
    normals: dict[str, Tensor] = field(default_factory=dict)  # network -> (N, 6, h, w) output, for the guard

    def add(self, terms: Terms) -> Tensor:
        """Note the terms; returns their sum with its graph."""
        self.terms |= {name: term.detach() for name, term in terms.items()}
        return sum(terms.values())


def train_only(networks: dict[str, nn.Module], model: Digitizer, fixed_statistics: bool) -> None:
    """Put some networks of a model in training mode, and nothing else.

    Args:
        fixed_statistics: their BatchNorms take their running statistics, as at test, and leave them as they are. With
            statistics of the batch, how near a person is depends on who else is in it: small batches blur depth.
    """
    model.eval()
    for network in networks.values():
        network.train()
        for layer in network.modules() if fixed_statistics else ():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def poses_of(batch: Sample) -> Poses:
    """The poses of a batch as the networks take them."""
    return Poses(batch.part_from_canvas, batch.canvas_from_part)


def truth_of(batch: Sample, canvas: int) -> Truth:
    """What the outputs for a batch are compared with; canvas: its side [px]."""
    return Truth(batch.depth, batch.canvas_from_part, canvas)


def window_of(batch: Sample) -> Window:
    """The box around all people of a batch (person_window)."""
    return person_window((batch.depth[:, 0] > 0).any(0).cpu().numpy())


class FirstPhase:
    """Trains the five part networks, the coarse normal network and the coarse depth network (METHOD.md 7).

    Args:
        networks: "all"; "coarse" or "parts" train these alone and leave the others as they are.
    """

    def __init__(self, model: Digitizer, weights: LossWeights, autocast: Autocast, networks: str = "all") -> None:
        self.model = model
        self.weights = weights
        self.autocast = autocast
        self.networks: dict[str, nn.Module] = {}
        self.has_parts, self.has_coarse = networks != "coarse", networks != "parts"
        if self.has_parts:
            self.networks |= model.part_networks.items()
        if self.has_coarse:
            self.networks |= {"coarse_normals": model.coarse_normals, "coarse_depth": model.coarse_depth}

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the trained networks in training mode, and nothing else (`train_only`)."""
        train_only(self.networks, self.model, fixed_statistics)

    def run(self, batch: Sample, scaled: Scaled) -> BatchResult:
        """Forward and backward; gradients are added to what is there."""
        result, truth = BatchResult(), truth_of(batch, self.model.canvas)
        if self.has_coarse:
            coarse_normals = self._coarse(batch, truth, scaled, result)
        else:
            with torch.no_grad():
                coarse_normals = self.model.coarse_normals(self.model.shrink(batch.photo))
        if self.has_parts:
            self._parts(batch, truth, coarse_normals, scaled, result)
        return result

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised."""
        return self.has_coarse if term.endswith(f"/{COARSE}") else self.has_parts

    def _parts(self, batch: Sample, truth: Truth, coarse_normals: Tensor, scaled: Scaled, result: BatchResult) -> None:
        """The part networks, one after the other."""
        with torch.no_grad():
            # Cropped without gradient: part losses do not reach the coarse network (METHOD.md 5.2).
            enlarged = self.model.enlarge(coarse_normals.float())
        poses = poses_of(batch)
        for kind in KINDS:
            # All crops at once: in training, BatchNorm's statistics are those of a network's whole batch.
            crops = torch.cat(self.model.part_inputs(kind, batch.photo, enlarged, poses))
            with self.autocast():
                predicted = self.model.part_networks[kind.name](crops)
            terms = phase1_objective({kind.name: predicted}, None, truth, self.weights)
            scaled(result.add(terms)).backward()
            result.normals[kind.name] = predicted.detach()
            del crops, predicted, terms

    def _coarse(self, batch: Sample, truth: Truth, scaled: Scaled, result: BatchResult) -> Tensor:
        """Both coarse networks; returns the coarse normals without graph."""
        model, small = self.model, self.model.shrink(batch.photo)
        with self.autocast():
            normals = model.coarse_normals(small)
            # The depth network's gradient is gathered here, and goes on into the normal network together with its own.
            leaf = normals.detach().requires_grad_()
            raw = model.coarse_depth(small, leaf)
        depth = DepthMaps.of(raw.float())
        scaled(result.add(phase1_objective({}, depth, truth, self.weights))).backward()
        del raw, depth
        loss = result.add(phase1_objective({COARSE: normals}, None, truth, self.weights))
        torch.autograd.backward([scaled(loss), normals], [None, leaf.grad])
        result.normals["coarse_normals"] = normals.detach()
        return normals.detach()


class SecondPhase:
    """Trains the refiner on what the frozen networks of phase 1 see.

    Frozen means without gradient and with fixed BatchNorm statistics: they run folded, as at inference.
    """

    def __init__(
        self, model: Digitizer, weights: LossWeights, autocast: Autocast, window: str = "canvas", recompute: bool = True
    ) -> None:
        self.model = model.requires_grad_(False)
        self.model.refiner.requires_grad_(True)
        self.weights = weights
        self.autocast = autocast
        self.window = window
        self.recompute = recompute
        self.frozen = accelerate(model)
        self.networks: dict[str, nn.Module] = {"refiner": model.refiner}

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the refiner in training mode, and nothing else (`train_only`)."""
        train_only(self.networks, self.model, fixed_statistics)

    def run(self, batch: Sample, scaled: Scaled) -> BatchResult:
        """Forward and backward; gradients are added to what is there."""
        result = BatchResult()
        with torch.no_grad():
            seen = self.frozen.phase1(batch.photo, poses_of(batch))
            coarse, normals = seen.coarse_depth.masked.stacked, seen.fused
        result.normals["phase 1"] = normals
        del seen
        if self.window == "person":
            window = window_of(batch).aligned(COARSE_STRIDE)
        else:
            window = Window.full(self.model.canvas)
        target = batch.depth[(..., *window.slices)]
        with self.autocast():
            if self.recompute:
                raw = refine_recomputed(self.model.refiner, coarse, normals, window)
            else:
                raw = self.model.refiner(coarse, normals, window)
        depth = DepthMaps.of(raw.float())
        del raw
        scaled(result.add(phase2_objective(depth, target, self.model.canvas, self.weights))).backward()
        return result

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised: all of this phase are."""
        return True


def parameters_of(networks: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """Trained parameters with their names, in a fixed order."""
    for name, network in networks.items():
        for key, parameter in network.named_parameters():
            yield f"{name}.{key}", parameter
