"""The four losses, each for front and back together (METHOD.md 7)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from pytorch_msssim import ssim
from torch import Tensor
from torch.nn import functional as F

from geometry.normals import normals_from_depth
from losses.targets import both_normals, depth_target


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the defaults are the paper's."""

    normals: float = 0.5  # of what follows: L1 and SSIM of normals
    normals_l1: float = 0.85
    normals_ssim: float = 0.15
    depth: float = 0.85
    depth_beta: float = (
        1.0  # [network units] the smooth L1 of depth is an L1 above this error (geometry.depth: in metres)
    )
    coarse_background: float = 1.0  # of background pixels, in the depth loss of the coarse depth
    full_background: float = 1.0  # the same of the refined depth; 0 needs model.masked
    consistency: float = 0.15  # smooth L1 of the normals of the predicted depth, coarse and refined
    refined_normals: float = 0.0  # L1 of the normals of the refined depth
    mask: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) < math.inf:
                raise ValueError(f"loss.{field.name} is {getattr(self, field.name)}, expected 0 or more")


SSIM_RADIUS, SSIM_SIGMA = 2, 1.5
"""Gaussian window of the SSIM [px]."""


def ssim_window(device: torch.device) -> Tensor:
    """(3, 1, 1, 5) float32, one window a channel, made on the device: `ssim` itself would upload one at every call."""
    offsets = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, dtype=torch.float32, device=device)
    window = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    return (window / window.sum()).expand(3, 1, 1, -1)


def normal_loss(predicted: Tensor, target: Tensor, weights: LossWeights, crops: int = 1) -> Tensor:
    """L1 and SSIM of stored normals: L1 summed over a sample's crops, SSIM their mean, both the mean over samples.

    Args:
        predicted, target: (crops B, 6, H, W), front and back.
    """
    loss, window = predicted.new_zeros(()), ssim_window(predicted.device)
    for side, truth in zip(predicted.float().split(3, dim=1), target.split(3, dim=1), strict=True):
        likeness = ssim(side, truth, data_range=1, win=window, nonnegative_ssim=True)
        loss = loss + weights.normals_l1 * crops * F.l1_loss(side, truth) + weights.normals_ssim * (1 - likeness)
    return weights.normals * loss


def depth_loss(predicted: Tensor, target: Tensor, weights: LossWeights, background: float = 1.0) -> Tensor:
    """Smooth L1 of network depth, as a mean over all pixels.

    Args:
        predicted: (B, 2, H, W) after ReLU6.
        target: (B, 2, H, W), 0 on the background.
        background: weight of background pixels; 1 is the paper's. A depth that is masked before anything sees
            it can do without them, and a map without the cliff of four network units to the background is easier.
    """
    pixel_weight = torch.where(target[:, :1] > 0, 1.0, background)
    errors = F.smooth_l1_loss(predicted, depth_target(target), beta=weights.depth_beta, reduction="none")
    return weights.depth * (errors * pixel_weight).mean((0, 2, 3)).sum()


def consistency_loss(predicted: Tensor, target: Tensor, canvas: int, weights: LossWeights) -> Tensor:
    """Smooth L1 between the stored normals of both depths, on the person, as a mean over all pixels.

    Args:
        predicted, target: (B, 2, H, W) network depth; the target is 0 on the background.
        canvas: side of the full canvas [px].
    """
    loss = predicted.new_zeros(())
    for side, truth in zip(predicted.split(1, dim=1), target.split(1, dim=1), strict=True):
        person = (truth > 0).to(side.dtype)
        with torch.no_grad():
            wanted = normals_from_depth(truth, canvas) * person
        loss = loss + F.smooth_l1_loss(normals_from_depth(side, canvas) * person, wanted)
    return weights.consistency * loss


def refined_normal_loss(predicted: Tensor, target: Tensor, canvas: int, weights: LossWeights) -> Tensor:
    """L1 between the stored normals of both depths, on the person, as a mean over all pixels.

    The smooth L1 of `consistency_loss` hardly pulls where stored normals, all within [0, 1], are nearly right.

    Args:
        predicted, target: (B, 2, H, W) network depth, float32 or better: steps between neighbouring pixels are a
            thousandth of it; the target is 0 on the background.
        canvas: side of the full canvas [px].
    """
    person = (target[:, :1] > 0).to(predicted.dtype)
    with torch.no_grad():
        wanted = both_normals(target, canvas) * person
    return weights.refined_normals * 2 * F.l1_loss(both_normals(predicted, canvas) * person, wanted)


def mask_loss(logits: Tensor, target: Tensor, weights: LossWeights) -> Tensor:
    """Binary cross-entropy of the silhouette, on logits, once (METHOD.md 11).

    Args:
        logits: (B, 1, H, W).
        target: (B, 2, H, W) network depth, 0 on the background.
    """
    person = (target[:, :1] > 0).to(logits.dtype)
    return weights.mask * F.binary_cross_entropy_with_logits(logits, person)
