"""The refiner's forward pass that keeps only what comes out of convolutions, and computes the rest again (SPEC 10).

At 2048 px a map of 64 channels is a gigabyte. Between two convolutions stand BatchNorm and ReLU, which are cheap: they
are computed again on the way back, so that one map per convolution is held instead of three.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from geometry.window import Window
from models.blocks import ConvNormReLU, UpConv
from models.folded import half_resolution_kernel
from models.refiner import RECEPTIVE_MARGIN, SCALE, STEPS, DepthRefiner, RefinerStep, normals_at_step


def refine_recomputed(refiner: DepthRefiner, coarse: Tensor, normals: Tensor, window: Window | None = None) -> Tensor:
    """What `refiner(coarse, normals, window)` returns, with the same gradients and BatchNorm statistics."""
    size = normals.shape[-1]
    window = window or Window.full(size)
    outer = window.grown(RECEPTIVE_MARGIN, size).aligned(SCALE)
    below = Window(*(side // SCALE for side in (outer.top, outer.bottom, outer.left, outer.right)))
    x = coarse[(..., *below.slices)]
    normals = normals[(..., *outer.slices)]
    for index, step in enumerate(refiner.steps):
        x = _step(step, x, normals_at_step(normals, index))
        if index < STEPS - 1:
            x = F.relu(x)
    return x[(..., *window.relative_to(outer).slices)]


def _step(step: RefinerStep, depth: Tensor, normals: Tensor) -> Tensor:
    first, second = step.merge
    before = (up_convolution(step.up, depth), step.normals.conv(normals))
    x = _segment([step.up, step.normals], first.conv, *before)
    x = _segment([first], second.conv, x)
    return _segment([second], step.head, x)


def up_convolution(up: UpConv, x: Tensor) -> Tensor:
    """The convolution of an UpConv, before its BatchNorm, on the low grid: nothing of the doubled input is made.

    (B, I, H, W) -> (B, O, 2 H, 2 W).
    """
    kernel = half_resolution_kernel(up.conv.weight)
    y = F.conv2d(x, kernel, up.conv.bias.repeat(4), padding=1)
    channels, (height, width) = up.conv.out_channels, x.shape[-2:]
    return _Scatter.apply(y, channels, height, width)


def _empty_like_layout(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """An empty map in the memory layout of another one."""
    layout = torch.contiguous_format if like.is_contiguous() else torch.channels_last
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


class _Scatter(torch.autograd.Function):
    """Puts the four parities of an upsampled map in their places: (B, 4 O, H + 1, W + 1) -> (B, O, 2 H, 2 W)."""

    @staticmethod
    def forward(ctx, y: Tensor, channels: int, height: int, width: int) -> Tensor:
        ctx.shape, ctx.channels = y.shape, channels
        out = _empty_like_layout(y, (len(y), channels, 2 * height, 2 * width))
        for row in (0, 1):
            for column in (0, 1):
                first = (2 * row + column) * channels
                part = y[:, first : first + channels, row : row + height, column : column + width]
                out[:, :, row::2, column::2] = part
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        height, width = (side // 2 for side in gradient.shape[-2:])
        back = _empty_like_layout(gradient, ctx.shape).zero_()
        for row in (0, 1):
            for column in (0, 1):
                first = (2 * row + column) * ctx.channels
                place = back[:, first : first + ctx.channels, row : row + height, column : column + width]
                place.copy_(gradient[:, :, row::2, column::2])
        return back, None, None, None


def _segment(layers: list[ConvNormReLU], conv: nn.Conv2d, *before: Tensor) -> Tensor:
    """conv(cat(ReLU(BN(x)) ...)), of which only the x are kept for the way back."""
    return checkpoint(_Segment([layer.norm for layer in layers], conv), *before, use_reentrant=False)


class _Segment:
    """Callable that is run twice: only the first run may move BatchNorm's running statistics."""

    def __init__(self, norms: list[nn.BatchNorm2d], conv: Callable[[Tensor], Tensor]) -> None:
        self.norms = norms
        self.conv = conv
        self.again = False

    def __call__(self, *before: Tensor) -> Tensor:
        normalised = [F.relu(self._normalise(norm, x)) for norm, x in zip(self.norms, before, strict=True)]
        self.again = True
        return self.conv(torch.cat(normalised, dim=1) if len(normalised) > 1 else normalised[0])

    def _normalise(self, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        if not self.again or not norm.training:
            return norm(x)
        # Momentum 0 leaves the running statistics as they are.
        momentum, norm.momentum = norm.momentum, 0.0
        y = norm(x)
        norm.momentum = momentum
        norm.num_batches_tracked.sub_(1)
        return y
