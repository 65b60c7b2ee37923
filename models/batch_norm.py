"""BatchNorm whose statistics stay exact on the large channels-last maps of training on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 2**16
"""Pixels of a batch from which PyTorch's own float32 sums over a channels-last map are off by more than 1e-5."""
BLOCK = 2**12
"""Pixels whose statistics PyTorch computes at once; those of all blocks are merged in float64."""


def channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of every channel: (B, C, H, W) channels-last -> (C,), (C,) float64."""
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2)
    fractions, means, variances = [], [], []
    for block in pixels.split(BLOCK):
        mean, variance = torch.ops.aten.batch_norm_update_stats(block[None, None].permute(0, 3, 1, 2), None, None, 0.0)
        fractions.append(len(block) / len(pixels))
        means.append(mean)
        variances.append(variance)
    weight = torch.tensor(fractions, dtype=torch.float64)[:, None]
    block_means, block_variances = torch.stack(means).double(), torch.stack(variances).double()
    mean = (weight * block_means).sum(0)
    # Variance within the blocks and of their means (Chan et al. 1979).
    return mean, (weight * (block_variances + (block_means - mean) ** 2)).sum(0)


class _Normalise(torch.autograd.Function):
    """Batch normalisation with given statistics of the batch itself; the gradient knows where they come from."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, moments: Tensor, eps: float) -> Tensor:
        """`moments`: (2, C) mean and biased variance of the batch."""
        mean, variance = moments
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse_deviation = ctx.saved_tensors
        # (input, weight, bias) with the statistics of training, without running ones.
        gradients = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, None, None, mean, inverse_deviation, True, ctx.eps, [True, True, True]
        )
        return *gradients, None, None


class BatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d whose training on large channels-last float32 maps of a CPU takes `channel_moments`.

    (B, C, H, W) -> (B, C, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self._is_inexact(x)) or torch.compiler.is_compiling():
            return super().forward(x)
        with torch.no_grad():
            mean, variance = channel_moments(x.detach())
            count = x.numel() // x.shape[1]
            # All there where running statistics are tracked by momentum, as everywhere here.
            assert self.num_batches_tracked is not None and self.momentum is not None
            assert self.running_mean is not None and self.running_var is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.to(x.dtype), self.momentum)
            self.running_var.lerp_((variance * count / (count - 1)).to(x.dtype), self.momentum)
        return _Normalise.apply(x, self.weight, self.bias, torch.stack([mean, variance]).to(x.dtype), self.eps)

    @staticmethod
    def _is_inexact(x: Tensor) -> bool:
        """Whether PyTorch's own statistics of this map would be off by more than 1e-5."""
        last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        return last and x.numel() >= LARGE * x.shape[1] and x.device.type == "cpu" and x.dtype == torch.float32
