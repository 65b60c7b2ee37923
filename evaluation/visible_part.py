"""The part of a mesh that can be seen from outside: skin under clothes is not measured."""

from __future__ import annotations

import numpy as np

from evaluation.distances import Surface
from geometry.mesh import Mesh

DIRECTIONS = 48
START = 1e-4
"""How far off its face a line of sight starts, as a fraction of the largest coordinate from the centre (0.1 mm)."""


def sphere_directions(count: int) -> np.ndarray:
    """(count, 3) float64 unit vectors spread evenly over the sphere (Fibonacci's spiral)."""
    index = np.arange(count) + 0.5
    height, angle = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def visible_part(mesh: Mesh) -> Mesh:
    """The faces whose centre has a free line of sight to the outside in at least one of 48 directions, from any side.

    Vertices stay as they are.
    """
    surface = Surface(mesh)
    centres = mesh.corners.mean(axis=1)
    start = START * float(np.abs(mesh.vertices - centres.mean(0)).max())
    hidden = np.arange(len(mesh.faces))
    for direction in sphere_directions(DIRECTIONS):
        if len(hidden) == 0:
            break
        hidden = hidden[surface.blocked(centres[hidden] + start * direction, direction)]
    return Mesh(mesh.vertices, np.delete(mesh.faces, hidden, axis=0))
