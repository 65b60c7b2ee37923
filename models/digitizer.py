"""The paper on one page: from a photo and the poses of its parts to full-resolution normals and depth (METHOD.md 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geometry.coarse_grid import COARSE_STRIDE
from geometry.coarse_normals import lift_normals
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, NETWORK_DEPTH_MAX
from geometry.fusion import fuse_parts
from geometry.parts import KINDS, PartKind, indices_of
from geometry.poses import Poses
from geometry.warp import sample_crop
from geometry.window import Window
from models.blocks import clamp_with_inward_gradient
from utils.choices import Agreement

BACKGROUND_LOGIT = -20.0
"""Mask logit of pixels outside the window that the refiner saw: background with a probability of 1 - 2e-9."""


@dataclass(frozen=True)
class FrontBack:
    """A map of the front and the same map of the back, both on the front view's pixel grid."""

    front: Tensor
    back: Tensor

    @classmethod
    def split(cls, stacked: Tensor) -> FrontBack:
        """Front and back as the halves of the channel axis: (B, 2 C, H, W) -> two (B, C, H, W)."""
        return cls(*stacked.chunk(2, dim=1))

    @property
    def stacked(self) -> Tensor:
        """(B, 2 C, H, W)."""
        return torch.cat([self.front, self.back], dim=1)


@dataclass(frozen=True)
class DepthMaps:
    """Network depth in [0, 6] without background, and where the person is."""

    depth: FrontBack  # (B, 1, H, W) each
    mask_logits: Tensor  # (B, 1, H, W); above 0 is the person

    @classmethod
    def of(cls, raw: Tensor) -> DepthMaps:
        """From a network's output (B, 3, H, W): ReLU6 on the depths, the logit as it is."""
        return cls(FrontBack.split(clamp_with_inward_gradient(raw[:, :2], low=0, high=NETWORK_DEPTH_MAX)), raw[:, 2:])

    @property
    def masked(self) -> FrontBack:
        """Depths with the networks' background values where the mask says background."""
        person = self.mask_logits > 0
        return FrontBack(
            torch.where(person, self.depth.front, FRONT_BACKGROUND),
            torch.where(person, self.depth.back, BACK_BACKGROUND),
        )

    def placed(self, window: Window, canvas: int) -> DepthMaps:
        """Maps of a window on the whole canvas, (B, 1, R, R) each; background outside the window."""

        def whole(values: Tensor, outside: float) -> Tensor:
            placed = values.new_full((*values.shape[:2], canvas, canvas), outside)
            placed[(..., *window.slices)] = values
            return placed

        depth = FrontBack(whole(self.depth.front, FRONT_BACKGROUND), whole(self.depth.back, BACK_BACKGROUND))
        return DepthMaps(depth, whole(self.mask_logits, BACKGROUND_LOGIT))


@dataclass(frozen=True)
class Phase1Maps:
    """The outputs of the networks of phase 1, from which the refiner works; R x R canvas, r = R / 8."""

    coarse_normals: FrontBack  # (B, 3, r, r) stored normals
    coarse_depth: DepthMaps  # (B, 1, r, r)
    part_normals: dict[str, FrontBack]  # kind -> (B, n, 3, h, w) stored normals, n crops in part order
    fused: Tensor  # (B, 6, R, R) stored normals, front then back; where no part is 0, or the coarse ones (filled)
    covered: Tensor  # (B, 1, R, R) bool, where some part is

    @property
    def normals_by_network(self) -> dict[str, Tensor]:
        """(n B, 6, h, w) stored normals of "coarse" (n = 1) and of every part kind; the B samples of a crop adjoin."""
        parts = {kind: torch.cat([maps.front, maps.back], dim=2) for kind, maps in self.part_normals.items()}
        crops = {kind: maps.transpose(0, 1).flatten(0, 1) for kind, maps in parts.items()}
        return {"coarse": self.coarse_normals.stacked} | crops

    @property
    def fused_normals(self) -> FrontBack:
        """(B, 3, R, R) stored normals each."""
        return FrontBack.split(self.fused)


@dataclass(frozen=True)
class Digitized(Phase1Maps):
    """Everything one forward pass makes."""

    depth: DepthMaps  # (B, 1, h, w) on `window`
    window: Window  # of the canvas, on which the refiner ran


@dataclass(frozen=True)
class Conventions:
    """What a model's photos and outputs mean, beside its weights."""

    backdrop: tuple[int, ...] = ()  # RGB of the photo's background (datasets.people.square_canvas.cut_out)
    masked: bool = False  # the refined depth gets the networks' backgrounds where the refined mask says background
    agreement: Agreement = "off"
    filled: bool = False  # where no part's crop reaches, the fused normals are the coarse ones
    residual: bool = False  # the refined depth is the enlarged coarse one, changed by the refiner


