"""Pictures of what the model does, one row per person."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from datasets.pairs.samples import Sample
from evaluation.map_errors import normal_angles
from geometry.coarse_grid import coarse_of
from geometry.parts import KINDS
from losses.targets import both_normals
from training.validation import Prediction

TILE = 224
"""Side of one picture [px]."""
ANGLE_SHOWN = 60.0
"""Normal error at the end of the color scale [deg]."""
DEPTH_SHOWN = 0.15
"""Depth error at the end of the color scale [network units]: 90 mm of a grown person."""
CAPTIONS = (
    "photo / mask", "coarse normals", "fused normals", "true normals", "error, red 60 deg",
    "depth", "true depth", "error, red 90 mm",
)  # fmt: skip


class Panels:
    """Collects the rows of the first people of a validation.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: list[np.ndarray] = []

    def add(self, batch: Sample, prediction: Prediction) -> None:
        """One more person, unless there are enough."""
        if len(self.rows) < self.limit:
            self.rows.append(row_of(batch, prediction))

    def sheet(self) -> np.ndarray:
        """All people: (H, W, 3) uint8 RGB."""
        return np.vstack(self.rows)


def row_of(batch: Sample, prediction: Prediction) -> np.ndarray:
    """One person: the photo, then both sides, then the parts of the first crop of each network.

    Returns:
        (2 TILE + parts, W, 3) uint8 RGB.
    """
    photo = _rgb((batch.photo[0] + 1) / 2)
    truth = both_normals(batch.depth, batch.depth.shape[-1])[0]
    depths = batch.depth[0] if prediction.scale == 1 else coarse_of(batch.depth, batch.depth.shape[-1])[0]
    seen, lines = prediction.person()[0], []
    for number, side in enumerate(("front", "back")):
        wanted = truth[3 * number : 3 * number + 3]
        fused = getattr(prediction.maps.fused_normals, side)[0]
        depth, true_depth = getattr(prediction.depth.depth, side)[0, 0], depths[number]
        present = true_depth > 0
        tiles = [
            photo if number == 0 else _rgb(torch.sigmoid(prediction.depth.mask_logits[0]).expand(3, -1, -1)),
            _rgb(getattr(prediction.maps.coarse_normals, side)[0]),
            _rgb(fused),
            _rgb(wanted),
            _heat(_angles(fused, wanted), ANGLE_SHOWN, batch.depth[0, 0] > 0),
            _shaded(depth, seen, true_depth, present),
            _shaded(true_depth, present, true_depth, present),
            _heat((depth - true_depth).abs(), DEPTH_SHOWN, present & seen),
        ]
        lines.append(np.hstack([_tile(tile, f"{side} {name}") for tile, name in zip(tiles, CAPTIONS, strict=True)]))
    lines.append(_parts(prediction, lines[0].shape[1]))
    return np.vstack(lines)


def _rgb(image: Tensor) -> np.ndarray:
    return (image.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def _angles(a: Tensor, b: Tensor) -> Tensor:
    """(3, H, W) stored normals each -> (H, W) float64 [deg]."""
    return torch.from_numpy(normal_angles(*(normals.float().permute(1, 2, 0).cpu().numpy() for normals in (a, b))))


def _heat(error: Tensor, shown: float, present: Tensor) -> np.ndarray:
    level = (error.float() / shown).clamp(0, 1).mul(255).byte().cpu().numpy()
    heat = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    return np.where(present.cpu().numpy()[..., None], heat, 0)


def _shaded(depth: Tensor, seen: Tensor, truth: Tensor, present: Tensor) -> np.ndarray:
    """Near is white; the scale is that of the truth, so that a shift shows."""
    low, high = (truth[present].min(), truth[present].max()) if present.any() else (0.0, 4.0)
    level = 1 - 0.85 * ((depth.float() - low) / max(float(high - low), 1e-6)).clamp(0, 1)
    return _rgb(torch.where(seen, level, torch.zeros_like(level)).expand(3, -1, -1))


def _tile(image: np.ndarray, caption: str) -> np.ndarray:
    shrinks = image.shape[0] > TILE
    image = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
    image = np.ascontiguousarray(image)
    cv2.putText(image, caption, (5, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def _parts(prediction: Prediction, width: int) -> np.ndarray:
    """Every crop's front and back normals in one line."""
    crops = []
    for kind in KINDS:
        maps = prediction.maps.part_normals[kind.name]
        for front, back in zip(maps.front[0], maps.back[0], strict=True):
            crops.append(np.hstack([_rgb(front), _rgb(back)]))
    height = int(width / sum(crop.shape[1] / crop.shape[0] for crop in crops))
    line = np.hstack(
        [
            cv2.resize(c, (max(int(c.shape[1] * height / c.shape[0]), 1), height), interpolation=cv2.INTER_AREA)
            for c in crops
        ]
    )
    return cv2.copyMakeBorder(line, 0, 4, 0, width - line.shape[1], cv2.BORDER_CONSTANT)
