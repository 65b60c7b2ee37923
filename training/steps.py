"""One batch forward and backward, one network at a time, so that only one network's activations are ever held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from datasets.pairs.samples import Sample
from geometry.coarse_grid import COARSE_STRIDE, columns_around, columns_needed
from geometry.parts import KINDS, PartKind
from geometry.window import Window
from losses.objective import Terms, phase1_objective, phase2_objective
from losses.targets import COARSE, Truth
from losses.terms import LossWeights
from models.digitizer import DepthMaps, Digitizer
from models.fast import accelerate
from models.refiner import DepthRefiner
from training.recompute import refine_recomputed

Scaled = Callable[[Tensor], Tensor]
"""A loss as its backward pass starts from it: divided by the batches of a step, times the scale of 16-bit gradients."""
Complete = Callable[[str], None]
"""Called with a network's name as soon as a batch's gradient of it is there."""
Autocast = Callable[[], AbstractContextManager]


class Phase(Protocol):
    """The networks that a phase trains, and how one batch goes through them."""

    networks: dict[str, nn.Module]  # name -> trained network

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the trained networks in training mode, and nothing else (`train_only`)."""

    def run(self, batch: Any, scaled: Scaled, complete: Complete = lambda network: None) -> BatchResult:
        """Forward and backward of a batch of the phase's data; gradients are added to what is there."""
        ...

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised."""
        ...


@dataclass
class BatchResult:
    """The loss terms of a batch, and the normals that its networks gave."""

    terms: Terms = field(default_factory=dict)  # detached
    normals: dict[str, Tensor] = field(default_factory=dict)  # network -> (N, 6, h, w) output, for the guard

    def add(self, terms: Terms) -> Tensor:
        """Note the terms; returns their sum with its graph."""
        self.terms |= {name: term.detach() for name, term in terms.items()}
        return torch.stack(list(terms.values())).sum()


@dataclass(frozen=True)
class _Pass:
    """A batch on its way through the networks, forward and backward."""

    batch: Sample
    truth: Truth
    scaled: Scaled
    complete: Complete
    result: BatchResult = field(default_factory=BatchResult)


def train_only(networks: dict[str, nn.Module], model: Digitizer, fixed_statistics: bool) -> None:
    """Put some networks of a model in training mode, and nothing else.

    Args:
        fixed_statistics: their BatchNorms take their running statistics, as at test, and leave them as they are. With
            statistics of the batch, the depth of one person depends on the others in it: small batches blur depth.
    """
    model.eval()
    for network in networks.values():
        network.train()
        for layer in network.modules() if fixed_statistics else ():
            # Of any kind: SyncBatchNorm is no BatchNorm2d.
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()


def truth_of(batch: Sample, canvas: int) -> Truth:
    """What the outputs for a batch are compared with; canvas: its side [px]."""
    return Truth(batch.depth, batch.poses.canvas_from_part, canvas)


class FirstPhase:
    """Trains the five part networks, the coarse normal network and the coarse depth network (METHOD.md 7).

    Args:
        networks: "all"; "coarse" or "parts" train these alone and leave the others as they are.
        columns: of "coarse", how many columns around each person the networks see (`columns_needed`); 0: all.
    """

    def __init__(
        self, model: Digitizer, weights: LossWeights, autocast: Autocast, networks: str = "all", columns: int = 0
    ) -> None:
        self.model = model
        self.weights = weights
        self.autocast = autocast
        self.networks: dict[str, nn.Module] = {}
        self.columns = columns if networks == "coarse" else 0  # parts need the coarse normals of the whole canvas
        self.has_parts, self.has_coarse = networks != "coarse", networks != "parts"
        if self.has_parts:
            self.networks |= model.part_networks.items()
        if self.has_coarse:
            self.networks |= {"coarse_normals": model.coarse_normals, "coarse_depth": model.coarse_depth}

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the trained networks in training mode, and nothing else (`train_only`)."""
        train_only(self.networks, self.model, fixed_statistics)

    def columns_of(self, batch: Sample) -> int:
        """How many columns of the coarse maps the coarse networks see of each person: all, or those around people."""
        size = self.model.canvas // COARSE_STRIDE
        return columns_needed(batch.windows, self.columns, size) if self.columns else size

    def run(self, batch: Sample, scaled: Scaled, complete: Complete = lambda network: None) -> BatchResult:
        """Forward and backward; gradients are added to what is there."""
        way = _Pass(batch, truth_of(batch, self.model.canvas), scaled, complete)
        if self.has_coarse:
            coarse_normals = self._coarse(way)
        else:
            with torch.no_grad():
                coarse_normals = self.model.coarse_normals(self.model.shrink(batch.photo))
        if self.has_parts:
            # Cropped without gradient: part losses do not reach the coarse network (METHOD.md 5.2).
            enlarged = self.model.enlarge(coarse_normals.float())
            for kind in KINDS:
                self._part(kind, enlarged, way)
        return way.result

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised."""
        return self.has_coarse if term.endswith(f"/{COARSE}") else self.has_parts

    def _part(self, kind: PartKind, enlarged: Tensor, way: _Pass) -> None:
        """One part network, on all its crops at once: BatchNorm's statistics are those of a network's whole batch."""
        crops = torch.cat(self.model.part_inputs(kind, way.batch.photo, enlarged, way.batch.poses))
        with self.autocast():
            predicted = self.model.part_networks[kind.name](crops)
        terms = phase1_objective({kind.name: predicted}, None, way.truth, self.weights)
        way.scaled(way.result.add(terms)).backward()
        way.complete(kind.name)
        way.result.normals[kind.name] = predicted.detach()

    def _coarse(self, way: _Pass) -> Tensor:
        """Both coarse networks; returns the coarse normals without graph."""
        model, small, truth, seen = self.model, self.model.shrink(way.batch.photo), way.truth, 1.0
        if self.columns:
            columns = columns_around(truth.coarse_depth, self.columns_of(way.batch))
            seen = columns.shape[1] / small.shape[-1]
            small, target = _at_columns(small, columns), _at_columns(truth.coarse_depth, columns)
            truth = Truth(target, truth.canvas_from_part, truth.canvas)
        with self.autocast():
            normals = model.coarse_normals(small)
            # The depth network's gradient is gathered here, and goes on into the normal network together with its own.
            leaf = normals.detach().requires_grad_()
            raw = model.coarse_depth(small, leaf)
        depth = DepthMaps.of(raw.float())
        way.scaled(way.result.add(_times(seen, phase1_objective({}, depth, truth, self.weights)))).backward()
        way.complete("coarse_depth")
        del raw, depth
        loss = way.result.add(_times(seen, phase1_objective({COARSE: normals}, None, truth, self.weights)))
        torch.autograd.backward([way.scaled(loss), normals], [None, leaf.grad])
        way.complete("coarse_normals")
        way.result.normals["coarse_normals"] = normals.detach()
        return normals.detach()


def _at_columns(values: Tensor, columns: Tensor) -> Tensor:
    """(B, C, H, W) at (B, w) columns -> (B, C, H, w)."""
    return values.gather(-1, columns[:, None, None].expand(-1, *values.shape[1:3], -1))


def _times(seen: float, terms: Terms) -> Terms:
    """Terms that are means over the pixels of a part of the map, as if it were the whole and the rest without error."""
    return {name: seen * term for name, term in terms.items()}


class RefinerPhase:
    """What all ways to train the refiner do alike: it alone learns, and every term of its loss is minimised.

    Raises:
        ValueError: the model has no refiner.
    """

    def __init__(self, model: Digitizer, weights: LossWeights, autocast: Autocast) -> None:
        if not isinstance(model.refiner, DepthRefiner):
            raise ValueError("a model without a refiner, expected one to train")
        self.model = model.requires_grad_(False)
        self.refiner = model.refiner
        self.refiner.requires_grad_(True)
        self.weights = weights
        self.autocast = autocast
        self.networks: dict[str, nn.Module] = {"refiner": self.refiner}

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the refiner in training mode, and nothing else (`train_only`)."""
        train_only(self.networks, self.model, fixed_statistics)

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised: all of this phase are."""
        return True


class SecondPhase(RefinerPhase):
    """Trains the refiner on what the frozen networks of phase 1 see (METHOD.md 7).

    Frozen means without gradient and with fixed BatchNorm statistics: they run folded, as at inference.

    Args:
        window: "canvas", or "person": the refiner sees only the box around the people of a batch.
        recompute: compute the refiner's large maps again in the backward pass instead of keeping them.
    """

    def __init__(
        self, model: Digitizer, weights: LossWeights, autocast: Autocast, window: str = "canvas", recompute: bool = True
    ) -> None:
        super().__init__(model, weights, autocast)
        self.window = window
        self.recompute = recompute
        self.frozen = accelerate(model)

    def run(self, batch: Sample, scaled: Scaled, complete: Complete = lambda network: None) -> BatchResult:
        """Forward and backward; gradients are added to what is there."""
        result = BatchResult()
        with torch.no_grad():
            seen = self.frozen.phase1(batch.photo, batch.poses)
            coarse, normals = seen.coarse_depth.masked.stacked, seen.fused
        result.normals["phase 1"] = normals
        del seen
        if self.window == "person":
            window = batch.window.aligned(COARSE_STRIDE)
        else:
            window = Window.full(self.model.canvas)
        target = batch.depth[(..., *window.slices)]
        with self.autocast():
            if self.recompute:
                raw = refine_recomputed(self.refiner, coarse, normals, window)
            else:
                raw = self.refiner(coarse, normals, window)
        depth = DepthMaps.of(raw.float())
        del raw
        scaled(result.add(phase2_objective(depth, target, self.model.canvas, self.weights))).backward()
        complete("refiner")
        return result


def parameters_of(networks: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """Trained parameters with their names, in a fixed order."""
    for name, network in networks.items():
        for key, parameter in network.named_parameters():
            yield f"{name}.{key}", parameter
