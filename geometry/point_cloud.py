"""Front and back depth maps as one cloud of colored, oriented points (METHOD.md 9.1).

The two maps are lifted once (`lift_sides`); the cloud of the maps (`sides_cloud`) and the closed one that a surface is
reconstructed from (geometry.side_gap) are both read off that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np

from geometry.camera import CENTRE, Camera
from geometry.canvas import scaled_count
from geometry.depth import FRONT_BACKGROUND, distance_from_network
from geometry.window import Window

Map = TypeVar("Map", bound=Any)
"""An array or a tensor."""
BACK_CUT_AT_2048 = 3
"""How many times a 3x3 erosion of the front silhouette cuts the back map of a 2048 px canvas."""
STEEP_SLOPE = 8.0
"""Steps of depth per step sideways (83 deg) from which two neighbouring pixels more and more count as two surfaces."""


@dataclass(frozen=True)
class PointCloud:
    """Points with a color and the direction out of the body; world frame: X right, Y up, Z towards the viewer."""

    points: np.ndarray  # (N, 3) float64 [world units]
    normals: np.ndarray  # (N, 3) float32, unit length, outwards
    colors: np.ndarray  # (N, 3) uint8 RGB

    def __len__(self) -> int:
        return len(self.points)

    def __add__(self, other: PointCloud) -> PointCloud:
        return PointCloud(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.normals, other.normals]),
            np.concatenate([self.colors, other.colors]),
        )


@dataclass(frozen=True)
class Side:
    """One depth map in space, on the pixels of a window."""

    distance: np.ndarray  # (h, w) float64, length along the ray; any finite value where nothing is present
    normals: np.ndarray  # (h, w, 3) float32, outwards; defined where `silhouette` of the sides is
    present: np.ndarray  # (h, w) bool, the pixels that become points


@dataclass(frozen=True)
class Sides:
    """Both depth maps in space. The window is the smallest one around the silhouette."""

    size: int  # of the canvas [px]
    window: Window
    rays: np.ndarray  # (h, w, 3) float64 unit viewing directions
    silhouette: np.ndarray  # (h, w) bool, front.present
    front: Side
    back: Side  # distances and normals hold on the whole silhouette, `present` is cut

    def points(self, side: Side, chosen: np.ndarray | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """(N, 3) float64 points of a side at chosen pixels: an (h, w) mask, or (N,) rows and (N,) columns."""
        return CENTRE + side.distance[chosen][:, None] * self.rays[chosen]


def body_pixels(front: Map, back: Map) -> Map:
    """Which pixels of the two maps are body, by their depths alone: front <= back, and neither is background.

    Args:
        front, back: (...) network depth, arrays or tensors; background is front 6 or anything 0; NaN is no body.

    Returns:
        (...) bool.
    """
    return (front > 0) & (front <= back) & (back < FRONT_BACKGROUND)


def silhouettes(front: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of the two maps are body: front <= back, and for the back also 3 px inside that (METHOD.md 9.1).

    Background (front 6 or anything 0) and NaN are not body. No mask is asked.

    Args:
        front, back: (R, R) network depth.

    Returns:
        (R, R) bool for the front, (R, R) bool for the back.
    """
    body = body_pixels(front, back)
    cut = scaled_count(BACK_CUT_AT_2048, len(front))
    inner = cv2.erode(body.view(np.uint8), np.ones((3, 3), np.uint8), iterations=cut)
    return body, inner.astype(bool)