class Digitizer(nn.Module):
    """Five part networks, a coarse normal network, a coarse depth network and a refiner (METHOD.md 5).

    Args:
        canvas: side R of the square photo [px], a multiple of 128.
        part_networks: kind's name -> network (N, 6, h, w) -> (N, 6, h, w).
        coarse_normals: network (B, 3, r, r) -> (B, 6, r, r).
        coarse_depth: network (B, 3, r, r), (B, 6, r, r) -> (B, 3, r, r).
        refiner: network (B, 2, r, r), (B, 6, R, R), window -> (B, 3, window); None where only phase 1 is wanted.
        conventions: what photos must show and outputs mean.
    """

    def __init__(
        self,
        canvas: int,
        part_networks: Mapping[str, nn.Module],
        coarse_normals: nn.Module,
        coarse_depth: nn.Module,
        refiner: nn.Module | None,
        conventions: Conventions,
    ) -> None:
        super().__init__()
        self.canvas = canvas
        self.part_networks = nn.ModuleDict(part_networks)
        self.coarse_normals = coarse_normals
        self.coarse_depth = coarse_depth
        self.refiner = refiner
        self.conventions = conventions

    def shrink(self, photo: Tensor) -> Tensor:
        """(B, 3, R, R) -> (B, 3, r, r): bilinear without antialias, the mean of the middle 2x2 of every 8x8.

        A photo thinned to that middle, (B, 3, 2 r, 2 r), gives the same (datasets.pairs.augmentation.thinned).
        """
        size = self.canvas // COARSE_STRIDE
        return F.interpolate(photo, size=(size, size), mode="bilinear", align_corners=False)

    def enlarge(self, coarse_normals: Tensor) -> Tensor:
        """Front half of (B, 6, r, r) -> (B, 3, R, R): what the part networks see of the coarse normals."""
        return F.interpolate(coarse_normals[:, :3].contiguous(), scale_factor=COARSE_STRIDE, mode="bilinear")

    def part_inputs(self, kind: PartKind, photo: Tensor, enlarged: Tensor, poses: Poses) -> list[Tensor]:
        """Crops of the photo and of the enlarged coarse front normals: (B, 6, h, w) for each part of the kind."""
        crop_hw = kind.crop_on(self.canvas)
        return [
            torch.cat(
                [sample_crop(source, poses.canvas_from_part[:, part], crop_hw) for source in (photo, enlarged)], 1
            )
            for part in indices_of(kind)
        ]

    def phase1(self, photo: Tensor, poses: Poses) -> Phase1Maps:
        """All but the refiner; meant for inference: training walks the networks one by one.

        Args:
            photo: (B, 3, R, R) RGB in [-1, 1].
            poses: of the twelve parts.
        """
        small = self.shrink(photo)
        coarse_normals = self.coarse_normals(small)
        coarse_depth = DepthMaps.of(self.coarse_depth(small, coarse_normals))

        enlarged = self.enlarge(coarse_normals)
        part_normals = {}
        for kind in KINDS:
            # One crop at a time: as fast as a batch of four, in a quarter of the memory.
            crops = self.part_inputs(kind, photo, enlarged, poses)
            part_normals[kind.name] = torch.stack([self.part_networks[kind.name](crop) for crop in crops], dim=1)
        del enlarged

        beyond = None
        if self.conventions.filled:
            beyond = lift_normals(coarse_normals, coarse_depth.mask_logits, self.canvas)
        fused, covered = fuse_parts(part_normals, poses, self.canvas, beyond)
        return Phase1Maps(
            FrontBack.split(coarse_normals),
            coarse_depth,
            {name: FrontBack(maps[:, :, :3], maps[:, :, 3:]) for name, maps in part_normals.items()},
            fused,
            covered,
        )

    def refine(self, maps: Phase1Maps, window: Window) -> DepthMaps:
        """Full-resolution depth on a window of the canvas; meant for inference."""
        assert self.refiner is not None, "a model of phase 1 alone has no refiner"
        refined = DepthMaps.of(self.refiner(maps.coarse_depth.masked.stacked, maps.fused, window))
        return DepthMaps(refined.masked, refined.mask_logits) if self.conventions.masked else refined

    def forward(self, photo: Tensor, poses: Poses, window: Window | None = None) -> Digitized:
        """The forward pass, for one or more photos.

        Args:
            photo: (B, 3, R, R) RGB in [-1, 1].
            poses: of the twelve parts.
            window: where full-resolution depth is wanted; the whole canvas when None.
        """
        maps = self.phase1(photo, poses)
        window = window or Window.full(self.canvas)
        return Digitized(**vars(maps), depth=self.refine(maps, window), window=window)
