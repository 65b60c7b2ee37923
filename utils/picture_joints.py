"""Joints on a picture that is cut and scaled."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np


@dataclass(frozen=True)
class PictureJoints:
    """Joints on a picture: every field an array (..., 2) of continuous (x, y) [px]."""

    def moved(self, scale: float, corner: tuple[int, int]) -> Self:
        """The same joints on a picture that is `scale` times as large and begins at `corner` (left, top)."""
        return type(self)(*(scale * getattr(self, field.name) - np.array(corner) for field in fields(self)))
