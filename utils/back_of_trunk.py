"""The back of a garment from its front: what lies before the trunk or shows in its middle alone is not on its back.

Forearms and hands before the trunk, what they hold, hair that falls over the shoulders, prints, buttons, what an open
jacket lets see and the neckline go; stripes, dots and hems, which reach the sides, stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from geometry.window import Window
from utils.fold_fill import blended, covered_along_rows, covered_with
from utils.picture_joints import PictureJoints
from utils.srgb import cielab_from_srgb

ROWS, COLUMNS = 72, 48
"""Of the coarse grid on which a trunk's colors are compared."""
ABOVE, BELOW = 0.04, 0.3
"""How far the trunk reaches beyond shoulders and hips [trunk lengths]."""
HIPS_ROW = round(ROWS * (ABOVE + 1) / (ABOVE + 1 + BELOW))
"""Of the grid."""
FLANK = 5
"""Columns of the grid that are a side's."""
NEARBY = ((2, 0.3), (9, 0.06))
"""Rows of the grid above and below, and the fraction of the sides' cells there that are of the color of the garment:
many right beside hems and stripes, some within reach of dots."""
FOREIGN = 15.0
"""CIELAB distance from which two colors are not the same."""
SHADE = 0.5
"""Weight of lightness in that distance: folds and shadows are of the garment."""
LARGEST_FRACTION = 0.75
"""Of the trunk, above which the sides do not say what the garment is like."""
MOST_HAIR = 0.4
"""Of the trunk, that hair before it covers."""
WAIST, SEAM = 0.85, 0.03
"""Where one garment ends and the next begins if no side shows it, and over what height they mix: from shoulders to hips
[trunk lengths]."""
NARROWEST = 0.3
"""Width of the shoulders [trunk lengths] below which the person is seen from the side."""
ARM_RADIUS, HAND_RADIUS, FINGER_TIPS = 0.12, 0.14, 0.5
"""Of a forearm and of a hand [trunk lengths], and how much farther than its middle joints a hand's fingers reach."""
ABOVE_ELBOW = 0.4
"""Of an upper arm, that is taken for part of the forearm."""
BEFORE_TRUNK = 0.75
"""Thickness of the body, of the median of the trunk, from which an arm is before the trunk and not beside it."""
HELD_RADIUS = 0.42
"""How far from a hand before the trunk what it holds may hide the sides [trunk lengths]."""
MOST_PIXELS = 30000
"""What OpenCV can draw."""
THINNEST, FEWEST_CELLS = 5, 60
"""A piece of a garment from which more can be made: cells across, and cells in all where a hand may hold it."""


