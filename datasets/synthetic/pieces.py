"""A person's parts: the posed surface of the skin, of a garment, of a shoe or of hair, with what colors it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.mesh import Mesh


@dataclass(frozen=True)
class Piece:
    """One colored piece of the person."""

    kind: str
    points: np.ndarray  # (V, 3) posed
    faces: np.ndarray  # (F, 3)
    rows: np.ndarray  # (V, C) chart rows of the points
    edge: np.ndarray  # (V,) distance to the garment's nearest edge [m], or what the kind's color needs

    @property
    def mesh(self) -> Mesh:
        """The posed surface."""
        return Mesh(self.points, self.faces)


def joined_faces(parts: list[Piece]) -> np.ndarray:
    """(F, 3) faces of all parts, of their points one after the other."""
    offsets = np.cumsum([0] + [len(part.points) for part in parts])
    return np.concatenate([part.faces + k for part, k in zip(parts, offsets[:-1], strict=True)])
