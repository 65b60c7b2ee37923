"""A closed mesh straight from two depth maps: both pixel grids as triangles, joined at the rim by the side's curves.

It is there in a fraction of a second and has the maps' own resolution; screened Poisson (geometry.surface) takes longer
and averages. Where the camera sees one limb before another, the maps alone do not say what lies between them: the mesh
runs steeply from one to the other, unless that is left open.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from geometry.camera import CENTRE, Camera
from geometry.canvas import scaled_count
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND
from geometry.mesh import Mesh, across, unit
from geometry.pixel_grid import PixelGrid, manifold_part
from geometry.pixel_sets import eroded, outline_distance
from geometry.point_cloud import Sides
from geometry.side_gap import (
    FLYING_COSINE,
    LARGEST_BULGE,
    LONGEST_GAP,
    STEEP_RIM_AT_2048,
    outline_directions,
    side_curves,
)

RINGS = 5
"""Vertices on every curve of the side, between its ends; odd: the middle one parts front from back."""
RIM_PASSES = 6
"""How often every point of the rim moves half way to its neighbours' middle: stairs of pixels become a line."""
RIM_SHIFT = 0.5
"""Farthest way [px] that a point of the rim moves on the picture, so that no triangle turns over."""
SMALLEST_FRACTION = 0.01
"""Of the largest part of the silhouette, below which another part is a speck."""


