"""What each phase minimises: one function a phase, which training and validation both call.

The terms come back by name; their sum is the loss, and the same names go to the log. Every weight is a field of
`losses.terms.LossWeights`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from losses.targets import COARSE, Truth, crops_per_sample
from losses.terms import LossWeights, consistency_loss, depth_loss, mask_loss, normal_loss, refined_normal_loss
from models.digitizer import DepthMaps

Terms = dict[str, Tensor]
"""Name -> scalar, such as "normals/face" or "depth/coarse"."""


def phase1_objective(
    normals: Mapping[str, Tensor], coarse_depth: DepthMaps | None, truth: Truth, weights: LossWeights
) -> Terms:
    """Phase 1: normals of the coarse network and of the five part networks, and the coarse depth.

        normals/{network}    normals * (normals_l1 * crops * L1 + normals_ssim * (1 - SSIM))
        depth/coarse         depth * smooth L1, pixels of the background times coarse_background
        consistency/coarse   consistency * smooth L1 of the normals of the depth, on the person
        mask/coarse          mask * cross-entropy of the silhouette

    each the sum of front and back. Training runs one network at a time, so that only its activations are held, and asks
    for that network's terms alone; validation asks for all of them at once.

    Args:
        normals: network, COARSE or a part kind -> (n B, 6, h, w) stored normals of its n crops of B samples.
        coarse_depth: (B, 1, r, r) each, before the backgrounds are set; None leaves its terms out.
    """
    terms = {
        f"normals/{network}": normal_loss(predicted, truth.normals_of(network), weights, crops_per_sample(network))
        for network, predicted in normals.items()
    }
    if coarse_depth is not None:
        terms |= depth_terms(COARSE, coarse_depth, truth.coarse_depth, truth.canvas, weights)
    return terms


def phase2_objective(depth: DepthMaps, target: Tensor, canvas: int, weights: LossWeights) -> Terms:
    """Phase 2: the refined depth, on the canvas or on a window of it.

        depth/full           depth * smooth L1, pixels of the background times full_background
        consistency/full     consistency * smooth L1 of the normals of the depth, on the person
        mask/full            mask * cross-entropy of the silhouette
        normals/refined      refined_normals * L1 of the normals of the depth, on the person; absent when it weighs 0

    Args:
        depth: (B, 1, H, W) each, before the backgrounds are set.
        target: (B, 2, H, W) network depth of front and back, 0 on the background.
        canvas: side of the full canvas [px].
    """
    terms = depth_terms("full", depth, target, canvas, weights)
    if weights.refined_normals:
        terms["normals/refined"] = refined_normal_loss(depth.depth.stacked.float(), target, canvas, weights)
    return terms


def depth_terms(name: str, predicted: DepthMaps, target: Tensor, canvas: int, weights: LossWeights) -> Terms:
    """The three terms of a depth network, COARSE or "full"; shapes as in the objectives."""
    depth = predicted.depth.stacked.float()
    background = weights.coarse_background if name == COARSE else weights.full_background
    return {
        f"depth/{name}": depth_loss(depth, target, weights, background),
        f"consistency/{name}": consistency_loss(depth, target, canvas, weights),
        f"mask/{name}": mask_loss(predicted.mask_logits.float(), target, weights),
    }
