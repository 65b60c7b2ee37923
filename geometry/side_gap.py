"""From the points of two depth maps to a closed cloud: the side of the body that neither map sees.

At the rim the surface turns away from the camera, so a map's last pixel still stands 10 to 40 px of depth before the
other's. Every rim pixel gets a curve along its ray that leaves each map in the direction in which that map's surface
runs, turns steadily in between, as a limb does, and touches the smooth outline of the silhouette, which is where the
photo says the body ends: through the stairs of its pixels, not around them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from geometry.camera import CENTRE, Camera
from geometry.canvas import scaled_count
from geometry.pixel_sets import OUTLINE_SIGMA, eroded, nearest_in, outline_distance, rim_of
from geometry.point_cloud import PointCloud, Side, Sides, sides_cloud

COLOR_INSET_AT_2048 = 3
"""The rim's own pixels mix the person with the background, so a side takes its colors from this far inside [px]."""
FLYING_COSINE = 0.2
"""Of the angle between a normal and the ray (78 deg), below which a pixel away from the rim belongs to no surface."""
STEEP_RIM_AT_2048 = 6
"""Pixels this near to the rim [px] are steep by right: a limb turns away there."""
LARGEST_BULGE = 1.0
"""How far a curve may stand out of its pixel's centre [px]: the outline runs somewhere in that range."""
LONGEST_GAP = 0.05
"""World units (13 cm of a grown person). A wider gap at the rim is not a limb that turns away but a hand in front of a
hip; a curve there would be a strut between the two."""


def closed_cloud(sides: Sides, rgb: np.ndarray) -> PointCloud:
    """The cloud to reconstruct a surface from: both maps without their flying pixels, and the side between them.

    Args:
        rgb: (R, R, 3) uint8, the photo on the canvas of the maps.
    """
    inner = eroded(sides.silhouette, scaled_count(STEEP_RIM_AT_2048, sides.size))
    kept = replace(
        sides, front=_without_flying(sides.front, sides, inner), back=_without_flying(sides.back, sides, inner)
    )
    return sides_cloud(kept, rgb) + side_gap_cloud(sides, rgb)


def _without_flying(side: Side, sides: Sides, inner: np.ndarray) -> Side:
    """The side less the pixels away from the rim that are steeper than a surface that the camera can see.

    A network blurs the step from an arm to the body behind it, and the step's pixels float between the two.
    """
    facing = abs(np.einsum("hwc,hwc->hw", side.normals, sides.rays))
    return replace(side, present=side.present & ~(inner & (facing < FLYING_COSINE)))


def side_gap_cloud(sides: Sides, rgb: np.ndarray) -> PointCloud:
    """The points that `sides_cloud` lacks of a closed surface.

    They are the strip of the back map that its cut took away, and the curves from the front's to the back's rim.

    Args:
        rgb: (R, R, 3) uint8, the photo on the canvas of the maps.
    """
    colors = _inset_colors(sides, rgb)
    strip = sides.silhouette & ~sides.back.present
    cut_away = PointCloud(sides.points(sides.back, strip), sides.back.normals[strip], colors[strip])
    return cut_away + _curves(sides, colors)


