"""Ground truth in the shape of every prediction, all from the two full-resolution depth maps (METHOD.md 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geometry.coarse_grid import coarse_of
from geometry.depth import FRONT_BACKGROUND
from geometry.normals import normals_from_depth
from geometry.parts import KINDS, PartKind, indices_of
from geometry.warp import sample_crop

COARSE = "coarse"
"""Name of the coarse networks' terms."""
KIND_OF = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Truth:
    """What the networks of a batch are compared with. Each map is computed once, when it is first asked for."""

    depth: Tensor  # (B, 2, R, R) network depth of front and back, 0 on the background; R / 4 when thinned
    canvas_from_part: Tensor  # (B, 12, 2, 3)
    canvas: int  # side R of the full canvas [px]

    @cached_property
    def normals(self) -> Tensor:
        """(B, 6, R, R) stored normals of the full depth; not defined when it is thinned."""
        return both_normals(self.depth, self.canvas)

    @cached_property
    def coarse_depth(self) -> Tensor:
        """(B, 2, R / 8, R / 8)."""
        return coarse_of(self.depth, self.canvas)

    def normals_of(self, network: str) -> Tensor:
        """(n B, 6, h, w) stored normals: the target of COARSE (n = 1), or of a part kind's n crops."""
        if network == COARSE:
            return both_normals(self.coarse_depth, self.canvas)
        return crops_of(KIND_OF[network], self.normals, self.canvas_from_part)


def crops_per_sample(network: str) -> int:
    """How many crops of one sample a normal network sees: 1 for COARSE."""
    return 1 if network == COARSE else len(indices_of(KIND_OF[network]))


def both_normals(depth: Tensor, canvas: int) -> Tensor:
    """Stored normals of both maps.

    Args:
        depth: (B, 2, H, W) front and back network depth, 0 on the background.
        canvas: side of the full canvas [px].

    Returns:
        (B, 6, H, W) in [0, 1]: front normal, back normal; 0 on the background.
    """
    return torch.cat([normals_from_depth(side, canvas) for side in depth.split(1, dim=1)], dim=1)


def depth_target(depth: Tensor) -> Tensor:
    """(B, 2, H, W) with 0 on the background -> the same with the front's background far away, as networks learn it."""
    front, back = depth.split(1, dim=1)
    return torch.cat([torch.where(front > 0, front, FRONT_BACKGROUND), back], dim=1)


def crops_of(kind: PartKind, normals: Tensor, canvas_from_part: Tensor) -> Tensor:
    """Targets of a part network: the full normals seen through its crops, as values, zeros outside (METHOD.md 7).

    Args:
        normals: (B, 6, R, R) stored normals.
        canvas_from_part: (B, 12, 2, 3).

    Returns:
        (n B, 6, h, w): the B samples of the kind's first crop, then those of its second.
    """
    crop_hw = kind.crop_on(normals.shape[-1])
    return torch.cat([sample_crop(normals, canvas_from_part[:, part], crop_hw) for part in indices_of(kind)])
