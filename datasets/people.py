"""Where the joints and the mask of a photo come from: the two seams, and what crosses them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from geometry.keypoints import Keypoints


@dataclass(frozen=True)
class Photo:
    """One photo as it is displayed."""

    path: Path
    rgb: np.ndarray  # (H, W, 3) uint8
    alpha: np.ndarray | None  # (H, W) uint8, None when the file has none or a constant one


class KeypointSource(Protocol):
    """Finds the 31 joints of the person in a photo."""

    def keypoints(self, photo: Photo) -> Keypoints:
        """Joints in the photo's pixels.

        Raises:
            InputError: nobody is in the photo, or the file with the joints cannot be used.
        """
        ...


class MaskSource(Protocol):
    """Finds the pixels of the person in a photo."""

    def mask(self, photo: Photo, keypoints: Keypoints) -> np.ndarray:
        """(H, W) bool, True on the person.

        Raises:
            InputError: there is no usable mask.
        """
        ...
