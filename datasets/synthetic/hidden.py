"""What clothes hide is left out, and what pokes through them too."""

from __future__ import annotations

import numpy as np
import open3d as o3d

from datasets.synthetic.wardrobe import Part

POKE_DEPTH = 0.03
"""[m] Something covered that has cloth this close behind it and none before it has come through."""


def face_centres(part: Part) -> np.ndarray:
    """(F, 3)."""
    return part.points[part.faces].mean(1)


def face_normals(part: Part) -> np.ndarray:
    """(F, 3) unit."""
    a, b, c = (part.points[part.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _reaches(scene: o3d.t.geometry.RaycastingScene, origins: np.ndarray, directions: np.ndarray, far: float):
    """(N,) bool: whether a ray meets the scene within `far`."""
    rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
    return scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)["t_hit"].numpy() < far


def poking(part: Part, covered: np.ndarray, outer: list[Part]) -> np.ndarray:
    """(F,) bool: faces that should be under the outer parts but are before them.

    Args:
        covered: (V,) bool, vertices that the outer parts' patterns cover.
    """
    found = np.zeros(len(part.faces), bool)
    candidates = np.nonzero(covered[part.faces].any(1))[0]
    if len(candidates) == 0 or not outer:
        return found
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    for garment in outer:
        scene.add_triangles(
            o3d.core.Tensor(garment.points.astype(np.float32)), o3d.core.Tensor(garment.faces.astype(np.uint32))
        )
    centres, normals = face_centres(part)[candidates], face_normals(part)[candidates]
    before = _reaches(scene, centres, normals, POKE_DEPTH)
    behind = _reaches(scene, centres, -normals, POKE_DEPTH)
    found[candidates] = behind & ~before
    return found


def without_faces(part: Part, dropped: np.ndarray) -> Part:
    """The part without some faces, (F,) bool, and without the points that only they used."""
    used, renumbered = np.unique(part.faces[~dropped], return_inverse=True)
    return Part(part.kind, part.points[used], renumbered.reshape(-1, 3), part.rows[used], part.edge[used])
