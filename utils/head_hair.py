"""Where the head and its hair are on the photo of a person, by the joints and by what grows above the brow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.pixel_sets import eroded
from geometry.window import Window
from utils.picture_joints import PictureJoints
from utils.srgb import cielab_from_srgb

CROWN_FRACTION = 0.3
"""Of the way from the top of the head to the eyes: what is above that is hair, where there is hair."""
DISTINCT = 12.0
"""CIELAB distance between crown and face from which the crown is not skin."""
ALIKE = 22.0
"""CIELAB distance from the crown up to which a pixel is hair."""
SHADE = 0.4
"""Weight of lightness in that distance for what is darker: hair in the shade is still hair."""
OTHER_TINT = 0.08
"""Difference of a*, b* over L* + 16 from which the tint of the skin is another than that of the hair."""
NAPE = 0.42
"""How far below the nose the back's hair ends, in heads: there the chin ends too."""
LONGEST_HAIR = 1.5
"""How far below the nose it then covers the back at most, in heads."""
HAIRLINE = 0.03
"""Depth of the rim of the hair that is mixed with skin, in heads."""
BROW, FACE_HALF_WIDTH = 0.18, 0.36
"""Where a face begins above the eyes, and how far it reaches to either side of the nose, in heads."""
SMALLEST = 8
"""Of a head whose hair can be told [px]."""
FEWEST = 50
"""Pixels of hair that say what hair is like."""
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
    found, window = np.zeros(inner.shape, bool), around_head(joints, inner)
    if window.is_empty or joints.unit < SMALLEST:
        return found
    down, aside = joints.coordinates(window)
    head = inner[window.slices] & (abs(aside) < HALF_WIDTH)
    hair = _hair(picture[window.slices], head, down, aside, joints)
    if np.count_nonzero(hair) >= FEWEST:
        found[window.slices] = hair
    return found


def around_head(joints: HeadJoints, inner: np.ndarray) -> Window:
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
    lab = cielab_from_srgb(softened)
    from_crown, from_face = (lab - np.median(lab[part], axis=0) for part in (crown, face))
    to_crown, to_face = color_distance(from_crown), np.linalg.norm(from_face, axis=-1)
    if np.median(to_face[crown]) < DISTINCT:
        return crown
    alike = head & (to_crown < 0.7 * to_face) & (to_crown < ALIKE) & ~_tinted_like(lab, face, crown)
    _, part = cv2.connectedComponents(eroded(alike, max(round(HAIRLINE * joints.unit), 1)).astype(np.uint8))
    # Brows, eyes and a beard may hang together with it but are no hair of the head.
    hair = np.isin(part, np.setdiff1d(part[crown], 0)) & ((down < eyes - BROW) | (abs(aside) > FACE_HALF_WIDTH))
    return hair if np.count_nonzero(hair) > max(np.count_nonzero(crown) / 10, FEWEST) else crown


def _tinted_like(lab: np.ndarray, face: np.ndarray, crown: np.ndarray) -> np.ndarray:
    """(h, w) bool: whose tint is nearer to a face's than to the crown's, in whatever light; nowhere if both are alike.

    L* + 16, a* and b* all go with the cube root of the light (CIE 15), so that their ratio is the surface's own.
    """
    tint = lab[..., 1:] / (lab[..., :1] + 16)
    of_face, of_crown = (np.median(tint[part], axis=0) for part in (face, crown))
    to_face, to_crown = (np.linalg.norm(tint - color, axis=-1) for color in (of_face, of_crown))
    return (to_face < to_crown) & bool(np.linalg.norm(of_face - of_crown) > OTHER_TINT)


def color_distance(lab: np.ndarray) -> np.ndarray:
    """(...) length of CIELAB differences (..., 3) from a color; what is darker than that may be its shade."""
    lightness = lab[..., 0] * np.where(lab[..., 0] < 0, SHADE, 1)
    return np.hypot(lightness, np.hypot(lab[..., 1], lab[..., 2]))
