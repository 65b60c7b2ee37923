"""The refiner's forward pass that keeps only what convolutions give, and computes the rest again (METHOD.md 10).

At 2048 px a map of 64 channels is a gigabyte. Between two convolutions stand BatchNorm and ReLU, which are cheap: they
are computed again in the backward pass, so that one map per convolution is held instead of three.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from geometry.window import Window
from models.batch_norm import BatchNorm
from models.blocks import ConvNormReLU
from models.refiner import DepthRefiner, RefinerStep
from models.upsampling import up_convolution


def refine_recomputed(refiner: DepthRefiner, coarse: Tensor, normals: Tensor, window: Window | None = None) -> Tensor:
    """What `refiner(coarse, normals, window)` returns, with the same gradients and BatchNorm statistics."""
    return refiner(coarse, normals, window, run_step=_step)


def _step(step: RefinerStep, depth: Tensor, normals: Tensor) -> Tensor:
    first, second = (cast(ConvNormReLU, layer) for layer in step.merge)
    before = (up_convolution(step.up.conv, depth), step.normals.conv(normals))
    x = _segment([step.up, step.normals], first.conv, *before)
    x = _segment([first], second.conv, x)
    return _segment([second], step.head, x)


def _segment(layers: list[ConvNormReLU], conv: nn.Conv2d, *before: Tensor) -> Tensor:
    """conv(cat(ReLU(BN(x)) ...)), of which only the x are kept for the backward pass."""
    return checkpoint(_Segment([layer.norm for layer in layers], conv), *before, use_reentrant=False)


class _Segment:
    """Callable that is run twice: only the first run may move BatchNorm's running statistics."""

    def __init__(self, norms: list[BatchNorm], conv: Callable[[Tensor], Tensor]) -> None:
        self.norms = norms
        self.conv = conv
        self.again = False

    def __call__(self, *before: Tensor) -> Tensor:
        normalised = [
            F.relu(self._normalise(norm, x), inplace=True) for norm, x in zip(self.norms, before, strict=True)
        ]
        self.again = True
        return self.conv(torch.cat(normalised, dim=1) if len(normalised) > 1 else normalised[0])

    def _normalise(self, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        if not self.again or not norm.training:
            return norm(x)
        assert norm.num_batches_tracked is not None
        # Momentum 0 leaves the running statistics as they are.
        momentum, norm.momentum = norm.momentum, 0.0
        y = norm(x)
        norm.momentum = momentum
        norm.num_batches_tracked.sub_(1)
        return y
