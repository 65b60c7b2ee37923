"""Exact distances from points to a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geometry.mesh import Mesh, across
from geometry.ray_scene import RayHits, RayScene, as_rays

RESOLUTION = 1e-6
"""Distances below this fraction of a mesh's largest extent count as 0: coordinates in files are no finer (float32)."""


@dataclass(frozen=True)
class Nearest:
    """The nearest points of a surface."""

    distance: np.ndarray  # (N,) float64
    points: np.ndarray  # (N, 3) float64
    normals: np.ndarray  # (N, 3) float64 unit normals of the faces they lie on


def nearest_on_triangles(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The point of each triangle that is nearest to each point, by comparing its inside and its three edges.

    Args:
        points: (N, 3) float64.
        corners: (N, 3, 3) float64, one triangle per point, which may be degenerate.

    Returns:
        (N, 3) float64.
    """
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ap, normal = points - a, across(corners)
    square = (normal * normal).sum(1)
    safe = np.where(square > 0, square, 1.0)
    second = (np.cross(ap, ac) * normal).sum(1) / safe
    third = (np.cross(ab, ap) * normal).sum(1) / safe
    inside = (square > 0) & (second >= 0) & (third >= 0) & (second + third <= 1)
    best = a + second[:, None] * ab + third[:, None] * ac
    best_square = np.where(inside, ((points - best) ** 2).sum(1), np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, end] - corners[:, start]
        length = (edge * edge).sum(1)
        along = ((points - corners[:, start]) * edge).sum(1) / np.where(length > 0, length, 1.0)
        candidate = corners[:, start] + np.clip(along, 0, 1)[:, None] * edge
        candidate_square = ((points - candidate) ** 2).sum(1)
        closer = candidate_square < best_square
        best[closer], best_square[closer] = candidate[closer], candidate_square[closer]
    return best


def _along_curve(points: np.ndarray) -> np.ndarray:
    """An order in which neighbours follow each other (Morton's curve, 1024 cells a side); it halves the search time.

    Args:
        points: (N, 3).
    """
    low, high = points.min(0), points.max(0)
    cells = ((points - low) / max(float((high - low).max()), 1e-30) * 1023).astype(np.int64)
    code = np.zeros(len(points), dtype=np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


class Surface:
    """A mesh that answers where its nearest points are and where rays meet it.

    Open3D finds the triangle in float32, in coordinates centred and scaled to [-1, 1]; the distance to it is then
    computed in float64. What remains of float32 is the choice between triangles that are equally near within 1e-7 of
    the mesh's extent.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.normals = mesh.face_normals()
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        self._centre, self._reach = (low + high) / 2, float((high - low).max()) / 2
        self._scene = RayScene([Mesh(self._local(mesh.vertices), mesh.faces)])

    def _local(self, points: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((points - self._centre) / self._reach, dtype=np.float32)

    def nearest(self, points: np.ndarray) -> Nearest:
        """The nearest point of the surface to each point.

        Args:
            points: (N, 3) float64, in the mesh's coordinates; N > 0.
        """
        local = self._local(points)
        order = _along_curve(local)
        faces = np.empty(len(points), dtype=np.int64)
        faces[order] = self._scene.nearest(local[order]).faces
        nearest = nearest_on_triangles(points, self.mesh.corners_of(faces))
        distance = np.linalg.norm(points - nearest, axis=1)
        distance[distance < RESOLUTION * 2 * self._reach] = 0.0
        return Nearest(distance, nearest, self.normals[faces])

    def blocked(self, origins: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Whether rays that all go one way meet the surface at all: (N,) bool, in less time than `cast`.

        Args:
            origins: (N, 3) float64, in the mesh's coordinates.
            direction: (3,) float64, unit length.
        """
        return self._scene.blocked(as_rays(self._local(origins), direction))

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> RayHits:
        """The first hit of each ray, from either side of a face; distances in the mesh's unit.

        Args:
            origins: (N, 3) float64, in the mesh's coordinates.
            directions: (N, 3) or (3,) float64, unit length.
        """
        hits = self._scene.cast(as_rays(self._local(origins), directions))
        return replace(hits, distance=hits.distance * self._reach)
