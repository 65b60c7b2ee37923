"""What a photo does not show of the head: its back, with hair in place of the face, and skin beyond a face's edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.pixel_sets import depth_inside, eroded, nearest_in
from geometry.window import Window, box_of
from utils.computed_once import computed_once
from utils.fold_fill import blended, covered_with, mean_around
from utils.head_hair import (
    BROW,
    FACE_HALF_WIDTH,
    HAIRLINE,
    HALF_WIDTH,
    LONGEST_HAIR,
    NAPE,
    HeadJoints,
    around_head,
    color_distance,
)
from utils.srgb import cielab_from_srgb

LEVEL, MOST_TURNED = 0.1, 0.5
"""Half the height of the part of a head, about the eyes, that tells how wide it is, in heads; the sine of the angle by
which a head may be turned, at most."""
OUTLINE = 0.75
"""How far from the middle of a head what lies about its outline begins, in its radii."""
HAIRLINE_AROUND = (0, 60, 95, 110, 130), (NAPE, NAPE, 0.05, -0.25, -0.55)
"""Angles from the middle of the head's back [deg], and how far below the nose short hair reaches there, in heads."""
LONG_HAIR = 0.6
"""How far below the nose hair must hang to be long, so that it hides the neck, in heads."""
LONG_HALF_WIDTH = 0.5
"""How far long hair on the back reaches to either side of the nose below the neck, in heads."""
ROUND_END = 0.3
"""How much higher long hair ends at its sides than in its middle, in heads."""
RIM_OF_SKIN, SKIN_BEHIND = 0.3, 0.25
"""How far from the outline the skin of the back goes over to the cheeks' mean, and that mean's deviation, in heads."""
SKIN_AT_EDGE, SKIN_AROUND = 0.03, 0.1
"""Deviation of the Gaussian mean that skin beyond a face's edge takes, in heads: at the edge, and as far from it."""


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
    head = _Head.on(picture, inner, hair, joints)
    end = _lower_end(head.hair, head.down)
    if end > NAPE:
        filled, behind = head.with_long_hair(end)
    else:
        head = head.upper()
        filled, behind = head.with_short_hair()
    # What lies outside the person is filled later: the edge there is none of the hair's.
    area = (head.there & behind) | (~head.there & (head.down < end))
    result, here = back.copy(), head.window.slices
    result[here] = blended(back[here], filled, area, 0.04 * joints.unit)
    return result


def with_smooth_face(
    front: np.ndarray, inner: np.ndarray, hair: np.ndarray, joints: HeadJoints, reach: int
) -> np.ndarray:
    """The front of the person, whose skin goes on smoothly beyond the edge of a face: a fold repeats brows and lips.

    Args:
        front: (h, w, 3) uint8, the photo, filled beyond `inner`.
        inner: (h, w) bool, pixels whose colors are the person's.
        hair: (h, w) bool (hair_on).
        joints: on the picture.
        reach: how far beyond `inner` [px].

    Returns:
        (h, w, 3) uint8; `front` itself where no hair is.
    """
    if not hair.any():
        return front
    head = _Head.on(front, inner, hair, joints).upper()
    result = front.copy()
    result[head.window.slices] = head.with_smooth_skin(reach)
    return result


@dataclass(frozen=True)
class _Head:
    """The part of a photo about a head, (h, w) each."""

    joints: HeadJoints
    window: Window  # of the photo
    picture: np.ndarray  # (h, w, 3) uint8
    there: np.ndarray  # bool, pixels of the person
    hair: np.ndarray  # bool, some are
    down: np.ndarray  # below the nose [heads]
    aside: np.ndarray  # beside the nose [heads]

    @classmethod
    def on(cls, picture: np.ndarray, inner: np.ndarray, hair: np.ndarray, joints: HeadJoints) -> _Head:
        """On a picture, as far as hair may reach."""
        window = around_head(joints, inner)
        here = window.slices
        return cls(joints, window, picture[here], inner[here], hair[here], *joints.coordinates(window))

    def upper(self) -> _Head:
        """The part in which short hair lies."""
        box = box_of((self.down <= LONG_HAIR) & (abs(self.aside) < HALF_WIDTH))
        values = (self.picture, self.there, self.hair, self.down, self.aside)
        return _Head(self.joints, box.placed_in(self.window), *(value[box.slices] for value in values))

    @computed_once
    def _lab(self) -> np.ndarray:
        """(h, w, 3) float32 CIELAB."""
        return cielab_from_srgb(self.picture)

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
        filled[skin] = self._skin_behind(cheeks)[skin]
        return filled, behind | skin

    def _skin_behind(self, cheeks: np.ndarray) -> np.ndarray:
        """(h, w, 3) float32: the skin of the back, at the outline as the face is there, elsewhere the cheeks' mean."""
        away = np.maximum(depth_inside(self.there) / RIM_OF_SKIN, depth_inside(~cheeks) / SKIN_AROUND)
        return self._mean_of(cheeks, (SKIN_AROUND, SKIN_BEHIND), away / self.joints.unit)

    def _mean_of(self, skin: np.ndarray, sigmas: tuple[float, float], away: np.ndarray) -> np.ndarray:
        """(h, w, 3) float32: Gaussian means of skin, with the first deviation [heads] where `away` (h, w) is 0, going
        over to the second where it is 1."""
        near, far = (mean_around(self.picture, skin, sigma * self.joints.unit) for sigma in sigmas)
        return near + np.clip(away, 0, 1)[..., None] * (far - near)

    def with_smooth_skin(self, reach: int) -> np.ndarray:
        """(h, w, 3) uint8: the photo, where pixels beyond the person whose nearest one is skin have the skin's mean.

        They are less than `reach` [px] away from it.
        """
        head, filled = self._above_nape, self.picture.copy()
        away = depth_inside(~self.there)
        beyond = head & (away > 0) & (away < reach)
        if not beyond.any() or not self._cheeks.any():
            return filled
        unit, (eyes, _) = self.joints.unit, self.joints.of_eyes()
        # Above the brows what lies about hair is hair in a bright light, whatever its color.
        bare = eroded(~self.hair, max(round(2 * HAIRLINE * unit), 1), outside=True) | (self.down > eyes - BROW)
        skin = self.there & head & ~self.hair & bare & ~self._like_hair(self._lab)
        beyond[beyond] = skin[nearest_in(self.there, beyond)]
        means = self._mean_of(skin, (SKIN_AT_EDGE, SKIN_AROUND), away / (SKIN_AROUND * unit))
        filled[beyond] = means[beyond]
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
        return color_distance(colors - hair) < color_distance(colors - skin)

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


def _lower_end(hair: np.ndarray, down: np.ndarray) -> float:
    """How far down hair covers the back [heads below the nose]: as far as long hair hangs before the shoulders."""
    end = float(down[hair].max())
    return min(end, LONGEST_HAIR) if end > LONG_HAIR else NAPE
