"""The back of a garment from its front: what it shows in its middle and nowhere at its sides is not on the back.

Prints, buttons, what an open jacket lets see, the neckline and hands before the belly go; stripes, dots and hems, which
reach the sides, stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.window import Window
from utils.fold_fill import blended, covered_with
from utils.picture_joints import PictureJoints

ROWS, COLUMNS = 72, 48
"""Of the coarse grid on which a trunk's colors are compared."""
ABOVE, BELOW = 0.04, 0.3
"""How far the trunk reaches beyond shoulders and hips [trunk lengths]."""
FLANK = 5
"""Columns of the grid that are a side's."""
NEARBY = ((2, 0.3), (9, 0.06))
"""Rows of the grid above and below, and the fraction of the sides' cells there that are of the color of the garment:
many right beside hems and stripes, some within reach of dots."""
FOREIGN = 15.0
"""CIELAB distance from which two colors are not the same."""
SHADE = 0.5
"""Weight of lightness in that distance: folds and shadows are of the garment."""
LARGEST_FRACTION = 0.6
"""Of the trunk, above which the sides do not say what the garment is like."""
NARROWEST = 0.3
"""Width of the shoulders [trunk lengths] below which the person is seen from the side."""


@dataclass(frozen=True)
class TrunkJoints(PictureJoints):
    """Joints on a picture, (2, 2) each: two continuous (x, y) [px], first what is on the picture's left."""

    shoulders: np.ndarray
    hips: np.ndarray

    @property
    def length(self) -> float:
        """From shoulders to hips [px]."""
        return float(np.linalg.norm(self.hips.mean(0) - self.shoulders.mean(0)))

    @property
    def is_seen_from_front(self) -> bool:
        """Whether the shoulders lie as far apart as those of a person who faces the camera."""
        return self.shoulders[1, 0] - self.shoulders[0, 0] > NARROWEST * self.length

    def corners(self) -> np.ndarray:
        """(4, 2) float32 [px]: the trunk, as wide as the shoulders, from its top left corner on clockwise."""
        aside = (self.shoulders[1] - self.shoulders[0]) / 2
        top, hips = self.shoulders.mean(0), self.hips.mean(0)
        top, bottom = top + ABOVE * (top - hips), hips + BELOW * (hips - top)
        return np.array([top - aside, top + aside, bottom + aside, bottom - aside], np.float32)


def without_print(picture: np.ndarray, inner: np.ndarray, joints: TrunkJoints) -> np.ndarray:
    """The photo as the back of the person, of the garment's own color where its front has something else on it.

    Args:
        picture: (h, w, 3) uint8.
        inner: (h, w) bool, pixels whose colors are the person's.
        joints: on the picture.

    Returns:
        (h, w, 3) uint8; the picture itself when the trunk is small, seen from the side, or of too many colors.
    """
    corners = joints.corners()
    left, top = np.floor(np.clip(corners.min(0), 0, inner.shape[::-1])).astype(int)
    right, bottom = np.ceil(np.clip(corners.max(0), 0, inner.shape[::-1])).astype(int)
    window = Window(int(top), int(bottom), int(left), int(right))
    if window.is_empty or joints.length < ROWS or not joints.is_seen_from_front:
        return picture
    crop, there = picture[window.slices], inner[window.slices]
    grid = np.array([(0, 0), (COLUMNS, 0), (COLUMNS, ROWS), (0, ROWS)], np.float32)
    to_grid = cv2.getPerspectiveTransform(corners - np.array([left, top], np.float32), grid)
    foreign = _foreign(crop, there, to_grid, joints.length / ROWS)
    if foreign is None:
        return picture
    size, inverse = crop.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    covered = (cv2.warpPerspective(foreign.astype(np.float32), to_grid, size, flags=inverse) > 0.5) & there
    trunk = cv2.warpPerspective(np.ones((ROWS, COLUMNS), np.uint8), to_grid, size, flags=cv2.WARP_INVERSE_MAP) > 0
    known = trunk & there & ~covered
    if not known.any() or not covered.any():
        return picture
    result = picture.copy()
    filled = covered_with(crop, known, covered, joints.length / 2)
    result[window.slices] = blended(crop, filled, covered, max(joints.length / ROWS / 2, 0.5))
    return result


def _foreign(crop: np.ndarray, there: np.ndarray, to_grid: np.ndarray, cell: float) -> np.ndarray | None:
    """(ROWS, COLUMNS) bool: cells of the trunk whose colors its sides do not have; None when those say too little."""
    # A median has no cells that mix two colors at the edge of a dot: those would be like nothing at the sides.
    calm = cv2.medianBlur(crop, 2 * max(round(cell / 2), 1) + 1).astype(np.float32) / 255
    colors = cv2.warpPerspective(calm, to_grid, (COLUMNS, ROWS), flags=cv2.INTER_NEAREST)
    lab = cv2.cvtColor(colors, cv2.COLOR_RGB2LAB) * np.array([SHADE, 1, 1], np.float32)
    body = cv2.warpPerspective(there.astype(np.float32), to_grid, (COLUMNS, ROWS)) > 0.9
    from_left, from_right = np.cumsum(body, 1), np.cumsum(body[:, ::-1], 1)[:, ::-1]
    flank = body & (np.minimum(from_left, from_right) <= FLANK)
    foreign = body.copy()
    for row in np.flatnonzero(body.any(1)):
        for rows, least in NEARBY:
            near = slice(max(row - rows, 0), row + rows + 1)
            sides = lab[near][flank[near]]
            alike = np.linalg.norm(lab[row, :, None] - sides[None], axis=-1) < FOREIGN
            foreign[row] &= alike.mean(1) < least
    if not foreign.any() or foreign.sum() > LARGEST_FRACTION * body.sum():
        return None
    return cv2.dilate(foreign.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
