"""From a photo of any size to what the networks see, the same way at training and at test (METHOD.md 3.3 and 8.3)."""

from __future__ import annotations

from copy import copy

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from geometry.camera import HALF_TANGENT
from geometry.window import Window, box_of_lines

TEST_DIMMING = 0.85
"""Brightness, contrast and saturation at test: the middle of training's range [0.7, 1.0]."""


TRAINING_EXTENT = 0.745
"""How much of the canvas the longer side of a person's box fills in training: the median of rendered people."""
SMALLEST_TRAINING_EXTENT = 0.68
"""The same of the smallest of them."""


class SquareCanvas:
    """One change of coordinates for photo, mask and joints: a square of the photo, resized to the canvas (METHOD.md 2).

    The official square is the whole photo with its border repeated to both sides of its shorter axis, the smaller half
    first; `around` takes another.

    Args:
        height, width: of the photo [px].
        size: side of the canvas [px].
        square: left, top and side of the square in the photo's pixels; it may stand out. None: the official one.
    """

    def __init__(self, height: int, width: int, size: int, square: tuple[int, int, int] | None = None) -> None:
        self.height, self.width, self.size = height, width, size
        side = max(height, width)
        self.left, self.top, self.side = square or (-((side - width) // 2), -((side - height) // 2), side)

    @classmethod
    def around(cls, person: np.ndarray, joints: np.ndarray, size: int) -> SquareCanvas:
        """The official square, or a smaller one in which a person who is small in it is as large as in training.

        Args:
            person: (H, W) bool mask.
            joints: (31, 2) in the photo's pixels.
        """
        height, width = person.shape
        rows, columns = np.flatnonzero(person.any(axis=1)), np.flatnonzero(person.any(axis=0))
        low = np.minimum(joints.min(axis=0), (columns[0], rows[0]))
        high = np.maximum(joints.max(axis=0), (columns[-1] + 1, rows[-1] + 1))
        extent = (high - low).max()
        if extent >= SMALLEST_TRAINING_EXTENT * max(height, width):
            return cls(height, width, size)
        side = int(np.ceil(extent / TRAINING_EXTENT))
        left, top = np.floor((low + high - side) / 2).astype(int)
        return cls(height, width, size, (int(left), int(top), side))

    def _square(self, pixels: np.ndarray, border: int) -> np.ndarray:
        """The square of the photo, (side, side[, 3]); beyond the photo, what OpenCV's border type says."""
        top, left = max(-self.top, 0), max(-self.left, 0)
        bottom, right = max(self.top + self.side - self.height, 0), max(self.left + self.side - self.width, 0)
        inside = pixels[max(self.top, 0) : self.top + self.side, max(self.left, 0) : self.left + self.side]
        return cv2.copyMakeBorder(inside, top, bottom, left, right, border)

    def resized(self, size: int) -> SquareCanvas:
        """The same square of the photo on a canvas of another size."""
        other = copy(self)
        other.size = size
        return other

    def image(self, pixels: np.ndarray, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
        """(height, width[, 3]) uint8 -> (size, size[, 3]); beyond the photo its border is repeated."""
        square = self._square(pixels, cv2.BORDER_REPLICATE)
        if self.side == self.size:
            return square
        return cv2.resize(square, (self.size, self.size), interpolation=interpolation)

    def mask(self, person: np.ndarray) -> np.ndarray:
        """(height, width) bool -> (size, size) bool; what lies beyond the photo is background."""
        square = self._square(person.astype(np.float32), cv2.BORDER_CONSTANT)
        return cv2.resize(square, (self.size, self.size), interpolation=cv2.INTER_LINEAR) > 0.5

    def points(self, xy: np.ndarray) -> np.ndarray:
        """(N, 2) photo pixels -> canvas pixels: (p - corner) size / side, without a half-pixel term."""
        return (xy - (self.left, self.top)) * (self.size / self.side)

    def in_whole_photo(self, points: np.ndarray) -> np.ndarray:
        """World points of this canvas' camera in that of the official square, the whole photo.

        Every point projects to the same place of the photo, and lengths across the view stay what they are: the person
        moves away from the camera as much as it is smaller in the whole photo. The identity for the official square.

        Args:
            points: (N, 3), geometry.camera's world.
        """
        whole = SquareCanvas(self.height, self.width, self.size)
        smaller = self.side / whole.side
        depth = 1 - points[:, 2]
        # Where this square's middle lies in the whole one, in slopes of the viewing rays.
        aside = ((np.array([self.left, self.top]) - (whole.left, whole.top) + self.side / 2) / whole.side - 0.5) * 2
        aside *= (HALF_TANGENT, -HALF_TANGENT)
        across = points[:, :2] + aside * (depth / smaller)[:, None]
        return np.column_stack([across, 1 - depth / smaller])


def canvas_coordinates(xy: np.ndarray, size: int) -> np.ndarray:
    """(N, 2) places on a size x size canvas [px] -> the same with the canvas spanning [-1, 1]: 2 p / size - 1."""
    return 2 * xy / size - 1


def to_network(rgb: np.ndarray | Tensor) -> Tensor:
    """(H, W, 3) or (B, H, W, 3) uint8 RGB -> (1 or B, 3, H, W) float32 in [-1, 1], on the tensor's device."""
    pixels = torch.as_tensor(rgb)
    planes = (pixels if pixels.dim() == 4 else pixels[None]).permute(0, 3, 1, 2)
    return planes.to(torch.float32).mul_(2 / 255).sub_(1)


def dimmed(rgb: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """(H, W, 3) uint8 with the three changed in this order, each to 8 bits (METHOD.md 8.3).

    By Pillow, as in the official code: torchvision's functions on tensors round otherwise, and move 60 % of the
    person's pixels by one grey level. Black pixels all become one grey: only the box around the others is computed.
    """
    box = _box_of_colors(rgb)
    black, inside = (
        ImageEnhance.Brightness(Image.fromarray(part)).enhance(brightness)
        for part in (np.zeros((1, 1, 3), np.uint8), np.ascontiguousarray(rgb[box.slices]))
    )
    # Contrast leans on the mean of the whole picture, in which black counts nothing (Pillow's ImageEnhance.Contrast).
    total = sum(level * count for level, count in enumerate(inside.convert("L").histogram()))
    grey = int(total / (rgb.shape[0] * rgb.shape[1]) + 0.5)
    changed = np.empty_like(rgb)
    for place, picture in ((..., black), (box.slices, inside)):
        picture = Image.blend(Image.new("RGB", picture.size, (grey,) * 3), picture, contrast)
        changed[place] = np.asarray(ImageEnhance.Color(picture).enhance(saturation))
    return changed


def _box_of_colors(rgb: np.ndarray) -> Window:
    """The box around all pixels that are not black; one pixel where all are."""
    # Over three values a pixel any() is slow: lines are looked at whole.
    box = box_of_lines(rgb.reshape(len(rgb), -1).max(1) > 0, rgb.max(0).max(1) > 0)
    return Window(0, 1, 0, 1) if box.is_empty else box


def cut_out(
    rgb: np.ndarray, person: np.ndarray, backdrop: tuple[int, ...], dimming: tuple[float, float, float]
) -> np.ndarray:
    """Take the background away and dim the picture (METHOD.md 8.3).

    The background becomes 0, then the picture is dimmed. Contrast leans on the mean of the whole canvas, so the
    background ends a little above black, like black clothes; a backdrop tells them apart.

    Args:
        rgb: (R, R, 3) uint8.
        person: (R, R) bool.
        backdrop: RGB that the background gets after the dimming; () leaves it black.
        dimming: factors of brightness, contrast and saturation.

    Returns:
        (R, R, 3) uint8.
    """
    picture = dimmed(np.where(person[..., None], rgb, 0).astype(np.uint8), *dimming)
    return np.where(person[..., None], picture, np.array(backdrop, np.uint8)) if backdrop else picture


def prepared_photo(rgb: np.ndarray, person: np.ndarray, backdrop: tuple[int, ...]) -> np.ndarray:
    """`cut_out` as it is done at test: dimmed by 0.85 three times."""
    return cut_out(rgb, person, backdrop, (TEST_DIMMING,) * 3)
