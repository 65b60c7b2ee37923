"""Open3D's ray caster (Embree): which triangle a ray meets first, which one is nearest to a point.

It works in float32. Who needs more computes the answer again from the triangle that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import open3d as o3d

from geometry.mesh import Mesh


def _tensor(array: np.ndarray) -> o3d.core.Tensor:
    # Open3D's stub does not know that dtype and device have defaults.
    return o3d.core.Tensor(array)  # type: ignore[call-overload]


@dataclass(frozen=True)
class RayHits:
    """Where N rays first meet a scene: one row for each of the M rays that do."""

    hit: np.ndarray  # (N,) bool, which rays those are
    distance: np.ndarray  # (M,) float64, in lengths of the ray's direction
    faces: np.ndarray  # (M,) int64, counted within the mesh that is met
    barycentric: np.ndarray  # (M, 3) float64 weights of the face's corners

    def rows(self, rays: np.ndarray) -> np.ndarray:
        """The rows of chosen rays, (N,) bool, a part of `hit`."""
        return (np.cumsum(self.hit) - 1)[rays]


@dataclass(frozen=True)
class NearestFaces:
    """The nearest triangles of a scene."""

    points: np.ndarray  # (N, 3) float64 nearest points
    faces: np.ndarray  # (N,) int64, counted within their mesh
    normals: np.ndarray  # (N, 3) float64 unit normals of the faces


def as_rays(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N, 6) float32 rays of origins (N, 3) and directions (N, 3) or (3,)."""
    rays = np.empty((len(origins), 6), dtype=np.float32)
    rays[:, :3], rays[:, 3:] = origins, directions
    return rays


class RayScene:
    """Meshes that rays can be cast at.

    Args:
        meshes: one or more, in one frame, of a size near 1 (float32).
        threads: 0 takes all cores.
    """

    def __init__(self, meshes: Sequence[Mesh], threads: int = 0) -> None:
        self.threads = threads
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
        for mesh in meshes:
            self._scene.add_triangles(
                _tensor(np.ascontiguousarray(mesh.vertices, dtype=np.float32)),
                _tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)),
            )

    def cast(self, rays: np.ndarray) -> RayHits:
        """The first hit of each ray, from either side of a face.

        Args:
            rays: (N, 6) float32, origin and direction.
        """
        answer = self._scene.cast_rays(_tensor(rays), nthreads=self.threads)
        distance = answer["t_hit"].numpy()
        hit = np.isfinite(distance)
        u, v = answer["primitive_uvs"].numpy()[hit].astype(np.float64).T
        faces = answer["primitive_ids"].numpy()[hit].astype(np.int64)
        return RayHits(hit, distance[hit].astype(np.float64), faces, np.column_stack([1 - u - v, u, v]))

    def blocked(self, rays: np.ndarray, reach: float = np.inf) -> np.ndarray:
        """(N,) bool: whether rays (N, 6) float32 meet anything within `reach`, in less time than `cast`."""
        return self._scene.test_occlusions(_tensor(rays), tnear=0.0, tfar=float(reach), nthreads=self.threads).numpy()

    def nearest(self, points: np.ndarray) -> NearestFaces:
        """The nearest triangle to each point (N, 3)."""
        query = _tensor(np.ascontiguousarray(points, dtype=np.float32))
        answer = self._scene.compute_closest_points(query, nthreads=self.threads)
        normals = answer["primitive_normals"].numpy().astype(np.float64)
        return NearestFaces(
            answer["points"].numpy().astype(np.float64),
            answer["primitive_ids"].numpy().astype(np.int64),
            normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9),
        )
