"""First and last surface point along every ray of the camera.

Open3D's ray caster finds the triangles in float32; the distances are worked out again in float64 from the triangles'
planes, which makes depth files equal to the official ones. Views differ by a turn of the person: the rays are turned
the other way instead, so that one acceleration structure serves all views of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.camera import CENTRE, Camera
from geometry.mesh import Mesh, across
from geometry.ray_scene import RayScene, as_rays
from geometry.scan_frame import turn
from geometry.window import Window

BEYOND = 2.5
"""Where reversed rays start [world units from the camera]: behind everything that fits the frame."""
ROUNDING = 1e-4
"""Ray caster and plane differ by less [world units] unless the ray grazes the triangle; then the caster is right."""


@dataclass(frozen=True)
class SideHits:
    """One surface point a pixel, of one side."""

    distance: np.ndarray  # (N,) float64, t along the unit ray
    faces: np.ndarray  # (N,) int64
    barycentric: np.ndarray  # (N, 3) float64 weights of the triangle's corners

    def where(self, keep: np.ndarray, other: SideHits) -> SideHits:
        """These points where `keep` (N,) is True, the other's elsewhere."""
        return SideHits(
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
    front: SideHits
    back: SideHits

    def picture(self, values: np.ndarray, background: int | float = 0) -> np.ndarray:
        """Values of the N pixels (N, ...) laid out on the picture (size, size, ...)."""
        canvas = np.full((self.size, self.size, *values.shape[1:]), background, dtype=values.dtype)
        canvas[self.rows, self.columns] = values
        return canvas

    def points(self, hits: SideHits) -> np.ndarray:
        """(N, 3) float64 surface points in the frame of the mesh."""
        return self.origin + hits.distance[:, None] * self.rays


class Tracer:
    """A mesh that rays can be cast at, from any side.

    Args:
        mesh: in the frame of the camera at yaw 0 (scan_placement.stand_in_frame).
        threads: 0 takes all cores.
    """

    def __init__(self, mesh: Mesh, threads: int = 0) -> None:
        self.mesh = mesh
        self.scene = RayScene([mesh], threads)

    def trace(self, camera: Camera, yaw: float = 0.0) -> ViewHits:
        """Front and back of the mesh turned by `yaw` [deg] about Y.

        A reversed ray that slips past a grazing edge gives the front point as back point, so both sides share one
        silhouette.
        """
        origin = turn(CENTRE, -yaw)
        window = self._window(camera, yaw)
        found = self.scene.cast(_rays_32(camera, window, yaw))
        pixels = np.flatnonzero(found.hit)
        rows, columns = pixels // max(window.width, 1) + window.top, pixels % max(window.width, 1) + window.left
        rays = turn(camera.rays_at(rows, columns), -yaw)
        front = self._refined(SideHits(found.distance, found.faces, found.barycentric), origin, rays)
        back = self._refined(self._last(front, origin, rays), origin, rays)
        back = back.where(back.distance >= front.distance, front)
        return ViewHits(camera.size, rows, columns, origin=origin, rays=rays, front=front, back=back)

    def occluded(self, origins: np.ndarray, directions: np.ndarray, reach: float = np.inf) -> np.ndarray:
        """Whether something stands in the way.

        Args:
            origins, directions: (N, 3); unit directions.
            reach: how far to look [world units].

        Returns:
            (N,) bool.
        """
        return self.scene.blocked(as_rays(origins, directions), reach)

    def _window(self, camera: Camera, yaw: float) -> Window:
        """The pixels around the projected mesh."""
        u, v = camera.project(turn(self.mesh.vertices, yaw)).T
        around = Window(int(v.min()) - 1, int(v.max()) + 2, int(u.min()) - 1, int(u.max()) + 2)
        return around.clipped(camera.size)

    def _last(self, front: SideHits, origin: np.ndarray, rays: np.ndarray) -> SideHits:
        """The farthest hit of rays that are known to hit: the first one of the reversed ray from beyond the mesh."""
        reverse = self.scene.cast(as_rays(origin + BEYOND * rays, -rays))
        distance, faces, barycentric = front.distance.copy(), front.faces.copy(), front.barycentric.copy()
        distance[reverse.hit] = BEYOND - reverse.distance
        faces[reverse.hit], barycentric[reverse.hit] = reverse.faces, reverse.barycentric
        return SideHits(distance, faces, barycentric)

    def _refined(self, hits: SideHits, origin: np.ndarray, rays: np.ndarray) -> SideHits:
        """The hits with distances from the triangles' planes in float64."""
        corners = self.mesh.corners_of(hits.faces)
        normal = across(corners)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = _dot(corners[:, 0] - origin, normal) / _dot(rays, normal)
        agrees = np.abs(distance - hits.distance) < ROUNDING
        return SideHits(np.where(agrees, distance, hits.distance), hits.faces, hits.barycentric)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nk->n", a, b)


def _rays_32(camera: Camera, window: Window, yaw: float) -> np.ndarray:
    """(pixels, 6) float32 rays through the pixel centres of a window: good enough to find the triangles."""
    directions = turn(camera.rays(window), -yaw).reshape(-1, 3)
    return as_rays(np.broadcast_to(turn(CENTRE, -yaw), directions.shape), directions)