@dataclass(frozen=True)
class SideCurves:
    """Cubics around the side, from the front map to the back map; (N, 3) float64 each, world frame."""

    start: np.ndarray  # points of the front map
    leave: np.ndarray  # the curves' derivatives there, for a parameter from 0 to 1
    end: np.ndarray  # points of the back map
    enter: np.ndarray

    def at(self, curve: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points and derivatives, (M, 3) each, of curves (M,) at `along` (M, 1) in [0, 1]."""
        start, leave, end, enter, s = self.start[curve], self.leave[curve], self.end[curve], self.enter[curve], along
        chord = end - start
        points = start + chord * (3 - 2 * s) * s**2 + leave * s * (1 - s) ** 2 + enter * s**2 * (s - 1)
        slopes = chord * 6 * s * (1 - s) + leave * (1 - s) * (1 - 3 * s) + enter * s * (3 * s - 2)
        return points, slopes


def side_curves(
    start: np.ndarray,
    end: np.ndarray,
    normals: tuple[np.ndarray, np.ndarray],
    outwards: np.ndarray,
    focal: float,
    *,
    reach: np.ndarray | None = None,
) -> SideCurves:
    """Curves that leave each map in the direction in which its surface runs, and turn steadily in between.

    Args:
        start, end: (N, 3) points of the front and of the back map on the same rays.
        normals: of both maps there, (N, 3) unit, outwards.
        outwards: (N, 3) unit directions out of the silhouette (`outline_directions`).
        focal: focal length [px].
        reach: (N,) how far outwards of its ends every curve gets half way [px]; without, as far as its ends' directions
            lead it, and at most LARGEST_BULGE.
    """
    rays = start - CENTRE
    distance = np.linalg.norm(rays, axis=1, keepdims=True)
    rays = rays / distance
    gap = np.linalg.norm(end - start, axis=1)
    leave, enter = (_heading(side, outwards, rays) for side in normals)
    # A cubic with tangents of this length is an arc of a circle, whatever the angle between them.
    half_turn = np.arccos(np.clip(np.einsum("nc,nc->n", leave, enter), -1, 1)) / 2
    speed = (gap / np.cos(half_turn / 2) ** 2)[:, None]
    # Half way, a cubic stands out by an eighth of the two tangents' outward parts.
    pitch = 4 * distance / focal
    low, high = (-LARGEST_BULGE, LARGEST_BULGE) if reach is None else (reach[:, None], reach[:, None])
    bounds = low * pitch, high * pitch
    leave, enter = _kept_along(speed * leave, outwards, bounds), -_kept_along(-speed * enter, outwards, bounds)
    return SideCurves(start, leave, end, enter)


def _curves(sides: Sides, colors: np.ndarray) -> PointCloud:
    """Points one pixel's width apart on the curves of every pixel of the rim."""
    outwards = outline_directions(sides)
    gap = sides.back.distance - sides.front.distance
    rim = rim_of(sides.silhouette) & outwards.any(axis=-1) & (gap <= LONGEST_GAP)
    focal = Camera(sides.size).focal
    curves = side_curves(
        sides.points(sides.front, rim),
        sides.points(sides.back, rim),
        (sides.front.normals[rim], sides.back.normals[rim]),
        outwards[rim],
        focal,
        reach=np.minimum(outline_distance(sides.silhouette)[rim], LARGEST_BULGE),
    )
    count = np.maximum(np.ceil(gap[rim] * focal / sides.front.distance[rim]).astype(np.int64) - 1, 0)
    curve = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(curve)) - np.repeat(np.cumsum(count) - count, count)
    points, heading = curves.at(curve, ((place + 1) / (count[curve] + 1))[:, None])
    normals = np.cross(heading, np.cross(outwards[rim], sides.rays[rim])[curve])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(points, normals.astype(np.float32), colors[rim][curve])


def outline_directions(sides: Sides) -> np.ndarray:
    """(h, w, 3) unit directions out of the silhouette, parallel to the image plane; 0 where there is none."""
    margin = int(4 * OUTLINE_SIGMA) + 1
    padded = cv2.copyMakeBorder(
        sides.silhouette.astype(np.float32), margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0
    )
    down, right = np.gradient(
        cv2.GaussianBlur(padded, (0, 0), OUTLINE_SIGMA)[margin - 1 : 1 - margin, margin - 1 : 1 - margin]
    )
    outwards = np.stack([-right, down, np.zeros_like(down)], axis=-1)[1:-1, 1:-1].astype(np.float64)
    length = np.linalg.norm(outwards, axis=-1, keepdims=True)
    return np.where(length > 1e-4, outwards / np.maximum(length, 1e-4), 0)


def _heading(normals: np.ndarray, outwards: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """The unit direction in which a surface runs on around the side, in the plane of `outwards` and the ray; (N, 3).

    On the front it runs outwards and away from the camera, on the back inwards and away from the camera.
    """
    along_ray = np.maximum(np.einsum("nc,nc->n", normals, outwards), 0)[:, None]
    along_outwards = -np.einsum("nc,nc->n", normals, rays)[:, None]
    heading = along_outwards * outwards + along_ray * rays
    return heading / np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-9)


def _kept_along(vectors: np.ndarray, axis: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Vectors (N, 3) whose part along the unit axis (N, 3) is moved between the bounds, (N, 1) each."""
    part = np.einsum("nc,nc->n", vectors, axis)[:, None]
    return vectors + (np.clip(part, *bounds) - part) * axis


def _inset_colors(sides: Sides, rgb: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8: the photo, where pixels near the rim take the color of the nearest pixel well inside it."""
    inner = eroded(sides.silhouette, scaled_count(COLOR_INSET_AT_2048, sides.size))
    colors = rgb[sides.window.slices].copy()
    if inner.any():
        colors[~inner] = colors[nearest_in(inner, ~inner)]
    return colors
