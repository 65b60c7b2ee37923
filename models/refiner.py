"""The depth refiner: coarse depth is doubled three times, guided by the fused normals each time (METHOD.md 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geometry.coarse_grid import COARSE_STRIDE, lift_depth
from geometry.window import Window
from models.attention_unet import NORMAL_CHANNELS
from models.blocks import ConvBlock, ConvNormReLU, Head, UpConv, initialise
from models.coarse_depth import DEPTH_CHANNELS, DEPTH_START

DEPTH_SIDES = 2
"""Of a depth network's three outputs, the first two are the depths of front and back."""
STEPS = 3
"""Each doubles the resolution: 2 ** 3 is COARSE_STRIDE."""
RECEPTIVE_MARGIN = 24
"""Canvas pixels around a window that can change it: three 3x3 convolutions at each of the three scales."""
SHAPES = 16
"""Windows, with all that can change them, are of so many shapes at most where each of them costs a compilation."""


def seen_from(window: Window, size: int, few_shapes: bool = False) -> Window:
    """All that can change a window of the canvas, and what is computed with it.

    Args:
        size: side of the canvas [px], a multiple of 8.
        few_shapes: all rows of the canvas, and a SHAPES-th of its columns, two of them, or three ...: at most SHAPES
            shapes, wherever people stand. On people at 768 px it has a fifth more pixels.

    Returns:
        A window whose sides are multiples of 8.
    """
    seen = window.grown(RECEPTIVE_MARGIN, size).aligned(COARSE_STRIDE)
    if not few_shapes:
        return seen
    step = -(-size // (SHAPES * COARSE_STRIDE)) * COARSE_STRIDE
    width = min(-(-seen.width // step) * step, size)
    left = min(seen.left, size - width)
    return Window(0, size, left, left + width)


def normals_at_step(normals: Tensor, step: int) -> Tensor:
    """The fused normals on the grid of a step: [1::4, 1::4] at a quarter, [0::2, 0::2] at half, all at full size.

    Args:
        normals: (B, 6, H, W) on the canvas, or on a window of it that starts at multiples of 8.
        step: 0, 1 or 2.
    """
    stride = 2 ** (STEPS - 1 - step)
    start = 1 if stride == 4 else 0
    return normals[..., start::stride, start::stride]


def add_lifted(raw: Tensor, coarse: Tensor, window: Window) -> Tensor:
    """What a residual refiner says: the lifted coarse depth, changed by the network.

    Args:
        raw: (B, 3, h, w) output of the network on the window.
        coarse: (B, 2, R / 8, R / 8) with the networks' backgrounds.

    Returns:
        (B, 3, h, w): both depths moved, the mask logit as it is.
    """
    depth = raw[:, :DEPTH_SIDES] + lift_depth(coarse, window)
    return torch.cat([depth, raw[:, DEPTH_SIDES:]], dim=1)


class RefinerStep(nn.Module):
    """Double the resolution of the depth features and merge the normals in.

    depth (B, in_channels, H, W), normals (B, 6, 2 H, 2 W) -> (B, out_channels, 2 H, 2 W).
    """

    def __init__(self, in_channels: int, width: int, out_channels: int) -> None:
        super().__init__()
        self.up = UpConv(in_channels, width)
        self.normals = ConvNormReLU(NORMAL_CHANNELS, width)
        self.merge = ConvBlock(2 * width, 2 * width)
        self.head = Head(2 * width, out_channels)

    def forward(self, depth: Tensor, normals: Tensor) -> Tensor:
        return self.head(self.merge(torch.cat([self.up(depth), self.normals(normals)], dim=1)))


StepRunner = Callable[[RefinerStep, Tensor, Tensor], Tensor]


class RefinerSteps(nn.ModuleList):
    """The steps one after the other: depth (B, C, H, W), normals (B, 6, 8 H, 8 W) -> (B, 3, 8 H, 8 W)."""

    def forward(self, depth: Tensor, normals: Tensor, run_step: StepRunner) -> Tensor:
        for index, step in enumerate(cast("Iterable[RefinerStep]", self)):
            depth = run_step(step, depth, normals_at_step(normals, index))
            if index < STEPS - 1:
                depth = F.relu(depth)
        return depth


class DepthRefiner(nn.Module):
    """Coarse depth to full resolution.

    coarse (B, 2, R / 8, R / 8) front and back network depth with their backgrounds set, normals (B, 6, R, R) ->
    (B, 3, window height, window width): front depth, back depth, mask logit, all unbounded.

    Args:
        width: channels of the depth features and of the normal features.
        residual: the depths are added to the lifted coarse ones (`add_lifted`), and start at 0. Without it, the paper's
            way, the coarse depth has to find its way through the features, which cost 9 mm of a true one.
    """

    def __init__(self, width: int, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.is_compiled = False
        inputs, outputs = (2, 2 * width, 2 * width), (2 * width, 2 * width, DEPTH_CHANNELS)
        self.steps = RefinerSteps(RefinerStep(i, width, o) for i, o in zip(inputs, outputs, strict=True))
        initialise(self)
        cast(RefinerStep, self.steps[-1]).head.start_at(DEPTH_START)
        if residual:
            self.start_at_lifted()

    def start_at_lifted(self) -> None:
        """Let both depths start as the lifted coarse ones."""
        head = cast(RefinerStep, self.steps[-1]).head
        assert head.bias is not None
        with torch.no_grad():
            head.weight[:DEPTH_SIDES] = 0
            head.bias[:DEPTH_SIDES] = 0

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As of every module, for windows of SHAPES shapes: the steps are compiled, what knows their place is not."""
        self.is_compiled = True
        self.steps.compile(*args, **kwargs)

    def forward(
        self, coarse: Tensor, normals: Tensor, window: Window | None = None, run_step: StepRunner = nn.Module.__call__
    ) -> Tensor:
        """Refine the window, or the whole canvas when it is None.

        With BatchNorm in eval mode a window gives the same values as the whole; in train mode its statistics are those
        of all that is computed with it (`seen_from`).

        Args:
            run_step: how a step gets from depth features and normals to the next; training.recompute has another way.
        """
        size = normals.shape[-1]
        window = window or Window.full(size)
        outer = seen_from(window, size, few_shapes=self.is_compiled)
        below = coarse[(..., *outer.divided(COARSE_STRIDE).slices)]
        x = self.steps(below, normals[(..., *outer.slices)], run_step)
        x = x[(..., *window.relative_to(outer).slices)]
        return add_lifted(x, coarse, window) if self.residual else x
