"""From any unit and place to the camera's: where a scan stands in every render (SPEC 2)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from datasets.rendering.scan import Scan
from utils.errors import InputError

EXTENT = 2.8
"""A scan's longest coordinate from its centre is scaled to 1 / 2.8: 78 % of the picture's height for a person."""


def turned_about_y(points: np.ndarray, degrees: float) -> np.ndarray:
    """(..., 3) points or directions after X' = cos a X + sin a Z, Z' = -sin a X + cos a Z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y, z = (points[..., axis] for axis in range(3))
    return np.stack([c * x + s * z, y, c * z - s * x], axis=-1)


def surface_centroid(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Centre of the surface, every triangle weighted by its area.

    Args:
        vertices: (V, 3).
        faces: (F, 3) integers.

    Returns:
        (3,) float64.

    Raises:
        InputError: the surface has no area, or an infinite one.
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = area.sum()
    if not np.isfinite(total) or total <= 0:
        raise InputError(f"the surface's area is {total / 2:g}, expected a mesh of triangles")
    return (area[:, None] * (a + b + c)).sum(0) / (3 * total)


def stand_in_frame(scan: Scan) -> Scan:
    """The scan as the camera sees it at yaw 0: centred on its surface centroid, longest coordinate `frame_scale` / 2.8.

    Vertices that no triangle uses do not count.

    Raises:
        InputError: there is no surface.
    """
    if not len(scan.faces):
        raise InputError("no triangles, expected a mesh of a person")
    centre = surface_centroid(scan.vertices, scan.faces)
    used = np.zeros(len(scan.vertices), dtype=bool)
    used[scan.faces.ravel()] = True
    scale = np.abs(scan.vertices[used] - centre).max() * EXTENT / scan.frame_scale
    joints = None if scan.joints is None else (scan.joints - centre) / scale
    vertices = np.where(used[:, None], (scan.vertices - centre) / scale, 0.0)
    return replace(scan, vertices=vertices, joints=joints, frame_scale=1.0)


def turned(scan: Scan, degrees: float) -> Scan:
    """The scan turned about the Y axis, joints included."""
    joints = None if scan.joints is None else turned_about_y(scan.joints, degrees)
    return replace(scan, vertices=turned_about_y(scan.vertices, degrees), joints=joints)