def lift_sides(front: np.ndarray, back: np.ndarray) -> Sides:
    """Place both maps in space.

    Args:
        front, back: (R, R) network depth, any float type.

    Returns:
        The sides on the window of the silhouette.

    Raises:
        ValueError: no pixel has front <= back, or the maps are not two squares of one size.
    """
    if front.shape != back.shape or front.ndim != 2 or front.shape[0] != front.shape[1]:
        raise ValueError(f"depth maps of shapes {front.shape} and {back.shape}, expected two of (R, R)")
    size = len(front)
    body, inner = silhouettes(front, back)
    if not body.any():
        raise ValueError("no pixel has front depth <= back depth: the body is empty")
    left, top, width, height = cv2.boundingRect(body.view(np.uint8))
    window = Window(top, top + height, left, left + width)
    rays = Camera(size).rays(window)
    body, inner = body[window.slices], inner[window.slices]

    def side(depth: np.ndarray, present: np.ndarray, outwards: int) -> Side:
        distance = distance_from_network(np.where(body, depth[window.slices], 2.0).astype(np.float64))
        return Side(distance, outwards * normals_of_distance(distance, rays, body), present)

    return Sides(size, window, rays, silhouette=body, front=side(front, body, 1), back=side(back, inner, -1))


def normals_of_distance(distance: np.ndarray, rays: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Unit normals of the surface that a depth map samples, from the differences to the four neighbours in space.

    Along each image axis the two one-sided differences are averaged with weights 1 / (1 + (slope / 8)^4): on a smooth
    surface that is the central difference, beside a jump it is the difference on the near side of the jump. Neighbours
    that are not present have no weight.

    Args:
        distance: (h, w) length along the ray, finite everywhere.
        rays: (h, w, 3) unit viewing directions.
        present: (h, w) bool, pixels of the surface.

    Returns:
        (h, w, 3) float32, towards the camera. A pixel alone along an axis is taken as facing the camera in that axis.
    """
    points = np.moveaxis(distance[..., None] * rays, -1, 0)
    right = _tangent(points, distance, present, axis=1)
    down = _tangent(points, distance, present, axis=0)
    normals = np.empty((*distance.shape, 3), np.float32)
    normals[..., 0] = down[1] * right[2] - down[2] * right[1]
    normals[..., 1] = down[2] * right[0] - down[0] * right[2]
    normals[..., 2] = down[0] * right[1] - down[1] * right[0]
    length = np.sqrt(np.einsum("hwc,hwc->hw", normals, normals))
    return normals / np.maximum(length, np.finfo(np.float32).tiny)[..., None]


def _tangent(points: np.ndarray, distance: np.ndarray, present: np.ndarray, axis: int) -> np.ndarray:
    """Direction along the surface at every pixel for growing row (axis 0) or column (axis 1).

    Args:
        points: (3, h, w).

    Returns:
        (3, h, w) float32, of any length. Without neighbours: downwards (axis 0) or to the right (axis 1).
    """
    along = (slice(None),) * axis
    later, earlier = (*along, slice(1, None)), (*along, slice(None, -1))
    # Subtract before rounding to float32: the coordinates are near 1, their steps near 1e-4.
    climb = (distance[later] - distance[earlier]).astype(np.float32)
    step = np.stack([(plane[later] - plane[earlier]).astype(np.float32) for plane in points])
    sideways_squared = np.maximum(np.einsum("chw,chw->hw", step, step) - climb**2, 1e-12)
    weight = 1 / (1 + (climb**2 / (STEEP_SLOPE**2 * sideways_squared)) ** 2)
    step *= weight * (present[later] & present[earlier])
    tangent = np.zeros(points.shape, np.float32)
    tangent[1 - axis] = (-1e-9, 1e-9)[axis]  # decides nothing but the lonely pixel
    for plane, of_step in zip(tangent, step, strict=True):
        plane[later] += of_step
        plane[earlier] += of_step
    return tangent


def sides_cloud(sides: Sides, rgb: np.ndarray) -> PointCloud:
    """The pixels of both maps as points, front first, each with the photo's color (METHOD.md 9.1).

    Args:
        rgb: (R, R, 3) uint8, the photo on the canvas of the maps.
    """
    colors = rgb[sides.window.slices]
    clouds = [
        PointCloud(sides.points(side, side.present), side.normals[side.present], colors[side.present])
        for side in (sides.front, sides.back)
    ]
    return clouds[0] + clouds[1]
