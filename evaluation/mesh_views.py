"""A mesh seen through parallel rays, for depth alignment, normal error (benchmarks/PROTOCOLS.md) and turntable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.distances import Surface
from geometry.mesh import Mesh, unit
from geometry.ray_scene import RayHits
from geometry.scan_frame import turn


@dataclass(frozen=True)
class Box:
    """A square window onto the XY plane, and how far rays start from its centre."""

    centre: np.ndarray  # (3,) float64
    half: float  # half the side of the window
    reach: float  # start of the rays, in front of everything

    @classmethod
    def around(cls, *meshes: Mesh, margin: float = 1.0) -> Box:
        """The smallest box around the first mesh, seen from any yaw, times margin; rays start in front of all."""
        vertices = meshes[0].vertices
        centre = (vertices.min(0) + vertices.max(0)) / 2
        offset = vertices - centre
        half = max(float(np.hypot(offset[:, 0], offset[:, 2]).max()), float(np.abs(offset[:, 1]).max()))
        reach = max(float(np.linalg.norm(mesh.vertices - centre, axis=1).max()) for mesh in meshes)
        return cls(centre, half * margin, 1.5 * max(reach, half))


def look(surface: Surface, box: Box, size: int, yaw_deg: float = 0.0, columns: slice = slice(None)) -> RayHits:
    """First hits of size x size parallel rays, or of some columns of them, row by row from the top left.

    Args:
        surface: what is seen.
        box: the window; it turns about its own centre.
        size: rays per side.
        yaw_deg: how far the surface is turned about Y before it is seen along -Z [deg], geometry.scan_frame.turn.
        columns: of the picture, counted from the left.
    """
    steps = (2 * (np.arange(size) + 0.5) / size - 1) * box.half
    x, y = np.meshgrid(steps[columns], -steps)
    origins = np.stack([x.ravel(), y.ravel(), np.full(x.size, box.reach)], axis=1)
    # The rays turn the other way instead of the mesh.
    origins = turn(origins, -yaw_deg) + box.centre
    return surface.cast(origins, turn(np.array([0.0, 0.0, -1.0]), -yaw_deg))


def positions(surface: Surface, hits: RayHits, chosen: np.ndarray) -> np.ndarray:
    """Where chosen rays met the surface, in its coordinates.

    Args:
        chosen: (N,) bool, a part of hits.hit.

    Returns:
        (number chosen, 3) float64.
    """
    rows = hits.rows(chosen)
    return np.einsum("nk,nkc->nc", hits.barycentric[rows], surface.mesh.corners_of(hits.faces[rows]))


def shading_normals(mesh: Mesh, per_vertex: np.ndarray, hits: RayHits) -> np.ndarray:
    """(N, 3) float64: vertex normals interpolated at the hits and made unit again; 0 where rays missed."""
    normals = np.zeros((len(hits.hit), 3))
    normals[hits.hit] = unit(np.einsum("nk,nkc->nc", hits.barycentric, per_vertex[mesh.faces[hits.faces]]))
    return normals
