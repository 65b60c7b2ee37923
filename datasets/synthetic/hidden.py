"""Removes what clothes hide, and what pokes through them."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.pieces import Piece
from geometry.ray_scene import RayScene, as_rays

POKE_DEPTH = 0.03
"""[m] Something covered that has cloth this close behind it and none before it has come through."""


def face_centres(part: Piece) -> np.ndarray:
    """(F, 3)."""
    return part.points[part.faces].mean(1)


def _reaches(scene: RayScene, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N,) bool: whether a ray meets the scene within POKE_DEPTH."""
    return scene.blocked(as_rays(origins, directions), POKE_DEPTH)


def poking(part: Piece, covered: np.ndarray, outer: list[Piece]) -> np.ndarray:
    """(F,) bool: faces that should be under the outer parts but are before them.

    Args:
        covered: (V,) bool, vertices that the outer parts' patterns cover.
    """
    found = np.zeros(len(part.faces), bool)
    candidates = np.nonzero(covered[part.faces].any(1))[0]
    if len(candidates) == 0 or not outer:
        return found
    scene = RayScene([garment.mesh for garment in outer], threads=1)
    centres, normals = face_centres(part)[candidates], part.mesh.face_normals()[candidates]
    before = _reaches(scene, centres, normals)
    behind = _reaches(scene, centres, -normals)
    found[candidates] = behind & ~before
    return found


def without_faces(part: Piece, dropped: np.ndarray) -> Piece:
    """The part without some faces, (F,) bool, and without the points that only they used."""
    used, renumbered = np.unique(part.faces[~dropped], return_inverse=True)
    return Piece(part.kind, part.points[used], renumbered.reshape(-1, 3), part.rows[used], part.edge[used])
