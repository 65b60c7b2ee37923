"""Points spread evenly over a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.measured_mesh import Mesh


@dataclass(frozen=True)
class Samples:
    """Points on a mesh."""

    points: np.ndarray  # (N, 3) float64
    faces: np.ndarray  # (N,) int64, the face of each point


def face_normals(mesh: Mesh) -> np.ndarray:
    """(F, 3) float64 unit normals by the order of the corners; 0 for a face without area."""
    corners = mesh.corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def sample_surface(mesh: Mesh, count: int, seed: int | tuple[int, ...], stratified: bool = True) -> Samples:
    """Draw points uniformly by area.

    Args:
        count: number of points N.
        seed: the same seed gives the same points.
        stratified: one draw from each of N equal shares of the area in the order of the faces, which is less noisy
            than N independent draws and just as uniform.

    Raises:
        ValueError: the mesh has no area.
    """
    random = np.random.default_rng(seed)
    corners = mesh.corners
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    upper = np.cumsum(area)
    if not upper[-1] > 0:
        raise ValueError("the surface has no area")
    share = (np.arange(count) + random.random(count)) / count if stratified else random.random(count)
    faces = np.minimum(np.searchsorted(upper, share * upper[-1], side="right"), len(upper) - 1)
    across, along = np.sqrt(random.random(count)), random.random(count)
    weights = np.stack([1 - across, across * (1 - along), across * along], axis=1)
    return Samples(np.einsum("nk,nkc->nc", weights, corners[faces]), faces)
