"""The part poses of a batch as the networks take them: tensors on a device, and a copy where the CPU can read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geometry.similarity import PartPoses


@dataclass(frozen=True)
class Poses:
    """Part poses of a batch; both canvases span [-1, 1].

    Where a crop lands on the canvas decides shapes, so it is told from `on_host`: a GPU is not waited for.
    """

    part_from_canvas: Tensor  # (B, 12, 2, 3) float32
    canvas_from_part: Tensor  # (B, 12, 2, 3) float32
    on_host: np.ndarray  # (B, 12, 2, 3) float32 canvas_from_part, whatever the device of the others

    @classmethod
    def of(cls, part_from_canvas: Tensor, canvas_from_part: Tensor) -> Poses:
        """From tensors on the CPU.

        The copy on the host has memory of its own: a worker that hands a tensor over moves its storage, and frees what
        a view would still look at.
        """
        return cls(part_from_canvas, canvas_from_part, canvas_from_part.numpy().copy())

    @classmethod
    def stack(cls, poses: Sequence[PartPoses]) -> Poses:
        """Collect the poses of several people, on the CPU."""
        names = ("part_from_canvas", "canvas_from_part")
        arrays = (np.stack([getattr(pose, name) for pose in poses]).astype(np.float32) for name in names)
        return cls.of(*(torch.from_numpy(array) for array in arrays))

    def to(self, device: torch.device | str) -> Poses:
        """On a device, copied without waiting where the memory is pinned."""
        part_from_canvas, canvas_from_part = (
            tensor.to(device, non_blocking=True) for tensor in (self.part_from_canvas, self.canvas_from_part)
        )
        return Poses(part_from_canvas, canvas_from_part, self.on_host)

    def pin_memory(self) -> Poses:
        """In page-locked memory."""
        return Poses(self.part_from_canvas.pin_memory(), self.canvas_from_part.pin_memory(), self.on_host)
