"""The four kinds of network for inference, and a Digitizer made of them (METHOD.md 10).

Same inputs, same outputs as the plain networks in eval mode, within rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from geometry.coarse_grid import COARSE_STRIDE
from geometry.window import Window
from models.attention_unet import AttentionUNet
from models.blocks import GatedUp
from models.coarse_depth import DualEncoderUNet
from models.digitizer import Digitizer
from models.folded import NHWC, FoldedBlock, FoldedConv, FoldedEncoder, FoldedGatedUp, FoldedUp, fold
from models.refiner import STEPS, DepthRefiner, RefinerStep, add_lifted, normals_at_step, seen_from

TILE_ROWS = 256
"""Rows that the refiner's last step computes at once: the speed of the whole window in a fraction of its memory."""
MERGE_MARGIN = 2
"""Pixels around a window that its two merging 3x3 convolutions see."""


class FastAttentionUNet(nn.Module):
    """AttentionUNet with folded layers: (B, C, H, W) float32 -> (B, 6, H, W) float32.

    The head stays in float32: a 16-bit one costs a tenth of the normals more than a degree (measured).
    """

    def __init__(self, network: AttentionUNet, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.encoder = FoldedEncoder(network.encoder, dtype)
        self.decoder = nn.ModuleList(FoldedGatedUp(step, dtype) for step in cast("Iterable[GatedUp]", network.decoder))
        self.head = FoldedConv(*fold(network.head), torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        buffers: list[Tensor] = []
        x = self.encoder.fill(x.to(self.dtype, memory_format=NHWC), buffers, slots=2)
        for step in self.decoder:
            x = step(x, buffers.pop())
        return self.head(x.float())


class FastDualEncoderUNet(nn.Module):
    """DualEncoderUNet with folded layers: (B, 3, H, W), (B, 6, H, W) -> (B, 3, H, W), all float32."""

    def __init__(self, network: DualEncoderUNet) -> None:
        super().__init__()
        self.image_encoder = FoldedEncoder(network.image_encoder, torch.float32)
        self.normal_encoder = FoldedEncoder(network.normal_encoder, torch.float32)
        self.decoder = nn.ModuleList(
            FoldedGatedUp(step, torch.float32) for step in cast("Iterable[GatedUp]", network.decoder)
        )
        self.head = FoldedConv(*fold(network.head), torch.float32, relu=False)

    def forward(self, image: Tensor, normals: Tensor) -> Tensor:
        buffers: list[Tensor] = []
        bottoms = [
            encoder.fill(x.contiguous(memory_format=NHWC), buffers, slots=4, position=position)
            for position, (encoder, x) in enumerate(((self.image_encoder, image), (self.normal_encoder, normals)))
        ]
        x = torch.cat(bottoms, dim=1)
        for step in self.decoder:
            x = step(x, buffers.pop())
        return self.head(x)


class FastRefinerStep(nn.Module):
    """RefinerStep with folded layers, on a window of its grid."""

    def __init__(self, step: RefinerStep, last: bool) -> None:
        super().__init__()
        self.up = FoldedUp(step.up, torch.float32)
        self.normals = FoldedConv.of(step.normals, torch.float32)
        self.merge = FoldedBlock(step.merge, torch.float32)
        self.head = FoldedConv(*fold(step.head), torch.float32, relu=not last)
        self.width = step.up.conv.out_channels

    @staticmethod
    def _merged(window: Window, height: int, width: int) -> Window:
        """What must be known of this grid before merging, so that `window` comes out right."""
        return window.grown(MERGE_MARGIN, height, width).aligned(2)

    @classmethod
    def below(cls, window: Window, height: int, width: int) -> Window:
        """The window of the grid of half the size that `window` of this grid depends on."""
        return cls._merged(window, height, width).halved().grown(1, height // 2, width // 2)

    def forward(self, depth: Tensor, depth_window: Window, normals: Tensor, window: Window) -> Tensor:
        """One step on a window.

        Args:
            depth: (B, C, h, w) features of the step below on `depth_window` of its grid.
            normals: (B, 6, H, W) on this step's whole grid.
            window: of this step's grid.

        Returns:
            (B, C', window height, window width).
        """
        hw = normals.shape[-2:]
        merged, seen = self._merged(window, *hw), self.below(window, *hw)
        shape = (depth.shape[0], 2 * self.width, merged.height, merged.width)
        buffer = torch.empty(shape, dtype=depth.dtype, device=depth.device, memory_format=NHWC)

        depth = depth[(..., *seen.relative_to(depth_window).slices)].contiguous(memory_format=NHWC)
        low = merged.halved()
        self.up.into(depth, buffer[:, : self.width], top=low.top - seen.top, left=low.left - seen.left)

        around = merged.grown(1, *hw)
        guided = self.normals(normals[(..., *around.slices)].contiguous(memory_format=NHWC))
        buffer[:, self.width :] = guided[(..., *merged.relative_to(around).slices)]
        del guided
        x = self.merge(buffer)[(..., *window.relative_to(merged).slices)]
        return self.head(x.contiguous(memory_format=NHWC))


class FastRefinerSteps(nn.ModuleList):
    """RefinerSteps that compute only what a window depends on, row by row at full size."""

    def forward(self, coarse: Tensor, normals: Tensor, window: Window) -> Tensor:
        """coarse (B, C, H, W), normals (B, 6, 8 H, 8 W), window of the latter's grid -> (B, 3, window)."""
        height, width = normals.shape[-2:]
        windows = [window]
        for halvings in range(STEPS - 1):
            windows.insert(0, FastRefinerStep.below(windows[0], height >> halvings, width >> halvings))
        x, known = coarse, Window.full(*coarse.shape[-2:])
        for index, step in enumerate(self[:-1]):
            x, known = step(x, known, normals_at_step(normals, index), windows[index]), windows[index]
        tiles = [
            self[-1](x, known, normals, Window(top, min(top + TILE_ROWS, window.bottom), window.left, window.right))
            for top in range(window.top, window.bottom, TILE_ROWS)
        ]
        return torch.cat(tiles, dim=2)


class FastRefiner(nn.Module):
    """DepthRefiner with folded layers, that computes only what its window depends on."""

    def __init__(self, refiner: DepthRefiner) -> None:
        super().__init__()
        self.residual = refiner.residual
        self.is_compiled = False
        steps = cast("Iterable[RefinerStep]", refiner.steps)
        self.steps = FastRefinerSteps(FastRefinerStep(step, i == STEPS - 1) for i, step in enumerate(steps))

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As a DepthRefiner is."""
        self.is_compiled = True
        self.steps.compile(*args, **kwargs)

    def forward(self, coarse: Tensor, normals: Tensor, window: Window | None = None) -> Tensor:
        """Same contract as DepthRefiner in eval mode."""
        window = window or Window.full(normals.shape[-1])
        raw = self._few_shapes(coarse, normals, window) if self.is_compiled else self.steps(coarse, normals, window)
        return add_lifted(raw, coarse, window) if self.residual else raw

    def _few_shapes(self, coarse: Tensor, normals: Tensor, window: Window) -> Tensor:
        """More than the window, out of inputs that have few shapes."""
        outer = seen_from(window, normals.shape[-1], few_shapes=True)
        below, around = coarse[(..., *outer.divided(COARSE_STRIDE).slices)], normals[(..., *outer.slices)]
        return self.steps(below, around, Window.full(*around.shape[-2:]))[(..., *window.relative_to(outer).slices)]


def accelerate(model: Digitizer, part_dtype: torch.dtype = torch.float32) -> Digitizer:
    """A Digitizer for inference with the same weights.

    The coarse networks and the refiner stay in float32: 16 bits there flip pixels of the mask and cost 5 mm of depth.

    Args:
        model: with its refiner; it is not changed and shares nothing with the result.
        part_dtype: float32, bfloat16 or float16 for the part networks.
    """
    return Digitizer(
        model.canvas,
        part_networks={
            name: FastAttentionUNet(cast("AttentionUNet", network), part_dtype)
            for name, network in model.part_networks.items()
        },
        coarse_normals=FastAttentionUNet(cast("AttentionUNet", model.coarse_normals), torch.float32),
        coarse_depth=FastDualEncoderUNet(cast("DualEncoderUNet", model.coarse_depth)),
        refiner=FastRefiner(cast("DepthRefiner", model.refiner)) if model.refiner is not None else None,
        conventions=model.conventions,
    ).eval()
