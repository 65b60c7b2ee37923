"""Masks that the user hands in: a file beside the photo, or the photo's own alpha channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.people.person import FoundMask, MaskError, Photo
from geometry.keypoints import Keypoints
from utils.files import read_photo


def mask_path(photo: Path) -> Path:
    """Where the mask of a photo is looked for: `{name}_mask.png` beside it."""
    return photo.with_name(f"{photo.stem}_mask.png")


def has_given_mask(photo: Photo) -> bool:
    """Is there a mask file beside the photo, or an alpha channel that is not constant?"""
    return photo.alpha is not None or (photo.is_file and mask_path(photo.path).exists())


class GivenMask:
    """The mask from the file beside the photo, else from the photo's alpha channel."""

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The pixels above half of the brightest value.

        Raises:
            MaskError: there is neither, or the file cannot be used.
        """
        path = mask_path(photo.path)
        if photo.is_file and path.exists():
            return FoundMask(read_mask(path, photo.size))
        if photo.alpha is None:
            raise MaskError(f"{photo.path.name}: neither {path.name} nor an alpha channel with a mask in it")
        return FoundMask(photo.alpha >= 128)


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A mask file: white on black, or a cut-out whose alpha is the mask.

    Args:
        size: (width, height) it must have [px].

    Returns:
        (H, W) bool.

    Raises:
        MaskError: another size, or nothing but black.
        InputError: not an image.
    """
    rgb, alpha = read_photo(path)
    values = rgb.max(axis=2) if alpha is None else alpha
    if values.shape != size[::-1]:
        found, remedy = f"{values.shape[1]} x {values.shape[0]}", "turn" if values.shape == size else "scale"
        raise MaskError(f"{path}: {found}, expected the photo's {size[0]} x {size[1]}: {remedy} it like the photo")
    if not values.any():
        raise MaskError(f"{path}: black everywhere, expected the person in white")
    # Half of the brightest, because some tools write masks of 0 and 1.
    return values > values.max() / 2.0
