"""Part normals back on the canvas, their weighted mean where parts overlap (METHOD.md 5.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from geometry.canvas import PAPER_CANVAS, scaled
from geometry.parts import KINDS, indices_of
from geometry.poses import Poses
from geometry.warp import centred_window, footprint, sample_back, sampling_grid

MARGIN = 8
"""Rim of the crop without weight on every side [px of the 2048 canvas]."""
BLUR_RADIUS, BLUR_SIGMA = 7, 5.0
"""Gaussian that softens the weight [px of the 2048 canvas]; a radius below the margin keeps it inside the crop."""


def _gaussian(size: int, device: torch.device) -> Tensor:
    radius = BLUR_RADIUS * size // PAPER_CANVAS
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
    kernel = torch.exp(-(offsets**2) / (2 * scaled(BLUR_SIGMA, size) ** 2))
    return kernel / kernel.sum()


def blend_weight(canvas_from_part: Tensor, crop_hw: tuple[int, int], size: int) -> Tensor:
    """How much a part counts at every pixel of its crop, before the division by the sum over parts (METHOD.md 5.4).

    1 inside the photo's footprint and the crop without its margin, blurred.

    Args:
        canvas_from_part: (B, 2, 3).
        crop_hw: (h, w) [px].
        size: side of the canvas [px].

    Returns:
        (B, 1, h, w) in [0, 1], float32.
    """
    grid = sampling_grid(canvas_from_part.to(torch.float32), centred_window(crop_hw, size), size)
    # A canvas of ones sampled bilinearly with zeros around it, in closed form.
    pixels = (grid + 1) * (size / 2) - 0.5
    inside = torch.minimum(pixels + 1, size - pixels).clamp(0, 1).prod(-1)[:, None]
    margin = max(MARGIN * size // PAPER_CANVAS, 1)
    weight = torch.zeros_like(inside)
    core = (..., slice(margin, -margin), slice(margin, -margin))
    weight[core] = inside[core]
    kernel = _gaussian(size, weight.device)
    radius = len(kernel) // 2
    weight = F.conv2d(weight, kernel.view(1, 1, 1, -1), padding=(0, radius))
    return F.conv2d(weight, kernel.view(1, 1, -1, 1), padding=(radius, 0))


def fuse_parts(
    part_normals: dict[str, Tensor], poses: Poses, size: int, beyond: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Blend the normals of all parts on the canvas.

    Args:
        part_normals: kind's name -> (B, n, 6, h, w) stored normals, n crops in the order of `indices_of(kind)`.
        poses: of the B samples.
        size: side of the canvas [px].
        beyond: (B, 6, size, size) stored normals for where no part is, faded in over the blurred rim of the crops.

    Returns:
        (B, 6, size, size) float32 stored normals, front in channels 0-2 and back in 3-5; where no part is those of
        `beyond`, or 0;
        (B, 1, size, size) bool, True where at least one part is.
    """
    batch, device = len(poses.canvas_from_part), poses.canvas_from_part.device
    fused = torch.zeros(batch, 6, size, size, device=device)
    total = torch.zeros(batch, 1, size, size, device=device)
    for kind in KINDS:
        crops = part_normals[kind.name]
        height, width = crops.shape[-2:]
        for position, part in enumerate(indices_of(kind)):
            weights = blend_weight(poses.canvas_from_part[:, part], (height, width), size)
            for sample in range(batch):
                window = footprint(poses.on_host[sample, part], (height, width), size)
                if window.is_empty:
                    continue
                # The weight travels as a seventh channel: normals and weight are sampled alike, then multiplied.
                crop = torch.cat([crops[sample, position].float(), weights[sample]])
                landed = sample_back(crop, poses.part_from_canvas[sample, part], window, size)
                rows, columns = window.slices
                fused[sample, :, rows, columns].addcmul_(landed[:6], landed[6:])
                total[sample, :, rows, columns] += landed[6:]
    covered = total > 0
    # Sums as small as 1e-3 are valid divisors at a part's soft rim, so there is no epsilon.
    fused.div_(torch.where(covered, total, 1.0))
    if beyond is not None:
        fused = torch.lerp(beyond, fused, total.clamp(max=1))
    return fused, covered
