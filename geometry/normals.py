"""The code for slopes that the paper calls the normals of a depth map (METHOD.md 6).

It is not geometry: x is mirrored and the slope is scaled by a constant of the canvas, so normals of a cloud or a mesh
are computed from points instead (geometry.point_cloud).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.canvas import PAPER_CANVAS

DEPTH_FLOOR = 0.2
"""Network depth below which a pixel is background: its stored normal is 0."""


def slope_unit(canvas: int) -> float:
    """s, the step of network depth that the code stores as 45 deg; the same for the coarse maps of that canvas."""
    return PAPER_CANVAS / canvas / 255


def normals_from_depth(depth: Tensor, canvas: int) -> Tensor:
    """Stored normals of a depth map, METHOD.md 6: n = (d[y,x] - d[y,x+1], d[y-1,x] - d[y,x], s) / |.|.

    The border is replicated (right column, top row); the same formula serves front and back.

    Args:
        depth: (B, 1, H, W) network depth; values below 0.2 are background.
        canvas: side of the full canvas [px], from which s follows (slope_unit).

    Returns:
        (B, 3, H, W) stored normals (n + 1) / 2 in [0, 1]; 0 marks background.
    """
    padded = F.pad(depth, (0, 1, 1, 0), mode="replicate")
    here = padded[..., 1:, :-1]
    x = here - padded[..., 1:, 1:]
    y = padded[..., :-1, :-1] - here
    z = slope_unit(canvas)
    # The norm written out: normalising over three channels took 15 times as long, a fifth of a training step.
    half = 0.5 * torch.rsqrt(x * x + y * y + z * z)
    stored = torch.cat([x * half, y * half, z * half], dim=1) + 0.5
    return torch.where(depth >= DEPTH_FLOOR, stored, 0.0)
