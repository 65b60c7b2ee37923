"""One batch forward and backward, one network at a time, so that only one network's activations are ever held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from datasets.pairs.training_pairs import Sample
from geometry.coarse_grid import COARSE_STRIDE, coarse_of
from geometry.parts import KINDS, indices_of
from geometry.window import Window, person_window
from losses.objective import Terms, depth_terms, normal_terms
from losses.targets import both_normals, crops_of
from losses.terms import LossWeights
from models.digitizer import DepthMaps, Digitizer, Guides, Poses
from models.fast import accelerate
from training.recompute import refine_recomputed

Scaled = Callable[[Tensor], Tensor]
"""A loss as it is sent backwards: divided by the batches that share a step, times the factor of 16-bit gradients."""
Autocast = Callable[[], AbstractContextManager]


@dataclass
class Outcome:
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


def window_of(batch: Sample) -> Window:
    """The box around all people of a batch (person_window)."""
    return person_window((batch.depth[:, 0] > 0).any(0).cpu().numpy())


class FirstPhase:
    """Trains the five part networks, the coarse normal network and the coarse depth network (SPEC 7).

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

    def run(self, batch: Sample, scaled: Scaled) -> Outcome:
        """Forward and backward; gradients are added to what is there."""
        outcome = Outcome()
        if self.has_coarse:
            coarse_normals = self._coarse(batch, scaled, outcome)
        else:
            with torch.no_grad():
                coarse_normals = self.model.coarse_normals(self.model.shrink(batch.photo))
        if self.has_parts:
            self._parts(batch, coarse_normals, scaled, outcome)
        return outcome

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised."""
        return self.has_coarse if term.endswith("/coarse") else self.has_parts

    def _parts(self, batch: Sample, coarse_normals: Tensor, scaled: Scaled, outcome: Outcome) -> None:
        """The part networks, one after the other."""
        with torch.no_grad():
            # Cropped without gradient: part losses do not reach the coarse network (SPEC 5).
            enlarged = self.model.enlarge(coarse_normals.float())
            target = both_normals(batch.depth, self.model.canvas)
        poses = poses_of(batch)
        for kind in KINDS:
            # All crops at once: in training, BatchNorm's statistics are those of a network's whole batch.
            crops = torch.cat(self.model.part_inputs(kind, batch.photo, enlarged, poses))
            with self.autocast():
                predicted = self.model.part_networks[kind.name](crops)
            truth = crops_of(kind, target, batch.canvas_from_part)
            terms = normal_terms(kind.name, predicted, truth, self.weights, crops=len(indices_of(kind)))
            scaled(outcome.add(terms)).backward()
            outcome.normals[kind.name] = predicted.detach()
            del crops, predicted, terms

    def _coarse(self, batch: Sample, scaled: Scaled, outcome: Outcome) -> Tensor:
        """Both coarse networks; returns the coarse normals without graph."""
        model, small = self.model, self.model.shrink(batch.photo)
        target = coarse_of(batch.depth, model.canvas)
        with self.autocast():
            normals = model.coarse_normals(small)
            # The depth network's gradient is gathered here, and goes on into the normal network together with its own.
            leaf = normals.detach().requires_grad_()
            raw = model.coarse_depth(small, leaf)
        depth = DepthMaps.of(raw.float())
        scaled(outcome.add(depth_terms("coarse", depth, target, model.canvas, self.weights))).backward()
        del raw, depth
        loss = outcome.add(normal_terms("coarse", normals, both_normals(target, model.canvas), self.weights))
        torch.autograd.backward([scaled(loss), normals], [None, leaf.grad])
        outcome.normals["coarse_normals"] = normals.detach()
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

    def run(self, batch: Sample, scaled: Scaled) -> Outcome:
        """Forward and backward; gradients are added to what is there."""
        outcome = Outcome()
        with torch.no_grad():
            guides = self.frozen.guides(batch.photo, poses_of(batch))
            coarse, normals = guides.coarse_depth.masked.stacked, guides.fused
        outcome.normals["phase 1"] = normals
        del guides
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
        scaled(outcome.add(depth_terms("full", depth, target, self.model.canvas, self.weights))).backward()
        return outcome

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised: all of this phase are."""
        return True


def guide_terms(guides: Guides, batch: Sample, canvas: int, weights: LossWeights) -> Terms:
    """The terms of phase 1 for outputs of inference: what validation reports."""
    target, coarse = both_normals(batch.depth, canvas), coarse_of(batch.depth, canvas)
    terms = depth_terms("coarse", guides.coarse_depth, coarse, canvas, weights)
    terms |= normal_terms("coarse", guides.coarse_normals.stacked, both_normals(coarse, canvas), weights)
    for kind in KINDS:
        maps = guides.part_normals[kind.name]
        # (B, n, 6, h, w) -> (n B, 6, h, w), the order of crops_of.
        predicted = torch.cat([maps.front, maps.back], dim=2).transpose(0, 1).flatten(0, 1)
        truth = crops_of(kind, target, batch.canvas_from_part)
        terms |= normal_terms(kind.name, predicted, truth, weights, crops=maps.front.shape[1])
    return terms


def parameters_of(networks: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """Trained parameters with their names, in a fixed order."""
    for name, network in networks.items():
        for key, parameter in network.named_parameters():
            yield f"{name}.{key}", parameter
