"""The back of the head from the photo of a face: what grows above the brow covers what lies below it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from geometry.pixel_sets import depth_inside, eroded, nearest_in
from geometry.window import Window
from utils.fold_fill import blended, covered_with, mean_around
from utils.picture_joints import PictureJoints

CROWN_FRACTION = 0.3
"""Of the way from the top of the head to the eyes: what is above that is hair, where there is hair."""
DISTINCT = 12.0
"""CIELAB distance between crown and face from which the crown is not skin."""
ALIKE = 22.0
"""CIELAB distance from the crown up to which a pixel is hair."""
SHADE = 0.4
"""Weight of lightness in that distance for what is darker: hair in the shade is still hair."""
NAPE = 0.42
"""How far below the nose the back's hair ends, in heads: there the chin ends too."""
LEVEL, MOST_TURNED = 0.1, 0.5
"""Half the height of the part of a head, about the eyes, that tells how wide it is, in heads; the sine of the angle by
which a head may be turned, at most."""
OUTLINE = 0.75
"""How far from the middle of a head what lies about its outline begins, in its radii."""
HAIRLINE_AROUND = (0, 60, 95, 110, 130), (NAPE, NAPE, 0.05, -0.25, -0.55)
"""Angles from the middle of the head's back [deg], and how far below the nose short hair reaches there, in heads."""
LONG_HAIR = 0.6
"""How far below the nose hair must hang to be long, so that it hides the neck, in heads."""
LONGEST_HAIR = 1.5
"""How far below the nose it then covers the back at most, in heads."""
HAIRLINE = 0.03
"""Depth of the rim of the hair that is mixed with skin, in heads."""
BROW, FACE_HALF_WIDTH = 0.18, 0.36
"""Where a face begins above the eyes, and how far it reaches to either side of the nose, in heads."""
LONG_HALF_WIDTH = 0.5
"""The same below the neck, where long hair falls on the back."""
ROUND_END = 0.3
"""How much higher long hair ends at its sides than in its middle, in heads."""
SMALLEST = 8
"""Of a head whose hair can be told [px]."""
FEWEST = 50
"""Pixels of hair that say what hair is like."""
SKIN_AT_EDGE, SKIN_AROUND = 0.03, 0.1
"""Deviation of the Gaussian mean that skin beyond a face's edge takes, in heads: at the edge, and as far from it."""
HALF_WIDTH = 0.8
"""Of the part of the picture that a head may fill to either side of the nose, in heads."""


