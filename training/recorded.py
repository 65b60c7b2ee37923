"""Passes of phase 1 recorded as CUDA graphs: a GPU then repeats them without Python.

A pass of the small model is thousands of operators that a GPU is done with before Python has launched the next one. A
CUDA graph launches all of them at once. It has fixed shapes and fixed memory, so each shape is recorded for itself, and
batches are copied to where its own one was. Phase 2 is not recorded: where parts land on the canvas decides its shapes,
and they are other ones in every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from datasets.pairs.samples import Sample
from training.steps import BatchResult, Complete, FirstPhase, Scaled
from utils.errors import InputError

WARM_UP = 3
"""Passes before the one that is recorded, in which cuDNN chooses its algorithms and libraries take their memory."""

Recorder = Callable[[Callable[[], BatchResult]], tuple[Callable[[], object], BatchResult]]
"""Records some work; returns what repeats it, and the result whose tensors each repetition overwrites."""


def record_on_gpu(work: Callable[[], BatchResult]) -> tuple[Callable[[], object], BatchResult]:
    """A `Recorder` on the current CUDA device."""
    torch.backends.cudnn.benchmark = True
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Of this thread alone: another one is pinning the memory of batches to come.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = work()
    return graph.replay, result


@dataclass(frozen=True)
class _Recording:
    """One pass, where it reads and where it leaves its result."""

    repeat: Callable[[], object]
    batch: Sample
    result: BatchResult


class RecordedPhase:
    """A FirstPhase of which every pass after the first of a shape is a repetition.

    Gradients must be there, and stay where they are (GradientExchange's `in_place`): passes add to them.

    Args:
        device: that of the model.
        record: how.

    Raises:
        InputError: the device has no CUDA graphs.
    """

    def __init__(self, phase: FirstPhase, device: torch.device, record: Recorder | None = None) -> None:
        if record is None and device.type != "cuda":
            raise InputError(f"compute.cuda_graphs is true, expected a CUDA device, found {device.type}")
        self.phase = phase
        self.networks = phase.networks
        self.record = record or record_on_gpu
        self.recordings: dict[Hashable, _Recording] = {}
        self.has_fixed_statistics = False

    def train(self, fixed_statistics: bool = False) -> None:
        """Put the trained networks in training mode, and nothing else (training.steps.train_only)."""
        self.has_fixed_statistics = fixed_statistics
        self.phase.train(fixed_statistics)

    def learns(self, term: str) -> bool:
        """Whether a loss term, by its name, is one of those that are minimised."""
        return self.phase.learns(term)

    def run(self, batch: Sample, scaled: Scaled, complete: Complete = lambda network: None) -> BatchResult:
        """Forward and backward; gradients are added to what is there. The next pass overwrites the normals."""
        shape = (batch.photo.shape, self.phase.columns_of(batch), self.has_fixed_statistics)
        if shape not in self.recordings:
            self.recordings[shape] = self._recorded(batch, scaled)
        recording = self.recordings[shape]
        torch._foreach_copy_(_tensors(recording.batch), _tensors(batch))
        recording.repeat()
        for name in self.networks:
            complete(name)
        terms = {name: term.clone() for name, term in recording.result.terms.items()}
        return BatchResult(terms, recording.result.normals)

    def _recorded(self, batch: Sample, scaled: Scaled) -> _Recording:
        """Record a pass over copies of a batch, and leave gradients and BatchNorm's statistics as they were."""
        photo, depth, part_from_canvas, canvas_from_part = (tensor.clone() for tensor in _tensors(batch))
        poses = replace(batch.poses, part_from_canvas=part_from_canvas, canvas_from_part=canvas_from_part)
        own = replace(batch, photo=photo, depth=depth, poses=poses)
        changed = [tensor for network in self.networks.values() for tensor in network.buffers()]
        changed += [p.grad for network in self.networks.values() for p in network.parameters() if p.grad is not None]
        before = [tensor.clone() for tensor in changed]
        repeat, result = self.record(lambda: self.phase.run(own, scaled))
        torch._foreach_copy_(changed, before)
        return _Recording(repeat, own, result)


def _tensors(batch: Sample) -> list[Tensor]:
    return [batch.photo, batch.depth, batch.poses.part_from_canvas, batch.poses.canvas_from_part]
