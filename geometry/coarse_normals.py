"""The coarse normals in the code and on the grid of the fused ones (METHOD.md 6): for where no part's crop reaches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.coarse_grid import COARSE_STRIDE, SAMPLED_PIXEL, at_pixels, carried_on
from geometry.window import Window

BETWEEN_STEPS = SAMPLED_PIXEL + 0.5
"""Where a coarse normal lies [px]: its two steps, to the right and from above, lie half a coarse pixel beside and above
the sample; their middle is the pixel's own within a canvas pixel."""


def converted(coarse: Tensor) -> Tensor:
    """Coarse stored normals in the code of the canvas.

    Both codes store a step over the same s (METHOD.md 6), a coarse one from one coarse pixel to the next: 8 canvas
    pixels. So a slope reads 8 times as steep in the coarse code.

    Args:
        coarse: (B, 3, h, w) stored normals of a coarse map.

    Returns:
        (B, 3, h, w) unit normals n, not stored.
    """
    x, y, z = (2 * coarse - 1).split(1, dim=1)
    return _unit(torch.cat([x / COARSE_STRIDE, y / COARSE_STRIDE, z.clamp(min=1e-3)], dim=1))


def lift_normals(coarse: Tensor, mask_logits: Tensor, canvas: int) -> Tensor:
    """What the coarse normals say on the canvas.

    Args:
        coarse: (B, 6, r, r) stored coarse normals, front and back.
        mask_logits: (B, 1, r, r) of the coarse mask, above 0 on the person.
        canvas: side R = 8 r of the canvas [px].

    Returns:
        (B, 6, R, R) stored normals in the code of the canvas, 0 on the background.
    """
    window, mask = Window.full(canvas), mask_logits > 0
    person = at_pixels(mask_logits, window, BETWEEN_STEPS) > 0
    beside, above = F.pad(mask, (0, 1, 1, 0))[..., 1:, 1:], F.pad(mask, (0, 0, 1, 0))[..., :-1, :]
    sides = []
    for side in coarse.split(3, dim=1):
        # A step to the background says nothing of the person: such pixels take their neighbours' normals.
        normal = at_pixels(carried_on(converted(side), mask & beside & above), window, BETWEEN_STEPS)
        sides.append(torch.where(person, (_unit(normal) + 1) / 2, 0))
    return torch.cat(sides, dim=1)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (B, 3, h, w) at length 1; PyTorch's own `normalize` takes ten times as long over three planes."""
    return vectors / vectors.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
