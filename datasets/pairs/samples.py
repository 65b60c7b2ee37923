"""Training samples: as workers hand them over, in the bytes of their files, and as the networks take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from datasets.people.square_canvas import to_network
from geometry.depth import network_from_file
from geometry.poses import Poses
from geometry.window import Window

BYTES_PER_PIXEL = 3 + 2 * 4
"""The most that a PackedSample takes: the photo, and depths that augmentation has moved; untouched ones are half."""


@dataclass(frozen=True)
class Sample:
    """A batch of training pairs on the device of the networks."""

    photo: Tensor  # (B, 3, R, R) RGB in [-1, 1]; R / 4 when thinned for the coarse networks
    depth: Tensor  # (B, 2, R, R) network depth of front and back, 0 on the background; R / 4 when thinned
    poses: Poses
    windows: tuple[Window, ...]  # of R x R px: the box around each person (geometry.window.person_window)
    problems: tuple[str, ...] = ()  # one line for each pair that could not be used and was replaced

    @property
    def window(self) -> Window:
        """The box around all people."""
        return reduce(Window.joined, self.windows)


@dataclass(frozen=True)
class PackedSample:
    """A batch of training pairs as it travels: 29 MB a pair at 2048 px, a third of the floats that `to` makes of it.

    A worker reads batches of one; `stack` joins them.
    """

    photo: Tensor  # (B, R, R, 3) uint8 RGB; R / 4 when thinned for the coarse networks
    depth: Tensor  # (B, 2, R, R) uint16 file values, or float32 network depth where augmentation moved it
    canvas: int  # side of the full canvas [px]
    poses: Poses  # on the CPU
    windows: tuple[Window, ...]  # as of a Sample
    problems: tuple[str, ...] = ()  # as of a Sample

    @classmethod
    def stack(cls, samples: Sequence[PackedSample]) -> PackedSample:
        """A batch; what a DataLoader calls."""
        part_from_canvas, canvas_from_part = (
            torch.cat([getattr(sample.poses, name) for sample in samples])
            for name in ("part_from_canvas", "canvas_from_part")
        )
        return cls(
            torch.cat([sample.photo for sample in samples]),
            torch.cat([sample.depth for sample in samples]),
            samples[0].canvas,
            Poses.of(part_from_canvas, canvas_from_part),
            tuple(window for sample in samples for window in sample.windows),
            tuple(problem for sample in samples for problem in sample.problems),
        )

    def pin_memory(self) -> PackedSample:
        """In page-locked memory; what a DataLoader calls."""
        photo, depth = (tensor.pin_memory() for tensor in (self.photo, self.depth))
        return replace(self, photo=photo, depth=depth, poses=self.poses.pin_memory())

    def to(self, device: torch.device | str) -> Sample:
        """On a device, copied without waiting where the memory is pinned, and made floats there."""
        photo, depth = (tensor.to(device, non_blocking=True) for tensor in (self.photo, self.depth))
        if depth.dtype == torch.uint16:
            depth = network_from_file(depth, self.canvas)
        return Sample(to_network(photo).contiguous(), depth, self.poses.to(device), self.windows, self.problems)


def packed(rgb: np.ndarray, depth: np.ndarray, canvas: int, poses: Poses, window: Window) -> PackedSample:
    """One pair, as a batch of one.

    Args:
        rgb: (R, R, 3) uint8.
        depth: (2, R, R) uint16 or float32.
        canvas, poses: as of a PackedSample.
        window: around the person.
    """
    photo, depth_tensor = (torch.from_numpy(np.ascontiguousarray(array))[None] for array in (rgb, depth))
    return PackedSample(photo, depth_tensor, canvas, poses, (window,))
