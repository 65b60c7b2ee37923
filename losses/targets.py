"""Ground truth in the shape of every prediction, all from the two full-resolution depth maps (SPEC 6 and 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from geometry.depth import FRONT_BACKGROUND
from geometry.normals import normals_from_depth
from geometry.parts import PartKind, indices_of
from geometry.warp import sample_crop


def both_normals(depth: Tensor, canvas: int) -> Tensor:
    """Stored normals of both maps.

    Args:
        depth: (B, 2, H, W) front and back network depth, 0 where nobody is.
        canvas: side of the full canvas [px].

    Returns:
        (B, 6, H, W) in [0, 1]: front normal, back normal; 0 where nobody is.
    """
    return torch.cat([normals_from_depth(side, canvas) for side in depth.split(1, dim=1)], dim=1)


def depth_target(depth: Tensor) -> Tensor:
    """(B, 2, H, W) with 0 where nobody is -> the same with the front's background far away, as networks learn it."""
    front, back = depth.split(1, dim=1)
    return torch.cat([torch.where(front > 0, front, FRONT_BACKGROUND), back], dim=1)


def crops_of(kind: PartKind, normals: Tensor, canvas_from_part: Tensor) -> Tensor:
    """Targets of a part network: the full normals seen through its crops, as values, zeros outside (SPEC 7).

    Args:
        normals: (B, 6, R, R) stored normals.
        canvas_from_part: (B, 12, 2, 3).

    Returns:
        (n B, 6, h, w): the B samples of the kind's first crop, then those of its second.
    """
    crop_hw = kind.crop_on(normals.shape[-1])
    return torch.cat([sample_crop(normals, canvas_from_part[:, part], crop_hw) for part in indices_of(kind)])
