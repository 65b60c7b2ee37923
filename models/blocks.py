"""The pieces of every network: convolution blocks, upsampling, attention gates (METHOD.md 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.batch_norm import BatchNorm

HEAD_SPREAD = 0.1
"""Standard deviation of a fresh head's outputs, about, on features of about 1."""


class ConvNormReLU(nn.Module):
    """3x3 convolution, BatchNorm, ReLU: (B, in_channels, H, W) -> (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.norm = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)), inplace=True)


class ConvBlock(nn.Sequential):
    """Two ConvNormReLU: (B, in_channels, H, W) -> (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(ConvNormReLU(in_channels, out_channels), ConvNormReLU(out_channels, out_channels))


class UpConv(ConvNormReLU):
    """Nearest x2, then ConvNormReLU: (B, in_channels, H, W) -> (B, out_channels, 2 H, 2 W).

    Not models.upsampling.up_convolution: its rounding moved gradients of a step of the paper's model by up to 2 %.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class AttentionGate(nn.Module):
    """Weighs a skip connection by what the decoder is looking for.

    skip (B, C, H, W), gate (B, C, H, W) -> (B, C, H, W): the skip, scaled per pixel by a score in (0, 1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.gate_conv = nn.Conv2d(channels, inner, kernel_size=1)
        self.gate_norm = BatchNorm(inner)
        self.skip_conv = nn.Conv2d(channels, inner, kernel_size=1)
        self.skip_norm = BatchNorm(inner)
        self.score_conv = nn.Conv2d(inner, 1, kernel_size=1)
        self.score_norm = BatchNorm(1)

    def forward(self, skip: Tensor, gate: Tensor) -> Tensor:
        wanted = F.relu(self.gate_norm(self.gate_conv(gate)) + self.skip_norm(self.skip_conv(skip)), inplace=True)
        return torch.sigmoid(self.score_norm(self.score_conv(wanted))) * skip


class Head(nn.Conv2d):
    """The last 1x1 convolution of a network, never autocast: 16 bits cannot hold depth to a millimetre."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)

    def start_at(self, values: Sequence[float]) -> None:
        """Start close to one value per output channel, so that no ReLU behind it begins beyond its edge.

        The init of the other layers would spread the outputs of a head over several units: too far for a range of 1.
        """
        if not self.weight.is_meta:
            nn.init.normal_(self.weight, std=HEAD_SPREAD / self.in_channels**0.5)
        assert self.bias is not None  # a Head is made with one
        self.bias.data = torch.tensor(values)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


def _gradient_passes(gradient: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Where the gradient passes: between the limits, and beyond them when a step against it leads back inside."""
    return (above | (gradient < 0)) & (below | (gradient > 0))


class _InwardGradientClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x > low, x < high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return torch.where(_gradient_passes(gradient, *ctx.saved_tensors), gradient, 0), None, None


def clamp_with_inward_gradient(x: Tensor, low: float, high: float = math.inf) -> Tensor:
    """Clamp whose gradient also passes beyond a limit where descending it moves x back inside.

    As the last ReLU or ReLU6 of a network it keeps pixels from dying: most of a map is background, at a limit, and
    pulls the whole map there within a few steps; the person's pixels would stay there, black or far away, for good.
    """
    if not torch.is_grad_enabled():
        return x.clamp(low, high if math.isfinite(high) else None)  # exporters take neither Function nor infinity
    return _InwardGradientClamp.apply(x, low, high)


class GatedUp(nn.Module):
    """One decoder step: upsample, gate the skip with the result, merge both.

    x (B, in_channels, H, W), skip (B, out_channels, 2 H, 2 W) -> (B, out_channels, 2 H, 2 W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = UpConv(in_channels, out_channels)
        self.gate = AttentionGate(out_channels)
        self.merge = ConvBlock(2 * out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        return self.merge(torch.cat([self.gate(skip, x), x], dim=1))


class Encoder(nn.ModuleList):
    """ConvBlocks, max-pooling between: (B, in_channels, H, W) -> a list of (B, widths[k], H / 2^k, W / 2^k)."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__(ConvBlock(*channels) for channels in pairwise((in_channels, *widths)))

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for block in self:
            features.append(block(F.max_pool2d(features[-1], 2) if features else x))
        return features


def initialise(module: nn.Module) -> None:
    """Convolution weights normal of variance 2 / (k k out), the rest PyTorch's defaults (METHOD.md 5.6)."""
    for layer in module.modules():
        # To draw numbers that are nowhere PyTorch first imports its compiler, for two seconds.
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
