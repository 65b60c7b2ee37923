"""The refiner on crops, whose inputs are computed once: its phase 1 is frozen, and costs more than the crop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.pairs.pair_check import folder_ages
from datasets.pairs.samples import PackedSample
from datasets.pairs.training_pairs import TrainingPairs
from geometry.coarse_grid import COARSE_STRIDE
from geometry.window import Window
from losses.objective import phase2_objective
from models.digitizer import DepthMaps, Digitizer
from models.refiner import RECEPTIVE_MARGIN
from training.steps import BatchResult, Complete, RefinerPhase, Scaled
from utils.atomic_file import atomic_path

SLIDE = 2 * RECEPTIVE_MARGIN
"""An input is as much larger than the crop that is learnt. At the canvas's edge, where nothing is beyond, it is shifted
inwards, so that all inputs have one size."""


@dataclass(frozen=True)
class RefinerCrop:
    """Input and target of the refiner around one crop of side c, or a batch of them; the input's side is e > c."""

    coarse: Tensor  # (2, e / 8, e / 8) coarse depth with the networks' backgrounds
    normals: Tensor  # (6, e, e) fused stored normals
    depth: Tensor  # (2, c, c) network depth of front and back, 0 on the background
    corner: Tensor  # (2,) int64 row and column of the crop within the input
    problems: tuple[str, ...] = ()  # as of a Sample

    @classmethod
    def stack(cls, crops: Sequence[RefinerCrop]) -> RefinerCrop:
        """A batch; what a DataLoader calls."""
        tensors = {name: torch.stack([getattr(crop, name) for crop in crops]) for name in TENSORS}
        return cls(**tensors, problems=tuple(problem for crop in crops for problem in crop.problems))

    def to(self, device: torch.device) -> RefinerCrop:
        """What networks see on a device, copied without waiting where the memory is pinned; corners stay on the CPU."""
        seen = ("coarse", "normals", "depth")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in seen})

    def pin_memory(self) -> RefinerCrop:
        """In page-locked memory; what a DataLoader calls."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in TENSORS})

    def windows(self) -> list[Window]:
        """Of the crops within their inputs, one for each of a batch."""
        side = self.depth.shape[-1]
        return [Window(top, top + side, left, left + side) for top, left in self.corner.tolist()]


TENSORS = ("coarse", "normals", "depth", "corner")


@dataclass(frozen=True)
class _Kept:
    """What is kept of a sample: everything that a crop of the person can need."""

    coarse: np.ndarray  # (2, r, r) float32
    normals: np.ndarray  # (6, h, w) float16 on `region`
    depth: np.ndarray  # (2, h, w) float32 on `region`
    region: Window  # of the canvas, sides multiples of 8

    @classmethod
    def read(cls, path: Path) -> _Kept | None:
        """What a file holds; None where there is none, or one that cannot be read."""
        try:
            with np.load(path) as file:
                return cls(file["coarse"], file["normals"], file["depth"], Window(*file["region"].tolist()))
        except Exception:  # there is none; on arbitrary bytes NumPy's readers raise anything; it is made again
            return None

    def write(self, path: Path) -> None:
        region = (self.region.top, self.region.bottom, self.region.left, self.region.right)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, coarse=self.coarse, normals=self.normals, depth=self.depth, region=np.array(region))


def key_of(model: Digitizer, pairs: TrainingPairs, side: int) -> str:
    """A hash of all that what is kept depends on: the weights of phase 1, the pairs and their augmentation, the side.

    Pairs that were rendered again have newer folders; pictures that are changed in place go unnoticed.
    """
    config = pairs.augmentation.config if pairs.augmentation else None
    about = (
        pairs.pairs,
        folder_ages(pairs.root, pairs.pairs),
        pairs.canvas,
        pairs.seed,
        config,
        model.conventions,
        side,
    )
    digest = hashlib.sha256(repr(about).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith("refiner."):
            digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


class RefinerCrops(Dataset):
    """Random crops of the people of training pairs, by (epoch, position).

    A sample's photo is augmented once, with the draws of epoch 0; its normals and coarse depth are computed when it is
    first asked for and kept in a file (5 MB at a canvas of 768 px). Every epoch takes another crop of it, around a
    random pixel of the person.

    Args:
        pairs: augmented samples.
        phase1: the frozen networks, made for inference, on the CPU.
        side: of the crops [px], a multiple of 8.
        folder: where the files are kept, in a folder of `key_of`.
    """

    def __init__(self, pairs: TrainingPairs, phase1: Digitizer, side: int, folder: Path) -> None:
        self.pairs, self.phase1, self.side = pairs, phase1, side
        self.folder = folder / key_of(phase1, pairs, side)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def sample_bytes(self) -> int:
        """That a crop takes on its way."""
        return 4 * (6 * (self.side + SLIDE) ** 2 + 2 * self.side**2)

    def __getitem__(self, key: tuple[int, int]) -> RefinerCrop:
        """Raises InputError as the pairs do."""
        epoch, position = key
        path, rng = self.folder / f"{position:06d}.npz", np.random.default_rng((self.pairs.seed, epoch, position))
        if known := _Kept.read(path):
            return self._crop(known, rng)
        sample = self.pairs[(0, position)]
        kept = self._computed(sample)
        if not sample.problems:
            kept.write(path)
        return replace(self._crop(kept, rng), problems=sample.problems)

    @torch.no_grad()
    def _computed(self, sample: PackedSample) -> _Kept:
        canvas, batch = self.pairs.canvas, sample.to("cpu")
        maps = self.phase1.phase1(batch.photo, batch.poses)
        box = self._box(batch.window)
        region = box.grown(SLIDE, canvas).aligned(COARSE_STRIDE)
        inside = (..., *region.slices)
        return _Kept(
            maps.coarse_depth.masked.stacked[0].numpy(),
            maps.fused[0][inside].half().numpy(),
            batch.depth[0][inside].numpy(),
            region,
        )

    def _box(self, box: Window) -> Window:
        """Around the person's box, and large enough for a crop."""
        canvas = self.pairs.canvas
        height, width = max(box.height, self.side), max(box.width, self.side)
        top = min(max((box.top + box.bottom - height) // 2, 0), canvas - height)
        left = min(max((box.left + box.right - width) // 2, 0), canvas - width)
        return Window(top, top + height, left, left + width)

    def _crop(self, kept: _Kept, rng: np.random.Generator) -> RefinerCrop:
        rows, columns = np.nonzero(kept.depth[0] > 0)
        pixel, region = int(rng.integers(len(rows))), kept.region
        top, outer_top = self._start(region.top + int(rows[pixel]), region.top, region.bottom)
        left, outer_left = self._start(region.left + int(columns[pixel]), region.left, region.right)
        inner = Window(top, top + self.side, left, left + self.side)
        outer = Window(outer_top, outer_top + self.side + SLIDE, outer_left, outer_left + self.side + SLIDE)
        normals = kept.normals[(..., *outer.relative_to(region).slices)]
        return RefinerCrop(
            torch.from_numpy(kept.coarse[(..., *outer.divided(COARSE_STRIDE).slices)].copy()),
            torch.from_numpy(normals.astype(np.float32)),
            torch.from_numpy(kept.depth[(..., *inner.relative_to(region).slices)].copy()),
            torch.tensor([top - outer_top, left - outer_left]),
        )

    def _start(self, centre: int, low: int, high: int) -> tuple[int, int]:
        """First row of a crop around `centre` and of its input, or first column; the region is [low, high)."""
        # Only at the canvas's edge may a crop end where its input ends: beyond other edges, there is more to see.
        first = low + RECEPTIVE_MARGIN if low > 0 else 0
        last = (high - RECEPTIVE_MARGIN if high < self.pairs.canvas else high) - self.side
        start = int(np.clip(centre - self.side // 2, first, last)) // COARSE_STRIDE * COARSE_STRIDE
        return start, int(np.clip(start - RECEPTIVE_MARGIN, low, high - self.side - SLIDE))


class CropPhase(RefinerPhase):
    """Trains the refiner on crops."""

    def run(self, batch: RefinerCrop, scaled: Scaled, complete: Complete = lambda network: None) -> BatchResult:
        """Forward and backward; gradients are added to what is there."""
        result = BatchResult(normals={"phase 1": batch.normals})
        with self.autocast():
            seen = self.refiner(batch.coarse, batch.normals)
        raw = torch.stack([seen[(index, ..., *window.slices)] for index, window in enumerate(batch.windows())])
        objective = phase2_objective(DepthMaps.of(raw.float()), batch.depth, self.model.canvas, self.weights)
        scaled(result.add(objective)).backward()
        complete("refiner")
        return result
