"""Cloth that hangs: position-based relaxation of a shell on a body, coarse then fine.

Each edge wants its length in the tailored rest shape, neighbouring triangles want to stay flat, gravity pulls, and
nothing may enter the body or an inner layer. Where a limb bends the cloth has too much length and buckles into folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from datasets.synthetic.mesh_editing import edges_of, neighbour_mean
from geometry.mesh import Mesh
from geometry.ray_scene import RayScene

OVER_RELAXATION = 1.6
"""Jacobi steps on a triangle mesh stay stable below 2."""
DEEPEST = 0.06
"""[m] A point further inside than this belongs to another limb: leave it alone."""


@dataclass(frozen=True)
class Material:
    """How a fabric behaves."""

    ease: float  # spare length of every edge, relative
    bending: float  # resistance to folds in [0, 0.25]
    gravity: float  # sinking per step [m]
    thickness: float  # [m]


class Obstacle:
    """Surfaces that cloth must stay outside of: closed bodies or open shells with outward faces."""

    def __init__(self, meshes: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self._scene = RayScene([Mesh(points, faces) for points, faces in meshes], threads=1)

    def planes(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The nearest surface point of each point, its outward normal, and whether it faces the point squarely.

        Near the edge of an open shell the nearest triangle says nothing about inside and outside.
        """
        found = self._scene.nearest(points)
        nearest, normal = found.points, found.normals
        away = points - nearest
        height = (away * normal).sum(1)
        square = (np.abs(height) > 0.6 * np.linalg.norm(away, axis=1)) & (height > -DEEPEST)
        return nearest, normal, square

    def push_out(self, points: np.ndarray, margin: float) -> np.ndarray:
        """The points, moved to at least `margin` outside."""
        nearest, normal, square = self.planes(points)
        return _outside(points, nearest, normal, square, margin)


@dataclass(frozen=True)
class Contact:
    """What a piece of cloth must stay outside of, and by how much."""

    obstacle: Obstacle
    margin: float  # distance kept from it [m]


def _outside(
    points: np.ndarray, nearest: np.ndarray, normal: np.ndarray, square: np.ndarray, margin: float
) -> np.ndarray:
    short = margin - ((points - nearest) * normal).sum(1)
    return points + normal * np.where(square, np.maximum(short, 0), 0)[:, None]


class Shell:
    """The springs of one garment mesh."""

    def __init__(self, rest_points: np.ndarray, faces: np.ndarray, ease: np.ndarray) -> None:
        """
        Args:
            rest_points: (V, 3) the tailored shape.
            faces: (F, 3).
            ease: (V,) spare length at each vertex, relative.
        """
        self.faces = faces
        edges, _, _ = edges_of(faces)
        rows = np.arange(len(edges))
        ones = np.ones(len(edges))
        self._difference = sp.csr_matrix(
            (np.r_[ones, -ones], (np.r_[rows, rows], np.r_[edges[:, 0], edges[:, 1]])),
            shape=(len(edges), len(rest_points)),
        )
        self._gather = self._difference.T.tocsr()
        spare = 1 + ease[edges].mean(1)
        self._length = np.linalg.norm(self._difference @ rest_points, axis=1) * spare
        degree = np.bincount(edges.ravel(), minlength=len(rest_points))
        self._step = (0.5 * OVER_RELAXATION / np.maximum(degree, 1))[:, None]
        self.mean = neighbour_mean(faces, len(rest_points))

    def relax(self, points: np.ndarray, material: Material, contact: Contact, steps: int, every: int) -> np.ndarray:
        """Let the shell hang.

        Args:
            points: (V, 3) start.
            steps: relaxation steps; planes of contact are refreshed every `every` of them.

        Returns:
            (V, 3).
        """
        anchor = points
        for step in range(steps):
            if step % every == 0:
                planes = contact.obstacle.planes(points)
            points = points + 0.01 * (anchor - points)
            points[:, 1] -= material.gravity
            span = self._difference @ points
            length = np.maximum(np.linalg.norm(span, axis=1), 1e-9)
            points = points - self._step * (self._gather @ (span * ((length - self._length) / length)[:, None]))
            rough = points - self.mean @ points
            points = points - material.bending * (rough - self.mean @ rough)
            points = _outside(points, *planes, contact.margin)
        return points


def settle(points: np.ndarray, mean: sp.csr_matrix, contact: Contact, rounds: int) -> np.ndarray:
    """Alternate pushing out and smoothing where it pushed, so that nothing is inside and nothing is dented."""
    for _ in range(rounds):
        pushed = contact.obstacle.push_out(points, contact.margin)
        moved = np.linalg.norm(pushed - points, axis=1)
        if not (moved > 1e-5).any():
            break
        near = np.clip(mean @ (mean @ (moved > 1e-5).astype(float)) * 3, 0, 1)[:, None]
        points = pushed + 0.5 * near * (mean @ pushed - pushed)
    return contact.obstacle.push_out(points, contact.margin)


def fold_seed(points: np.ndarray, faces: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Displace along the normals [m]: the folds that relaxation then makes real."""
    return points + Mesh(points, faces).vertex_normals() * height[:, None]
