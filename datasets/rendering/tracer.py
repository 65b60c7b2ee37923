"""First and last surface point along every ray of the camera.

Open3D's ray caster finds the triangles in float32; the distances are worked out again in float64 from the triangles'
planes, which makes depth files equal to the official ones. Views differ by a turn of the person: the rays are turned
the other way instead, so that one acceleration structure serves all views of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d as o3d

from geometry.camera import CENTRE, Camera
from geometry.scan_frame import turn
from geometry.window import Window

BEYOND = 2.5
"""Where rays start on their way back [world units from the camera]: behind everything that fits the frame."""
ROUNDING = 1e-4
"""Ray caster and plane differ by less [world units] unless the ray grazes the triangle; then the caster is right."""


@dataclass(frozen=True)
class Hits:
    """One surface point per ray."""

    distance: np.ndarray  # (N,) float64, t along the unit ray
    faces: np.ndarray  # (N,) int64
    barycentric: np.ndarray  # (N, 3) float64 weights of the triangle's corners

    def where(self, keep: np.ndarray, other: Hits) -> Hits:
        """These points where `keep` (N,) is True, the other's elsewhere."""
        return Hits(
            np.where(keep, self.distance, other.distance),
            np.where(keep, self.faces, other.faces),
            np.where(keep[:, None], self.barycentric, other.barycentric),
        )


@dataclass(frozen=True)
class ViewHits:
    """What one view sees: N pixels of a size x size picture, row by row. Vectors are in the frame of the mesh."""

    size: int
    rows: np.ndarray  # (N,) int64
    columns: np.ndarray  # (N,) int64
    origin: np.ndarray  # (3,) float64, the camera's place
    rays: np.ndarray  # (N, 3) float64 unit viewing directions
    front: Hits
    back: Hits

    def picture(self, values: np.ndarray, background: int | float = 0) -> np.ndarray:
        """Values of the N pixels (N, ...) laid out on the picture (size, size, ...)."""
        canvas = np.full((self.size, self.size, *values.shape[1:]), background, dtype=values.dtype)
        canvas[self.rows, self.columns] = values
        return canvas

    def points(self, hits: Hits) -> np.ndarray:
        """(N, 3) float64 surface points in the frame of the mesh."""
        return self.origin + hits.distance[:, None] * self.rays


class Tracer:
    """A mesh that rays can be cast at, from any side.

    Args:
        vertices: (V, 3) float64 in the frame of the camera at yaw 0 (frame.stand_in_frame).
        faces: (F, 3) integers.
        threads: 0 takes all cores.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, threads: int = 0) -> None:
        self.vertices, self.faces, self.threads = vertices, faces, threads
        self.scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
        self.scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
        )

    def trace(self, camera: Camera, yaw: float = 0.0) -> ViewHits:
        """Front and back of the mesh turned by `yaw` [deg] about Y.

        A reversed ray that slips past a grazing edge gives the front point as back point, so both sides share one
        silhouette.
        """
        origin = turn(CENTRE, -yaw)
        window = self._window(camera, yaw)
        found, front = self._cast(_rays_32(camera, window, yaw))
        pixels = np.flatnonzero(found)
        rows, columns = pixels // max(window.width, 1) + window.top, pixels % max(window.width, 1) + window.left
        rays = turn(camera.rays_at(rows, columns), -yaw)
        front = self._refined(front, origin, rays)
        back = self._refined(self._last(front, origin, rays), origin, rays)
        back = back.where(back.distance >= front.distance, front)
        return ViewHits(camera.size, rows, columns, origin, rays, front, back)

    def occluded(self, origins: np.ndarray, directions: np.ndarray, reach: float = np.inf) -> np.ndarray:
        """Whether something stands in the way.

        Args:
            origins, directions: (N, 3); unit directions.
            reach: how far to look [world units].

        Returns:
            (N,) bool.
        """
        rays = o3d.core.Tensor(np.concatenate([origins, directions], axis=1, dtype=np.float32))
        return self.scene.test_occlusions(rays, tnear=0.0, tfar=float(reach), nthreads=self.threads).numpy()

    def _window(self, camera: Camera, yaw: float) -> Window:
        """The pixels around the projected mesh."""
        u, v = camera.project(turn(self.vertices, yaw)).T
        around = Window(int(v.min()) - 1, int(v.max()) + 2, int(u.min()) - 1, int(u.max()) + 2)
        return around.clipped(camera.size)

    def _cast(self, rays: np.ndarray) -> tuple[np.ndarray, Hits]:
        """First hits of rays (M, 6) float32, origin and direction: (M,) bool which hit, and the hits of those."""
        answer = self.scene.cast_rays(o3d.core.Tensor(rays), nthreads=self.threads)
        distance = answer["t_hit"].numpy()
        found = np.isfinite(distance)
        uv = answer["primitive_uvs"].numpy()[found].astype(np.float64)
        barycentric = np.column_stack([1 - uv[:, 0] - uv[:, 1], uv])
        return found, Hits(
            distance[found].astype(np.float64), answer["primitive_ids"].numpy()[found].astype(np.int64), barycentric
        )

    def _last(self, front: Hits, origin: np.ndarray, rays: np.ndarray) -> Hits:
        """The farthest hit of rays that are known to hit: the first one on the way back from beyond the mesh."""
        met, reverse = self._cast(np.concatenate([origin + BEYOND * rays, -rays], axis=1, dtype=np.float32))
        distance, faces, barycentric = front.distance.copy(), front.faces.copy(), front.barycentric.copy()
        distance[met], faces[met], barycentric[met] = BEYOND - reverse.distance, reverse.faces, reverse.barycentric
        return Hits(distance, faces, barycentric)

    def _refined(self, hits: Hits, origin: np.ndarray, rays: np.ndarray) -> Hits:
        """The hits with distances from the triangles' planes in float64."""
        corners = self.vertices[self.faces[hits.faces]]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = _dot(corners[:, 0] - origin, normal) / _dot(rays, normal)
        agrees = np.abs(distance - hits.distance) < ROUNDING
        return Hits(np.where(agrees, distance, hits.distance), hits.faces, hits.barycentric)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nk->n", a, b)


def _rays_32(camera: Camera, window: Window, yaw: float) -> np.ndarray:
    """(pixels, 6) float32 rays through the pixel centres of a window: good enough to find the triangles."""
    y, x = np.mgrid[window.top : window.bottom, window.left : window.right].astype(np.float32)
    scale = np.float32(1 / camera.focal)
    x, y = (x + (0.5 - camera.size / 2)) * scale, ((camera.size / 2 - 0.5) - y) * scale
    directions = np.stack([x, y, np.full_like(x, -1)], axis=-1) / np.sqrt(x * x + y * y + 1)[..., None]
    rays = np.empty((window.height * window.width, 6), dtype=np.float32)
    rays[:, :3] = turn(CENTRE, -yaw)
    rays[:, 3:] = turn(directions, -yaw).reshape(-1, 3)
    return rays
