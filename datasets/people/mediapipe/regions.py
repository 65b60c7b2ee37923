"""Rotated squares of a photo, and the pictures that the networks see of them.

Points are in edge coordinates [px]: (0, 0) is the photo's upper left corner, a pixel's centre lies at +0.5. A pixel
index is an edge coordinate minus 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

SHARPEST = 0.9
"""A pyramid level is used while it has at least this many pixels per pixel of the crop."""


@dataclass(frozen=True)
class Region:
    """A square of the photo, turned about its centre."""

    centre: np.ndarray  # (2,) [px]
    side: float  # [px]
    angle: float = 0.0  # [rad] clockwise as displayed; 0 is upright

    @classmethod
    def along(cls, centre: np.ndarray, up: np.ndarray, side: float) -> Region:
        """The square in which the direction `up` (2,) points to the top."""
        return cls(np.asarray(centre, dtype=np.float64), float(side), float(np.arctan2(up[0], -up[1])))

    @property
    def down(self) -> np.ndarray:
        """(2,) unit vector from the top of the square to its bottom."""
        return np.array([-np.sin(self.angle), np.cos(self.angle)])

    def moved_down(self, distance: float) -> Region:
        """The same square, `distance` [px] towards its own bottom."""
        return replace(self, centre=self.centre + distance * self.down)

    def grown(self, factor: float) -> Region:
        """The same square about the same centre, `factor` times as large."""
        return replace(self, side=self.side * factor)

    def photo_from_crop(self, size: int) -> np.ndarray:
        """(2, 3) affine from a size x size picture of the square to the photo, both in edge coordinates."""
        scale = self.side / size
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        return np.column_stack([turn, self.centre - turn @ np.full(2, size / 2)])

    def to_photo(self, points: np.ndarray, size: int) -> np.ndarray:
        """(..., 2) points of a size x size picture of the square, in the photo."""
        affine = self.photo_from_crop(size)
        return points @ affine[:, :2].T + affine[:, 2]


def index_affine(affine: np.ndarray) -> np.ndarray:
    """(2, 3) affine of pixel indices from one of edge coordinates, as OpenCV wants it."""
    moved = affine.copy()
    moved[:, 2] += affine[:, :2] @ np.full(2, 0.5) - 0.5
    return moved


class Pyramid:
    """A photo at 1, 1/2, 1/4 ... of its size, so that a small crop of a large photo is averaged, not sampled.

    Args:
        rgb: (H, W, 3) uint8.
    """

    def __init__(self, rgb: np.ndarray) -> None:
        self.levels = [rgb]
        while min(self.levels[-1].shape[:2]) > 256:
            height, width = self.levels[-1].shape[:2]
            half = cv2.resize(self.levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            self.levels.append(half)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the photo [px]."""
        return self.levels[0].shape[1], self.levels[0].shape[0]

    def crop(self, region: Region, size: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """(size, size, 3) uint8 picture of the square; what lies outside the photo follows OpenCV's `border` rule."""
        spacing, level = region.side / size, 0
        while level + 1 < len(self.levels) and spacing / 2 ** (level + 1) >= SHARPEST:
            level += 1
        image = self.levels[level]
        # Odd sides make the levels' scale differ a little from a power of two, per axis.
        scale = np.array([image.shape[1], image.shape[0]]) / self.size
        affine = region.photo_from_crop(size) * scale[:, None]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, index_affine(affine), (size, size), flags=flags, borderMode=border)