@dataclass(frozen=True)
class TrunkJoints(PictureJoints):
    """Joints on a picture, pairs of continuous (x, y) [px], first what is on the picture's left."""

    shoulders: np.ndarray  # (2, 2)
    hips: np.ndarray  # (2, 2)
    arms: np.ndarray  # (2, 3, 2), elbow, wrist and middle of the fingers of each

    @property
    def length(self) -> float:
        """From shoulders to hips [px]."""
        return float(np.linalg.norm(self.hips.mean(0) - self.shoulders.mean(0)))

    @property
    def is_seen_from_front(self) -> bool:
        """Whether the shoulders lie as far apart as those of a person who faces the camera."""
        return self.shoulders[1, 0] - self.shoulders[0, 0] > NARROWEST * self.length

    def below_waist(self, window: Window) -> np.ndarray:
        """(h, w) float32 in [0, 1]: how far the pixels of a window lie below the waist and not above it."""
        down = (self.hips.mean(0) - self.shoulders.mean(0)) / self.length**2
        x = np.arange(window.left, window.right, dtype=np.float32) + 0.5 - self.shoulders[:, 0].mean()
        y = np.arange(window.top, window.bottom, dtype=np.float32)[:, None] + 0.5 - self.shoulders[:, 1].mean()
        return np.clip((x * down[0] + y * down[1] - WAIST) / SEAM + 0.5, 0, 1).astype(np.float32)

    def corners(self) -> np.ndarray:
        """(4, 2) float32 [px]: the trunk, as wide as the shoulders, from its top left corner on clockwise."""
        aside = (self.shoulders[1] - self.shoulders[0]) / 2
        top, hips = self.shoulders.mean(0), self.hips.mean(0)
        top, bottom = top + ABOVE * (top - hips), hips + BELOW * (hips - top)
        return np.array([top - aside, top + aside, bottom + aside, bottom - aside], np.float32)

    def arms_and_held(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) uint8 each, 1 at the pixels of a window on which forearms and hands lie; where something may be that
        hands at the trunk hold."""
        elbows, wrists, fingers = self.arms.transpose(1, 0, 2)
        upper, tips = elbows + ABOVE_ELBOW * (self.shoulders - elbows), fingers + FINGER_TIPS * (fingers - wrists)
        arms, held = (np.zeros((window.height, window.width), np.uint8) for _ in range(2))
        self._draw(arms, window, np.stack([upper, elbows], 1), ARM_RADIUS)
        self._draw(arms, window, np.stack([elbows, wrists], 1), ARM_RADIUS)
        hands = np.stack([wrists, tips], 1)
        self._draw(arms, window, hands, HAND_RADIUS)
        inside = [cv2.pointPolygonTest(self.corners(), hand.mean(0).tolist(), True) for hand in hands]
        self._draw(held, window, hands[np.array(inside) > -HAND_RADIUS * self.length], HELD_RADIUS)
        return arms, held

    def _draw(self, painted: np.ndarray, window: Window, lines: np.ndarray, radius: float) -> None:
        """Paint lines (N, 2, 2) of a radius [trunk lengths] onto a window."""
        width = min(max(round(2 * radius * self.length), 1), MOST_PIXELS)
        ends = np.round(lines - (window.left, window.top))
        for start, end in np.clip(ends, -MOST_PIXELS, MOST_PIXELS).astype(int).tolist():
            cv2.line(painted, start, end, 1, width)


@dataclass(frozen=True)
class _Grid:
    """The trunk on the part of a picture around it, in cells."""

    window: Window  # of the picture
    from_window: np.ndarray  # (3, 3) homography from the window's pixels to cells

    @classmethod
    def of(cls, joints: TrunkJoints, height: int, width: int) -> _Grid:
        corners = joints.corners()
        left, top = np.floor(np.clip(corners.min(0), 0, (width, height))).astype(int).tolist()
        right, bottom = np.ceil(np.clip(corners.max(0), 0, (width, height))).astype(int).tolist()
        cells = np.array([(0, 0), (COLUMNS, 0), (COLUMNS, ROWS), (0, ROWS)], np.float32)
        at = corners - np.array([left, top], np.float32)
        return cls(Window(top, bottom, left, right), cv2.getPerspectiveTransform(at, cells))

    def cells(self, values: np.ndarray, flags: int = cv2.INTER_LINEAR) -> np.ndarray:
        """Values of the window's pixels at the cells, (ROWS, COLUMNS[, 3])."""
        return cv2.warpPerspective(values, self.from_window, (COLUMNS, ROWS), flags=flags)

    def pixels(self, cells: np.ndarray) -> np.ndarray:
        """(h, w) bool: the window's pixels in these cells (ROWS, COLUMNS) bool."""
        size, inverse = (self.window.width, self.window.height), cv2.WARP_INVERSE_MAP
        values, inside = cells.astype(np.float32), np.ones((ROWS, COLUMNS), np.uint8)
        near = cv2.warpPerspective(
            values, self.from_window, size, flags=inverse | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return (near > 0.5) & (cv2.warpPerspective(inside, self.from_window, size, flags=inverse) > 0)


def back_of_garment(
    picture: np.ndarray,
    inner: np.ndarray,
    thickness: np.ndarray,
    joints: TrunkJoints,
    hair: np.ndarray,
) -> np.ndarray:
    """The photo as the back of the person, of the garment's own color where its front has something else on it.

    Args:
        picture: (h, w, 3) uint8.
        inner: (h, w) bool, pixels whose colors are the person's.
        thickness: (h, w) float32 from the front to the back map, in any unit.
        joints: on the picture.
        hair: (h, w) bool, of which some may hang before the trunk.

    Returns:
        (h, w, 3) uint8; the picture itself when the trunk is small, seen from the side, or of too many colors.
    """
    grid = _Grid.of(joints, *inner.shape)
    if grid.window.is_empty or joints.length < ROWS or not joints.is_seen_from_front:
        return picture
    crop, there, thickness = (values[grid.window.slices] for values in (picture, inner, thickness))
    body, thick = grid.cells(there.astype(np.float32)) > 0.9, grid.cells(thickness)
    before = body & (thick > BEFORE_TRUNK * (np.median(thick[body]) if body.any() else 0))
    arms, held = (before & (grid.cells(painted) > 0) for painted in joints.arms_and_held(grid.window))
    arms |= _before_trunk(grid.cells(hair[grid.window.slices].astype(np.float32)) > 0.5, body)
    # A median has no cells that mix two colors at the edge of a dot: those would be like nothing at the sides.
    calm = cv2.medianBlur(crop, 2 * max(round(joints.length / ROWS / 2), 1) + 1)
    foreign = _foreign(grid.cells(calm, cv2.INTER_NEAREST), body, arms, held)
    if foreign is None:
        return picture
    covered = there & grid.pixels(foreign)
    known = there & grid.pixels(_thick(body & ~foreign)) & ~covered
    if not known.any() or not covered.any():
        return picture
    # All of it: where a row has nothing known, its columns go on from what other rows were covered with.
    result, filled = picture.copy(), covered_along_rows(crop, known, covered, joints.below_waist(grid.window))
    # A print is smaller than an arm with a ball: the light of its surroundings can go on across it.
    prints = covered & grid.pixels(_apart(foreign, arms | held))
    if prints.any():
        filled[prints] = covered_with(crop, known, prints, joints.length / 2)[prints]
    result[grid.window.slices] = blended(crop, filled, covered, max(joints.length / ROWS / 2, 0.5))
    return result


def _before_trunk(hair: np.ndarray, body: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) bool: hair's cells, unless they are so many that a garment is taken for hair."""
    return hair & body & (np.count_nonzero(hair & body) < MOST_HAIR * np.count_nonzero(body))


def _foreign(colors: np.ndarray, body: np.ndarray, arms: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """(ROWS, COLUMNS) bool: arms and cells of colors that the sides do not have; None when those say too little.

    Args:
        colors: (ROWS, COLUMNS, 3) uint8.
        body, arms, held: (ROWS, COLUMNS) bool, cells of the person, of arms and hair before the trunk, of what they
            may hold.
    """
    lab = cielab_from_srgb(colors) * np.array([SHADE, 1, 1], np.float32)
    from_left, from_right = np.cumsum(body, 1), np.cumsum(body[:, ::-1], 1)[:, ::-1]
    garment = body & ~arms
    flank = garment & (np.minimum(from_left, from_right) <= FLANK) & ~held
    foreign = garment.copy()
    for row in np.flatnonzero(garment.any(1)).tolist():
        for near, least in _sides_near(row, np.flatnonzero(flank.sum(1) >= FLANK)):
            sides = lab[near][flank[near]]
            squared = (lab[row] ** 2).sum(1)[:, None] + (sides**2).sum(1) - 2 * lab[row] @ sides.T
            foreign[row] &= np.count_nonzero(squared < FOREIGN**2, axis=1) < least * max(len(sides), 1)
    foreign |= arms
    if not foreign.any() or foreign.sum() > LARGEST_FRACTION * body.sum():
        return None
    foreign = cv2.dilate(foreign.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    # Pieces of a garment between arms and what they hold are too small to tell what they are.
    return foreign | (held & ~_large(_thick(body & ~foreign)))


def _apart(cells: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The cells (ROWS, COLUMNS) bool in pieces without one of the others."""
    _, piece = cv2.connectedComponents(cells.astype(np.uint8), connectivity=4)
    return cells & ~np.isin(piece, piece[cells & others])


def _thick(cells: np.ndarray) -> np.ndarray:
    """The cells (ROWS, COLUMNS) bool that lie in squares THINNEST wide."""
    return cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, np.ones((THINNEST, THINNEST), np.uint8)) > 0


def _large(cells: np.ndarray) -> np.ndarray:
    """The cells (ROWS, COLUMNS) bool in pieces of FEWEST_CELLS or more."""
    _, piece, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=4)
    return cells & (stats[:, cv2.CC_STAT_AREA] >= FEWEST_CELLS)[piece]


def _sides_near(row: int, seen: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """Rows whose sides are compared with a row, each time with the fraction of NEARBY.

    Where no sides are `seen` (N,) nearby, as behind a ball, the next above and below; above the hips the one is enough.
    """
    for rows, least in NEARBY:
        near = seen[abs(seen - row) <= rows]
        above, below = seen[seen < row][-rows:], seen[seen > row][:rows]
        if not len(near) and len(above) and (len(below) or row < HIPS_ROW):
            near = np.concatenate([above, below])
        yield near, least if len(near) else 0.0
