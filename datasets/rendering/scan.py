"""What the renderer takes: a colored mesh of one person, wherever it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from geometry.mesh import Mesh


class Appearance(Protocol):
    """The color of a surface, evaluated where rays hit it."""

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """Unlit color at points on the mesh.

        Args:
            faces: (N,) int64 index of the triangle of each point.
            barycentric: (N, 3) float64 weights of the triangle's corners; they sum to 1.

        Returns:
            (N, 3) float32 sRGB in [0, 1].
        """
        ...


@dataclass(frozen=True)
class Scan:
    """One person. Y up, facing +Z; any unit and any place: the renderer centres and scales."""

    name: str  # becomes {ID} in file names
    mesh: Mesh  # vertices float64
    appearance: Appearance
    joints: np.ndarray | None = None  # (31, 3) float64 in the frame of the mesh, None when unknown
    joints_present: np.ndarray | None = None  # (31,) bool, None with joints
    frame_scale: float = 1.0  # times the usual size in the picture; the official set shrinks a few subjects
    notes: tuple[str, ...] = ()  # what its source repaired or missed, one line each