def shrunk_maps(front: np.ndarray, back: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth maps of a `step` times smaller canvas: means over blocks, of their body pixels, where half a block is body.

    Args:
        front, back: (R, R) network depth.
        step: divides R.

    Returns:
        Two (R / step, R / step) maps, float64 unless step is 1, with the networks' backgrounds.

    Raises:
        ValueError: step is less than 1 or does not divide R.
    """
    size = len(front)
    if step < 1 or size % step:
        raise ValueError(f"step {step} for maps of {size} px, expected a divisor of {size}")
    if step == 1:
        return front, back
    body = (front > 0) & (front <= back) & (back < FRONT_BACKGROUND)
    covered = cv2.resize(body.astype(np.float64), (size // step,) * 2, interpolation=cv2.INTER_AREA)
    present = covered > 0.5 - 1e-6
    shrunk = []
    for depth, background in ((front, FRONT_BACKGROUND), (back, BACK_BACKGROUND)):
        total = cv2.resize(np.where(body, depth, 0).astype(np.float64), covered.shape, interpolation=cv2.INTER_AREA)
        shrunk.append(np.where(present, total / np.maximum(covered, 1e-9), background))
    return shrunk[0], shrunk[1]


def map_mesh(sides: Sides, open_jumps: bool = False) -> Mesh:
    """The surface that two depth maps describe.

    Specks of the silhouette and pixels that hang on by a corner are left out.

    Args:
        sides: both maps in space.
        open_jumps: leave out triangles that are steeper than a surface that the camera can see, away from the rim: the
            step from an arm to the hip behind it. The mesh is then open there.

    Returns:
        Mesh in the camera's frame, (V, 3) float64 without colors. Closed unless `open_jumps`: every edge has two faces,
        which run through it in opposite directions.

    Raises:
        ValueError: the silhouette has no 2x2 block of pixels.
    """
    grid = PixelGrid.of(_large_parts(manifold_part(sides.silhouette)))
    if not grid.mask.any():
        raise ValueError("the body is thinner than two pixels everywhere")
    rim = _Rim.of(grid)
    count = np.count_nonzero(grid.mask)
    front, back = _placed(sides, grid, rim)
    side = _side_points(sides, rim, front, back)
    between = 2 * count + np.arange(RINGS * len(rim.vertices)).reshape(RINGS, -1)
    rings = [rim.vertices, *between, count + rim.vertices]
    near, far = grid.triangles(sides.front.distance), grid.triangles(sides.back.distance)[:, ::-1]
    if open_jumps:
        inner = eroded(sides.silhouette, scaled_count(STEEP_RIM_AT_2048, sides.size))[grid.mask]
        near, far = _without_jumps(near, front, inner), _without_jumps(far, back, inner)
    walls = [rim.wall(low, high) for low, high in pairwise(rings)]
    mesh = Mesh(np.concatenate([front, back, side]), np.concatenate([near, far + count, *walls], dtype=np.int32))
    return mesh.with_faces(np.ones(len(mesh.faces), bool)) if open_jumps else mesh


def _large_parts(silhouette: np.ndarray) -> np.ndarray:
    """(h, w) bool: the parts that have at least SMALLEST_FRACTION of the pixels of the largest."""
    _, part, stats, _ = cv2.connectedComponentsWithStats(silhouette.astype(np.uint8), connectivity=4)
    pixels = stats[:, cv2.CC_STAT_AREA].copy()
    pixels[0] = 0
    return (pixels >= max(SMALLEST_FRACTION * pixels.max(), 1))[part]


@dataclass(frozen=True)
class _Rim:
    """Closed curves around a pixel grid: K vertices, each with one before and one after it, the body on the left."""

    vertices: np.ndarray  # (K,) int64, numbers on the grid
    pixels: np.ndarray  # (2, K) int64, their rows and columns
    after: np.ndarray  # (K,) int64, places of the next vertices among `vertices`
    before: np.ndarray  # (K,) int64

    @classmethod
    def of(cls, grid: PixelGrid) -> _Rim:
        edges = grid.rim()
        vertices = edges[:, 0].astype(np.int64)
        order = np.argsort(vertices)
        after = order[np.searchsorted(vertices[order], edges[:, 1])]
        before = np.empty_like(after)
        before[after] = np.arange(len(after))
        return cls(vertices, np.stack(np.nonzero(grid.mask))[:, vertices], after, before)

    def shift(self) -> np.ndarray:
        """(K, 2) way [px] along rows and columns from the pixels to the smooth curve through them."""
        at = self.pixels.T.astype(np.float64)
        return np.clip(self.smoothed(at) - at, -RIM_SHIFT, RIM_SHIFT)

    def smoothed(self, values: np.ndarray) -> np.ndarray:
        """Values (K, C) along the curves, after RIM_PASSES means of neighbours."""
        for _ in range(RIM_PASSES):
            values = 0.5 * values + 0.25 * (values[self.after] + values[self.before])
        return values

    def wall(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """(2 K, 3) triangles between two rings of vertices, (K,) numbers each, `low` nearer to the camera."""
        corners = ((low[self.after], low, high), (low[self.after], high, high[self.after]))
        return np.concatenate([np.stack(triangle, -1) for triangle in corners])


def _placed(sides: Sides, grid: PixelGrid, rim: _Rim) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) points of the front and of the back map for the pixels of a grid, the rim smoothed."""
    distances = np.stack([side.distance[grid.mask] for side in (sides.front, sides.back)], -1)
    rays = sides.rays[grid.mask]
    rows, columns = rim.pixels + rim.shift().T
    rays[rim.vertices] = Camera(sides.size).rays_at(rows + sides.window.top, columns + sides.window.left)
    distances[rim.vertices] = rim.smoothed(distances[rim.vertices])
    return CENTRE + distances[:, :1] * rays, CENTRE + distances[:, 1:] * rays


def _side_points(sides: Sides, rim: _Rim, front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """(RINGS * K, 3) points around the side from the front's to the back's rim, ring by ring.

    They lie on the curves of geometry.side_gap where those lead around a limb, on straight lines elsewhere. Half way a
    curve touches the smooth outline of the silhouette, whichever way its ends were shifted.
    """
    start, end, at = front[rim.vertices], back[rim.vertices], tuple(rim.pixels)
    outwards = outline_directions(sides)[at]
    normals = [unit(rim.smoothed(side.normals[at])) for side in (sides.front, sides.back)]
    shifted = np.einsum("kc,kc->k", rim.shift(), outwards[:, 1::-1] * (-1, 1))
    reach = rim.smoothed(np.clip(outline_distance(sides.silhouette)[at] - shifted, 0, LARGEST_BULGE)[:, None])[:, 0]
    curves = side_curves(start, end, (normals[0], normals[1]), outwards, Camera(sides.size).focal, reach=reach)
    straight = ((np.linalg.norm(end - start, axis=1) > LONGEST_GAP) | ~outwards.any(-1))[:, None]
    rings = []
    for way in (np.arange(RINGS) + 1) / (RINGS + 1):
        points, _ = curves.at(np.arange(len(start)), np.full((len(start), 1), way))
        rings.append(np.where(straight, start + way * (end - start), points))
    return np.concatenate(rings)


def _without_jumps(triangles: np.ndarray, points: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) of points (N, 3), less those steeper than FLYING_COSINE that touch an inner (N,) bool point."""
    corners = points[triangles]
    outward, rays = across(corners), corners.mean(1) - CENTRE
    facing = abs(np.einsum("fc,fc->f", outward, rays))
    length = np.linalg.norm(outward, axis=1) * np.linalg.norm(rays, axis=1)
    return triangles[(facing >= FLYING_COSINE * length) | ~inner[triangles].any(1)]
