"""Exact distances from points to a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d as o3d

from geometry.mesh import Mesh

RESOLUTION = 1e-6
"""Distances below this share of a mesh's largest extent count as 0: coordinates in files are no finer (float32)."""


@dataclass(frozen=True)
class Nearest:
    """The nearest points of a surface."""

    distance: np.ndarray  # (N,) float64
    points: np.ndarray  # (N, 3) float64
    normals: np.ndarray  # (N, 3) float64 unit normals of the faces they lie on


@dataclass(frozen=True)
class Hits:
    """Where rays first meet a surface; rows of rays that miss hold 0."""

    hit: np.ndarray  # (N,) bool
    distance: np.ndarray  # (N,) float64, in lengths of the ray's direction
    faces: np.ndarray  # (N,) int64
    barycentric: np.ndarray  # (N, 3) float64 weights of the face's corners


def nearest_on_triangles(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The point of each triangle that is nearest to each point, by comparing its inside and its three edges.

    Args:
        points: (N, 3) float64.
        corners: (N, 3, 3) float64, one triangle per point, which may be degenerate.

    Returns:
        (N, 3) float64.
    """
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ap, normal = points - a, np.cross(ab, ac)
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
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(self._local(mesh.vertices), np.ascontiguousarray(mesh.faces, dtype=np.uint32))

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
        faces[order] = self._scene.compute_closest_points(local[order])["primitive_ids"].numpy()
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
        rays = np.empty((len(origins), 6), dtype=np.float32)
        rays[:, :3], rays[:, 3:] = self._local(origins), direction
        return self._scene.test_occlusions(rays).numpy()

    def cast(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """The first hit of each ray, from either side of a face.

        Args:
            origins: (N, 3) float64, in the mesh's coordinates.
            directions: (N, 3) float64, unit length.
        """
        rays = np.concatenate([self._local(origins), directions.astype(np.float32)], axis=1)
        result = self._scene.cast_rays(rays)
        distance = result["t_hit"].numpy().astype(np.float64) * self._reach
        hit = np.isfinite(distance)
        uv = np.where(hit[:, None], result["primitive_uvs"].numpy().astype(np.float64), 0.0)
        faces = np.where(hit, result["primitive_ids"].numpy().astype(np.int64), 0)
        barycentric = np.column_stack([1 - uv.sum(1), uv])
        return Hits(hit, np.where(hit, distance, 0.0), faces, np.where(hit[:, None], barycentric, 0.0))
