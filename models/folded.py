"""Layers for inference: BatchNorm folded into the convolutions, channels-last, upsampling without wasted products.

Every class takes a trained layer and computes the same function in eval mode; weights are folded in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.blocks import AttentionGate, ConvBlock, ConvNormReLU, Encoder, GatedUp, UpConv
from models.upsampling import half_resolution_kernel

NHWC = torch.channels_last


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that equals `norm(conv(x))` in eval mode, float64."""
    assert conv.bias is not None  # every layer of the method has one
    weight, bias = conv.weight.detach().double(), conv.bias.detach().double()
    if norm is None:
        return weight, bias
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return (
        weight * scale[:, None, None, None],
        (bias - norm.running_mean.double()) * scale + norm.bias.detach().double(),
    )


class FoldedConv(nn.Module):
    """A convolution with its BatchNorm folded in, and a ReLU if wanted; keeps the size of its input."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, relu: bool = True) -> None:
        super().__init__()
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=NHWC))
        self.register_buffer("bias", bias.to(dtype))
        self.relu = relu

    @classmethod
    def of(cls, layer: ConvNormReLU, dtype: torch.dtype) -> FoldedConv:
        """Fold the BatchNorm of a layer into its convolution, in a number type."""
        return cls(*fold(layer.conv, layer.norm), dtype)

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return y.relu_() if self.relu else y


class FoldedBlock(nn.Sequential):
    """A ConvBlock: (B, I, H, W) -> (B, O, H, W)."""

    def __init__(self, block: ConvBlock, dtype: torch.dtype) -> None:
        super().__init__(*(FoldedConv.of(layer, dtype) for layer in cast("Iterable[ConvNormReLU]", block)))


class FoldedUp(nn.Module):
    """An UpConv, computed on the low grid and scattered straight into its place."""

    weight: Tensor
    bias: Tensor

    def __init__(self, up: UpConv, dtype: torch.dtype) -> None:
        super().__init__()
        weight, bias = fold(up.conv, up.norm)
        self.register_buffer("weight", half_resolution_kernel(weight).to(dtype).contiguous(memory_format=NHWC))
        self.register_buffer("bias", bias.to(dtype).repeat(4))

    def into(self, x: Tensor, target: Tensor, top: int = 0, left: int = 0) -> None:
        """Write the result for a part of x.

        Args:
            x: (B, I, H, W).
            target: (B, O, 2 h, 2 w), overwritten.
            top, left: row and column of x that land at the target's origin.
        """
        y = F.conv2d(x, self.weight, self.bias, padding=1).relu_()
        channels, (height, width) = target.shape[1], (side // 2 for side in target.shape[-2:])
        for row in (0, 1):
            for column in (0, 1):
                first = (2 * row + column) * channels
                rows, columns = slice(top + row, top + row + height), slice(left + column, left + column + width)
                target[:, :, row::2, column::2] = y[:, first : first + channels, rows, columns]


class FoldedGatedUp(nn.Module):
    """A GatedUp over one buffer: the skip lies in its first half, the upsampled features go to the second."""

    def __init__(self, step: GatedUp, dtype: torch.dtype) -> None:
        super().__init__()
        self.up = FoldedUp(step.up, dtype)
        self.wanted = FoldedConv(*_gate_over_buffer(step.gate), dtype)
        self.score = FoldedConv(*fold(step.gate.score_conv, step.gate.score_norm), dtype, relu=False)
        self.merge = FoldedBlock(step.merge, dtype)

    def forward(self, x: Tensor, buffer: Tensor) -> Tensor:
        """x (B, I, H, W), buffer (B, 2 O, 2 H, 2 W), overwritten -> (B, O, 2 H, 2 W)."""
        channels = buffer.shape[1] // 2
        self.up.into(x, buffer[:, channels:])
        buffer[:, :channels].mul_(self.score(self.wanted(buffer)).sigmoid_())
        return self.merge(buffer)


def _gate_over_buffer(gate: AttentionGate) -> tuple[Tensor, Tensor]:
    """The gate's two 1x1 convolutions side by side: one convolution over (skip, upsampled)."""
    skip_weight, skip_bias = fold(gate.skip_conv, gate.skip_norm)
    gate_weight, gate_bias = fold(gate.gate_conv, gate.gate_norm)
    return torch.cat([skip_weight, gate_weight], dim=1), skip_bias + gate_bias


class FoldedEncoder(nn.ModuleList):
    """An Encoder that leaves its skips in the decoder's buffers."""

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        super().__init__(FoldedBlock(block, dtype) for block in cast("Iterable[ConvBlock]", encoder))

    def fill(self, x: Tensor, buffers: list[Tensor], slots: int, position: int = 0) -> Tensor:
        """Run the encoder.

        Args:
            x: (B, I, H, W), channels-last, of the encoder's dtype.
            buffers: one (B, slots * width, H / 2^k, W / 2^k) per level but the last; made here while they are missing.
            slots: how many encoders' widths a level's buffer holds.
            position: which of the slots is this encoder's skip.

        Returns:
            the coarsest features.
        """
        *upper, last = self
        for level, block in enumerate(upper):
            x = block(x)
            width = x.shape[1]
            if level == len(buffers):
                shape = (x.shape[0], slots * width, *x.shape[2:])
                buffers.append(torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=NHWC))
            buffers[level][:, position * width : (position + 1) * width] = x
            x = F.max_pool2d(x, 2)
        return last(x)
