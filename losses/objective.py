"""The terms of each prediction by name; their sum is the loss, and the same names go to the log."""

from __future__ import annotations

from torch import Tensor

from losses.terms import LossWeights, consistency_loss, depth_loss, mask_loss, normal_loss
from models.digitizer import DepthMaps

Terms = dict[str, Tensor]
"""Name -> scalar, such as "normals/face" or "depth/coarse"."""


def normal_terms(name: str, predicted: Tensor, target: Tensor, weights: LossWeights, crops: int = 1) -> Terms:
    """Of a normal network, called after it.

    Args:
        predicted, target: (crops B, 6, H, W) stored normals.
        crops: how many of them belong to one sample.
    """
    return {f"normals/{name}": normal_loss(predicted, target, weights, crops)}


def depth_terms(name: str, predicted: DepthMaps, target: Tensor, canvas: int, weights: LossWeights) -> Terms:
    """Of a depth network, "coarse" or "full".

    Args:
        predicted: depths (B, 1, H, W) before their backgrounds are set.
        target: (B, 2, H, W) network depth of front and back, 0 where nobody is.
        canvas: side of the full canvas [px].
    """
    depth = predicted.depth.stacked.float()
    background = weights.coarse_background if name == "coarse" else weights.full_background
    return {
        f"depth/{name}": depth_loss(depth, target, weights, background),
        f"consistency/{name}": consistency_loss(depth, target, canvas, weights),
        f"mask/{name}": mask_loss(predicted.mask_logits.float(), target, weights),
    }
