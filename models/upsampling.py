"""Nearest x2 and a 3x3 convolution as one convolution on the low grid: four of nine products, and nothing doubled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def half_resolution_kernel(weight: Tensor) -> Tensor:
    """The 2x2 kernels on the low grid that equal nearest x2 followed by a 3x3 convolution.

    A 3x3 window on the doubled grid covers only 2x2 different pixels. Which rows coincide depends on the parity of the
    output row: an even row sees (k0 | k1 + k2), an odd one (k0 + k1 | k2); columns alike.

    Args:
        weight: (O, I, 3, 3).

    Returns:
        (4 O, I, 2, 2): the kernels of parities (even, even), (even, odd), (odd, even), (odd, odd) for rows, columns.
    """

    def merged(kernel: Tensor, axis: int, parity: int) -> Tensor:
        first, middle, last = kernel.unbind(axis)
        pair = (first, middle + last) if parity == 0 else (first + middle, last)
        return torch.stack(pair, dim=axis)

    return torch.cat([merged(merged(weight, 2, row), 3, column) for row in (0, 1) for column in (0, 1)])


def up_convolution(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What `conv` makes of x upsampled by 2 (nearest): (B, I, H, W) -> (B, O, 2 H, 2 W).

    Args:
        conv: 3x3, padding 1.
    """
    assert conv.bias is not None  # every layer of the method has one
    y = F.conv2d(x, half_resolution_kernel(conv.weight), conv.bias.repeat(4), padding=1)
    return _Scatter.apply(y, conv.out_channels, *x.shape[-2:])


def _empty_like_layout(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """An empty map in the memory layout of another one."""
    layout = torch.contiguous_format if like.is_contiguous() else torch.channels_last
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


class _Scatter(torch.autograd.Function):
    """Puts the four parities of an upsampled map in their places: (B, 4 O, H + 1, W + 1) -> (B, O, 2 H, 2 W)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, channels: int, height: int, width: int) -> Tensor:
        ctx.shape, ctx.channels = y.shape, channels
        out = _empty_like_layout(y, (len(y), channels, 2 * height, 2 * width))
        for row in (0, 1):
            for column in (0, 1):
                first = (2 * row + column) * channels
                part = y[:, first : first + channels, row : row + height, column : column + width]
                out[:, :, row::2, column::2] = part
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        height, width = (side // 2 for side in gradient.shape[-2:])
        back = _empty_like_layout(gradient, ctx.shape).zero_()
        for row in (0, 1):
            for column in (0, 1):
                first = (2 * row + column) * ctx.channels
                place = back[:, first : first + ctx.channels, row : row + height, column : column + width]
                place.copy_(gradient[:, :, row::2, column::2])
        return back, None, None, None
