"""From a scan's own units and place to the world of the camera, and the turn of the person (METHOD.md 2.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geometry.mesh import Mesh

WIDTH_PER_REACH = 2.8
"""A centred scan is divided by this many times its largest coordinate, so that it fits the image."""


def area_centroid(mesh: Mesh) -> np.ndarray:
    """The area-weighted centroid of a surface, (3,) float64.

    Raises:
        ValueError: the surface has no area.
    """
    areas = mesh.areas()
    if not areas.sum() > 0:
        raise ValueError("the surface has no area")
    return (areas[:, None] * mesh.corners.mean(1)).sum(0) / areas.sum()


@dataclass(frozen=True)
class ScanFrame:
    """Where a scan lies in the world of the camera: world = (scan - offset) / scale."""

    offset: np.ndarray  # (3,) float64, scan units
    scale: float  # scan units per world unit

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Scan coordinates to the world of the camera, (..., 3) -> (..., 3) float64."""
        return (points - self.offset) / self.scale


def centre_and_scale(mesh: Mesh) -> ScanFrame:
    """The frame in which a scan is rendered: centred on its area-weighted centroid, divided by 2.8 max |component|.

    Args:
        mesh: any unit, Y up, facing +Z.

    Raises:
        ValueError: the surface has no area.
    """
    offset = area_centroid(mesh)
    # Vertices that no face uses are not part of the surface but do count: the official renderer scales by all.
    return ScanFrame(offset, WIDTH_PER_REACH * float(np.abs(mesh.vertices - offset).max()))


def turn(points: np.ndarray, yaw_deg: float) -> np.ndarray:
    """Turn about Y: X' = cos a X + sin a Z, Z' = -sin a X + cos a Z.

    Args:
        points: (..., 3), centred; floating point.
        yaw_deg: a [deg]; positive turns the person's front towards +X, the right of the image.

    Returns:
        (..., 3) of the dtype of the points.
    """
    cos, sin = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    x, y, z = (points[..., axis] for axis in range(3))
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)
