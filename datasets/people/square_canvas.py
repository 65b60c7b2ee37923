"""From a photo of any size to what the networks see, the same way at training and at test (METHOD.md 3.3 and 8.3)."""

from __future__ import annotations

from copy import copy

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as adjust

TEST_DIMMING = 0.85
"""Brightness, contrast and saturation at test: the middle of training's range [0.7, 1.0]."""


class SquareCanvas:
    """One change of coordinates for photo, mask and joints: pad to a square, then resize to the canvas (METHOD.md 3.3).

    Args:
        height, width: of the photo [px].
        size: side of the canvas [px].
    """

    def __init__(self, height: int, width: int, size: int) -> None:
        self.size = size
        self.side = max(height, width)
        self.top, self.left = (self.side - height) // 2, (self.side - width) // 2
        self.height, self.width = height, width

    def resized(self, size: int) -> SquareCanvas:
        """The same square of the photo on a canvas of another size."""
        other = copy(self)
        other.size = size
        return other

    def image(self, pixels: np.ndarray, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
        """(height, width[, 3]) uint8 -> (size, size[, 3]): replicated borders, the smaller half first."""
        bottom, right = self.side - self.height - self.top, self.side - self.width - self.left
        square = cv2.copyMakeBorder(pixels, self.top, bottom, self.left, right, cv2.BORDER_REPLICATE)
        if self.side == self.size:
            return square
        return cv2.resize(square, (self.size, self.size), interpolation=interpolation)

    def mask(self, person: np.ndarray) -> np.ndarray:
        """(height, width) bool -> (size, size) bool; the padding is background."""
        square = np.zeros((self.side, self.side), np.float32)
        square[self.top : self.top + self.height, self.left : self.left + self.width] = person
        return cv2.resize(square, (self.size, self.size), interpolation=cv2.INTER_LINEAR) > 0.5

    def points(self, xy: np.ndarray) -> np.ndarray:
        """(N, 2) photo pixels -> canvas pixels: (p + pad) size / side, without a half-pixel term."""
        return (xy + (self.left, self.top)) * (self.size / self.side)


def canvas_coordinates(xy: np.ndarray, size: int) -> np.ndarray:
    """(N, 2) places on a size x size canvas [px] -> the same with the canvas spanning [-1, 1]: 2 p / size - 1."""
    return 2 * xy / size - 1


def to_network(rgb: np.ndarray | Tensor) -> Tensor:
    """(H, W, 3) uint8 RGB -> (1, 3, H, W) float32 in [-1, 1]."""
    planes = torch.as_tensor(rgb).permute(2, 0, 1)[None]
    return planes.to(torch.float32).mul_(2 / 255).sub_(1)


def dimmed(rgb: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """(H, W, 3) uint8 with the three changed in this order, each to 8 bits (METHOD.md 8.3).

    On a Pillow image, as the official code does: on tensors the same functions round otherwise, and move 60 % of the
    person's pixels by one grey level.
    """
    picture = Image.fromarray(rgb)
    picture = adjust.adjust_brightness(picture, brightness)
    picture = adjust.adjust_contrast(picture, contrast)
    return np.array(adjust.adjust_saturation(picture, saturation))


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
    return np.where(person[..., None], picture, np.uint8(backdrop)) if backdrop else picture


def prepared_photo(rgb: np.ndarray, person: np.ndarray, backdrop: tuple[int, ...]) -> np.ndarray:
    """`cut_out` as it is done at test: dimmed by 0.85 three times."""
    return cut_out(rgb, person, backdrop, (TEST_DIMMING,) * 3)
