"""Backgrounds, from photos or painted, and how a person is put before one (METHOD.md 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from datasets.pairs.procedural_rooms import procedural_background
from geometry.canvas import scaled
from geometry.window import Window, box_of
from utils.errors import InputError
from utils.files import PHOTO_SUFFIXES, read_photo

ENLARGED = 2.0
"""Background photos are shown at twice their size on a canvas of 2048 px, smaller on smaller canvases."""
RIM = (0.2, 0.8)
"""Where the blurred mask lies between these, the composite is smoothed."""
RIM_REACH = 5
"""Pixels around the mask that the smoothed rim depends on, and one more: a pixel of rim, and both filters."""


def composite(person_rgb: np.ndarray, mask: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Put a person before a background and smooth the one-pixel rim between them.

    The rim, where the 3 x 3 Gaussian blur of the mask lies in (0.2, 0.8), takes the composite after a 3 x 3 median and
    a 5 x 5 Gaussian.

    Args:
        person_rgb: (H, W, 3) uint8; pixels outside the mask do not count.
        mask: (H, W) bool, True on the person.
        background: (H, W, 3) uint8.

    Returns:
        (H, W, 3) uint8; the arguments are left as they are.
    """
    whole, box = background.copy(), box_of(mask)
    if box.is_empty:
        return whole
    # Everything else is background, whatever happens to the rim.
    near = Window(box.top - RIM_REACH, box.bottom + RIM_REACH, box.left - RIM_REACH, box.right + RIM_REACH)
    near = Window(max(near.top, 0), min(near.bottom, len(mask)), max(near.left, 0), min(near.right, mask.shape[1]))
    inside, together = mask[near.slices], whole[near.slices]
    cv2.copyTo(person_rgb[near.slices], inside.view(np.uint8), together)
    soft = cv2.GaussianBlur(inside.astype(np.float32), (3, 3), 0)
    rim = (soft > RIM[0]) & (soft < RIM[1])
    smooth = cv2.GaussianBlur(cv2.medianBlur(together, 3), (5, 5), 0)
    together[rim] = smooth[rim]
    return whole


def random_crop(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of a photo enlarged x 2 (times size / 2048), or as far as it takes to cover the square.

    Only the square is enlarged.

    Args:
        photo: (h, w, 3) uint8.
        size: of the square [px].

    Returns:
        (size, size, 3) uint8.
    """
    height, width = photo.shape[:2]
    scale = max(scaled(ENLARGED, size), size / min(height, width))
    left, top = (int(rng.integers(max(int(side * scale) - size, 0) + 1)) for side in (width, height))
    # Pixel centres: enlarged = (photo + 0.5) scale - 0.5 - corner.
    matrix = np.array([[scale, 0, scale / 2 - 0.5 - left], [0, scale, scale / 2 - 0.5 - top]])
    # Shrinking by warping alone would skip pixels of large photos.
    if scale < 0.75:
        wanted = (max(round(width * scale), size), max(round(height * scale), size))
        photo = cv2.resize(photo, wanted, interpolation=cv2.INTER_AREA)
        matrix = np.array([[1.0, 0, -min(left, wanted[0] - size)], [0, 1.0, -min(top, wanted[1] - size)]])
    return cv2.warpAffine(photo, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class Backgrounds(Protocol):
    """Gives a background for a canvas."""

    def background(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """(size, size, 3) uint8 RGB; the same generator state gives the same bits."""
        ...


@dataclass(frozen=True)
class PhotoBackgrounds:
    """Random crops of the photos of a folder."""

    files: tuple[Path, ...]

    @classmethod
    def of_folder(cls, folder: Path | str) -> PhotoBackgrounds:
        """All photos below a folder, IndoorCVPR09's layout or any other.

        Raises:
            InputError: there are none.
        """
        folder = Path(folder)
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file())
        if not files:
            raise InputError(f"{folder}: no photos, expected files {', '.join(PHOTO_SUFFIXES)} at any depth")
        return cls(tuple(files))

    def background(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """A crop of a random photo; broken photos are passed over.

        Raises:
            InputError: 20 photos in a row are broken; IndoorCVPR09 has a handful among 15620.
        """
        for _ in range(20):
            file = self.files[int(rng.integers(len(self.files)))]
            try:
                photo, _ = read_photo(file)
            except InputError as error:
                broken = error
                continue
            return random_crop(photo, size, rng)
        raise InputError(f"20 background photos in a row cannot be read; the last: {broken}")


@dataclass(frozen=True)
class ProceduralBackgrounds:
    """Rooms, studios and open air that need no files."""

    def background(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """(size, size, 3) uint8 RGB; see procedural_background."""
        return procedural_background(size, rng)


def open_backgrounds(folder: Path | str | None) -> Backgrounds:
    """Photos of a folder, or painted ones when there is none.

    Raises:
        InputError: a folder without photos.
    """
    return ProceduralBackgrounds() if folder is None else PhotoBackgrounds.of_folder(folder)
