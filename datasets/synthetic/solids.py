"""Simple closed shapes with even triangles: balls, boxes, tubes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import ConvexHull

from datasets.synthetic.mesh_editing import loop_subdivide
from geometry.mesh import Mesh

Solid = tuple[np.ndarray, np.ndarray]
"""Points (V, 3) [m] and faces (F, 3), outward."""


@lru_cache(maxsize=1)
def unit_sphere() -> Solid:
    """A sphere of 5120 even triangles."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    points = np.array([np.roll(corner, k) for k in range(3) for corner in corners], dtype=np.float64)
    faces = ConvexHull(points).simplices.astype(np.int64)
    outward = np.einsum("fa,fa->f", Mesh(points, faces).area_vectors(), points[faces[:, 0]]) > 0
    faces = np.where(outward[:, None], faces, faces[:, ::-1])
    for _ in range(4):
        operator, faces = loop_subdivide(faces, len(points))
        points = operator @ points
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, faces


def ball(centre: np.ndarray, radii: np.ndarray) -> Solid:
    """An ellipsoid."""
    points, faces = unit_sphere()
    return centre + points * radii, faces


def box(size: np.ndarray, roundness: float = 6.0) -> Solid:
    """A box about the origin, its edges rounded: the larger `roundness`, the sharper (2: an ellipsoid)."""
    points, faces = unit_sphere()
    stretch = (np.abs(points) ** roundness).sum(1) ** (-1 / roundness)
    return points * stretch[:, None] * np.asarray(size) / 2, faces


def sweep(path: np.ndarray, radii: np.ndarray, side: np.ndarray, sides: int = 12) -> Solid:
    """A closed tube along a path.

    Args:
        path: (N, 3) [m].
        radii: (N, 2) half widths along `side` and across it [m].
        side: (3,) or (N, 3) a direction that is not along the path.
    """
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.cross(ahead, np.broadcast_to(side, path.shape))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    aside = np.cross(across, ahead)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angle)[None, :, None] * (aside * radii[:, :1])[:, None]
    ring = ring + np.sin(angle)[None, :, None] * (across * radii[:, 1:])[:, None]
    points = np.concatenate([(path[:, None] + ring).reshape(-1, 3), path[[0, -1]]])
    first = np.arange((len(path) - 1) * sides)
    after = first - first % sides + (first + 1) % sides
    k, last = np.arange(sides), (len(path) - 1) * sides
    on = (k + 1) % sides
    start, end = np.full(sides, len(points) - 2), np.full(sides, len(points) - 1)
    faces = [np.stack([first, first + sides, after], 1), np.stack([after, first + sides, after + sides], 1)]
    faces += [np.stack([start, k, on], 1), np.stack([end, last + on, last + k], 1)]
    joined = np.concatenate(faces)
    volume = np.einsum("fa,fa->", np.cross(points[joined[:, 0]], points[joined[:, 1]]), points[joined[:, 2]])
    return points, joined if volume > 0 else joined[:, ::-1]


def shade_of(distance: np.ndarray) -> np.ndarray:
    """(N,) in [0, 1], the second color where a distance [m] is positive; linear at the border, so that it is sharp."""
    return np.clip(0.5 + 20 * distance, 0, 1)


def merged(solids: list[Solid]) -> Solid:
    """Several solids as one."""
    offsets = np.cumsum([0] + [len(points) for points, _ in solids])
    faces = [faces + offset for (_, faces), offset in zip(solids, offsets[:-1], strict=True)]
    return np.concatenate([points for points, _ in solids]), np.concatenate(faces)