@dataclass(frozen=True)
class HeadJoints(PictureJoints):
    """Joints on a picture, (2,) each, continuous (x, y) [px]."""

    nose: np.ndarray
    eyes: np.ndarray  # between them
    neck: np.ndarray  # between the shoulders

    @property
    def unit(self) -> float:
        """From nose to neck [px]: the unit "head" of this module; a head is about 1.25 of it high."""
        return float(np.linalg.norm(self.neck - self.nose))

    def coordinates(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """(h, w) each: how far every pixel of a window lies below and beside the nose, along the neck [heads]."""
        x = np.arange(window.left, window.right) + 0.5
        return self._from_nose(x, (np.arange(window.top, window.bottom) + 0.5)[:, None])

    def of_eyes(self) -> tuple[float, float]:
        """How far the middle between the eyes lies below and beside the nose [heads]."""
        down, aside = self._from_nose(*self.eyes)
        return float(down), float(aside)

    def _from_nose(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, down = x - self.nose[0], y - self.nose[1], (self.neck - self.nose) / self.unit
        return (x * down[0] + y * down[1]) / self.unit, (x * down[1] - y * down[0]) / self.unit


def head_area(joints: HeadJoints, size: int) -> np.ndarray:
    """(R, R) bool: the pixels of an R x R canvas that may belong to the head, from its top to the chin."""
    down, aside = joints.coordinates(Window.full(size))
    return (abs(down) < 1) & (down < NAPE) & (abs(aside) < HALF_WIDTH)


def hair_on(picture: np.ndarray, inner: np.ndarray, joints: HeadJoints) -> np.ndarray:
    """The hair in a photo, with what hangs before the shoulders; the skin of the crown where there is none.

    Args:
        picture: (h, w, 3) uint8.
        inner: (h, w) bool, pixels whose colors are the person's.
        joints: on the picture.

    Returns:
        (h, w) bool; nothing when the head is too small to tell, or outside of the picture.
    """
    found, window = np.zeros(inner.shape, bool), _around(joints, inner)
    if window.is_empty or joints.unit < SMALLEST:
        return found
    down, aside = joints.coordinates(window)
    head = inner[window.slices] & (abs(aside) < HALF_WIDTH)
    hair = _hair(picture[window.slices], head, down, aside, joints)
    if np.count_nonzero(hair) >= FEWEST:
        found[window.slices] = hair
    return found


def with_back_of_head(
    back: np.ndarray, picture: np.ndarray, inner: np.ndarray, hair: np.ndarray, joints: HeadJoints
) -> np.ndarray:
    """The back of the person: hair, or skin where there is none, in place of the face; long hair falls on the back.

    Args:
        back: (h, w, 3) uint8, of the person without the head.
        picture: (h, w, 3) uint8, the photo.
        inner: (h, w) bool, pixels whose colors are the person's.
        hair: (h, w) bool (hair_on).
        joints: on the picture.

    Returns:
        (h, w, 3) uint8; `back` itself where no hair is.
    """
    if not hair.any():
        return back
    window = _around(joints, inner)
    here = window.slices
    head = _Head(joints, picture[here], inner[here], hair[here], *joints.coordinates(window))
    end = _lower_end(head.hair, head.down)
    filled, behind = head.with_short_hair() if end <= NAPE else head.with_long_hair(end)
    # What lies outside the person is filled later: the edge there is none of the hair's.
    area = (head.there & behind) | (~head.there & (head.down < end))
    result = back.copy()
    result[here] = blended(back[here], filled, area, 0.04 * joints.unit)
    return result


def with_smooth_face(front: np.ndarray, inner: np.ndarray, hair: np.ndarray, joints: HeadJoints) -> np.ndarray:
    """The front of the person, whose skin goes on smoothly beyond the edge of a face: a fold repeats brows and lips.

    Args:
        front: (h, w, 3) uint8, the photo, filled beyond `inner`.
        inner: (h, w) bool, pixels whose colors are the person's.
        hair: (h, w) bool (hair_on).
        joints: on the picture.

    Returns:
        (h, w, 3) uint8; `front` itself where no hair is.
    """
    if not hair.any():
        return front
    window = _around(joints, inner)
    here = window.slices
    head = _Head(joints, front[here], inner[here], hair[here], *joints.coordinates(window))
    result = front.copy()
    result[here] = head.with_smooth_skin()
    return result


@dataclass(frozen=True)
class _Head:
    """The part of a photo about a head, (h, w) each."""

    joints: HeadJoints
    picture: np.ndarray  # (h, w, 3) uint8
    there: np.ndarray  # bool, pixels of the person
    hair: np.ndarray  # bool, some are
    down: np.ndarray  # below the nose [heads]
    aside: np.ndarray  # beside the nose [heads]

    @cached_property
    def _lab(self) -> np.ndarray:
        """(h, w, 3) float32 CIELAB."""
        return cv2.cvtColor(self.picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)

    def with_long_hair(self, end: float) -> tuple[np.ndarray, np.ndarray]:
        """The back, (h, w, 3), and where it has hair: down to the nape, and in the middle down to an end [heads]."""
        beside = self.aside / LONG_HALF_WIDTH
        behind = self._above_nape | ((abs(beside) < 1) & (self.down < end - ROUND_END * beside**2))
        return self._haired(behind), behind

    def with_short_hair(self) -> tuple[np.ndarray, np.ndarray]:
        """The back, (h, w, 3), and where it is another than the photo: hair down to the hairline, below it skin."""
        head = self._above_nape
        cheeks = self._cheeks
        if not cheeks.any():
            return self._haired(head), head
        behind = head & (self.down < self._hairline())
        filled, skin = self._haired(behind), self.there & head & ~(behind | self.hair)
        filled[skin] = mean_around(self.picture, cheeks, self.joints.unit / 4)[skin]
        return filled, behind | skin

    def with_smooth_skin(self) -> np.ndarray:
        """(h, w, 3) uint8: the photo, where pixels beyond the person whose nearest one is skin have the skin's mean."""
        head, filled = self._above_nape, self.picture.copy()
        beyond = head & ~self.there
        if not beyond.any() or not self._cheeks.any():
            return filled
        unit, (eyes, _) = self.joints.unit, self.joints.of_eyes()
        in_light = eroded(~self.hair, max(round(2 * HAIRLINE * unit), 1), outside=True) | (self.down > eyes - BROW)
        skin = self.there & head & ~self.hair & in_light & ~self._like_hair(self._lab)
        beyond[beyond] = skin[nearest_in(self.there, beyond)]
        away = np.clip(depth_inside(~self.there) / (SKIN_AROUND * unit), 0, 1)[..., None]
        near, far = (mean_around(self.picture, skin, sigma * unit) for sigma in (SKIN_AT_EDGE, SKIN_AROUND))
        filled[beyond] = (near + away * (far - near))[beyond]
        return filled

    @property
    def _above_nape(self) -> np.ndarray:
        """(h, w) bool."""
        return (self.down < NAPE) & (abs(self.aside) < HALF_WIDTH)

    @property
    def _cheeks(self) -> np.ndarray:
        """(h, w) bool: skin for certain, where there is any."""
        below_eyes = (abs(self.aside) < FACE_HALF_WIDTH) & (self.down > 0)
        return self.there & ~self.hair & self._above_nape & below_eyes

    def _like_hair(self, colors: np.ndarray) -> np.ndarray:
        """(...) bool: whether CIELAB colors (..., 3) are nearer to the hair's than to the cheeks'."""
        hair, skin = (np.median(self._lab[part], axis=0) for part in (self.hair, self._cheeks))
        return _distance(colors - hair) < _distance(colors - skin)

    def _haired(self, behind: np.ndarray) -> np.ndarray:
        """(h, w, 3) float32: the photo with hair at all pixels `behind` of the person."""
        filled = covered_with(self.picture, self.hair, self.there & behind & ~self.hair, self.joints.unit)
        filled[self.hair] = self.picture[self.hair]
        return filled

    def _hairline(self) -> np.ndarray:
        """(h, w): how far below the nose short hair reaches at a pixel of the back [heads].

        A head is taken for a round column, turned to where the eyes are in its outline. From the middle of its back
        around: the nape, the ears, the temples. Where the outline itself is of the hair's color, hair covers the ear.
        """
        height, place = self.joints.of_eyes()
        near = self.there & (abs(self.aside - place) < HALF_WIDTH)
        level = near & (abs(self.down - height) < LEVEL)
        if not level.any():
            return np.full(level.shape, NAPE)
        left, right = np.percentile(self.aside[level], (2, 98)).tolist()
        middle, radius = (left + right) / 2, max((right - left) / 2, LEVEL)
        turned = np.degrees(np.arcsin(np.clip((place - middle) / radius, -MOST_TURNED, MOST_TURNED)))
        across = (self.aside - middle) / radius
        hairline = np.interp(abs(np.degrees(np.arcsin(np.clip(across, -1, 1))) + turned), *HAIRLINE_AROUND)
        rim = near & (abs(across) > OUTLINE) & (self.down > 0) & (self.down < NAPE)
        for side in (across < 0, across > 0):
            outline = rim & side
            if not outline.any() or self._like_hair(np.median(self._lab[outline], axis=0)):
                hairline[side] = NAPE
        return hairline


def _around(joints: HeadJoints, inner: np.ndarray) -> Window:
    """As far as hair may reach on a picture (h, w)."""
    reach = int((LONGEST_HAIR + 0.2) * joints.unit) + 1
    x, y = (int(value) for value in joints.nose)
    height, width = inner.shape
    rows, columns = np.clip((y - reach, y + reach), 0, height), np.clip((x - reach, x + reach), 0, width)
    return Window(int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))


def _hair(crop: np.ndarray, head: np.ndarray, down: np.ndarray, aside: np.ndarray, joints: HeadJoints) -> np.ndarray:
    """(h, w) bool: pixels of the head like those of its crown and, if the face has another color, unlike those."""
    narrow = head & (abs(aside) < 0.4) & (down < 0)
    face = head & (abs(aside) < 0.25) & (down > -0.1) & (down < 0.3)
    eyes, _ = joints.of_eyes()
    if not narrow.any() or not face.any():
        return np.zeros_like(head)
    top = float(down[narrow].min())
    crown = narrow & (down < top + CROWN_FRACTION * (eyes - top))
    if not crown.any():  # the eyes are outside of the person
        return crown
    softened = cv2.GaussianBlur(crop.astype(np.float32) / 255, (0, 0), max(HAIRLINE / 2 * joints.unit, 0.5))
    lab = cv2.cvtColor(softened, cv2.COLOR_RGB2LAB)
    from_crown, from_face = (lab - np.median(lab[part], axis=0) for part in (crown, face))
    to_crown, to_face = _distance(from_crown), np.linalg.norm(from_face, axis=-1)
    if np.median(to_face[crown]) < DISTINCT:
        return crown
    alike = head & (to_crown < 0.7 * to_face) & (to_crown < ALIKE)
    _, part = cv2.connectedComponents(eroded(alike, max(round(HAIRLINE * joints.unit), 1)).astype(np.uint8))
    # Brows, eyes and a beard may hang together with it but are no hair of the head.
    hair = np.isin(part, np.setdiff1d(part[crown], 0)) & ((down < eyes - BROW) | (abs(aside) > FACE_HALF_WIDTH))
    return hair if np.count_nonzero(hair) > max(np.count_nonzero(crown) / 10, FEWEST) else crown


def _distance(lab: np.ndarray) -> np.ndarray:
    """(...) length of CIELAB differences (..., 3) from a color; what is darker than that may be its shade."""
    lightness = lab[..., 0] * np.where(lab[..., 0] < 0, SHADE, 1)
    return np.hypot(lightness, np.hypot(lab[..., 1], lab[..., 2]))


def _lower_end(hair: np.ndarray, down: np.ndarray) -> float:
    """How far down hair covers the back [heads below the nose]: as far as long hair hangs before the shoulders."""
    end = float(down[hair].max())
    return min(end, LONGEST_HAIR) if end > LONG_HAIR else NAPE
