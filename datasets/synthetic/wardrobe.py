"""From a pattern to a draped garment on a posed body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.cloth import Material, Obstacle, Shell, fold_seed, settle
from datasets.synthetic.garments import Garment
from datasets.synthetic.mesh_editing import (
    Patch,
    clip_where_negative,
    compact,
    loop_subdivide,
    neighbour_mean,
    smooth,
    with_inner_wall,
)
from datasets.synthetic.noise import noise
from datasets.synthetic.surfaces import skinned, surface
from geometry.mesh import Mesh, in_largest_component

GAP = 0.004
"""[m] Air between a garment's inside and what it lies on."""
WALL_DEPTH = 0.10
"""[m] How far from an opening a garment has an inside: deeper nobody can look."""


@dataclass(frozen=True)
class Piece:
    """One colored piece of the person."""

    kind: str
    points: np.ndarray  # (V, 3) posed
    faces: np.ndarray  # (F, 3)
    rows: np.ndarray  # (V, C) chart rows of the points
    edge: np.ndarray  # (V,) distance to the garment's nearest edge [m], or what the kind's color needs

    @property
    def mesh(self) -> Mesh:
        """The posed surface."""
        return Mesh(self.points, self.faces)


def fold_pattern(chart: Chart, marks: Landmarks, seed: int) -> np.ndarray:
    """Heights of folds before relaxation [m]: rings where limbs bend, drapery on the trunk, bunching at the ends."""
    u = marks.unit
    p = chart.position / u
    warp = 0.03 * np.stack([noise(p, 6.0, seed + k) for k in (11, 12, 13)], axis=1)
    q = p + warp
    arm, leg = chart.arm_along * marks.arm_length / u, chart.leg_along * marks.leg_length / u
    rings_arm = noise(np.stack([arm + warp[:, 0], q[:, 2], q[:, 0]], 1), (48, 24, 24), seed + 1)
    rings_leg = noise(np.stack([leg + warp[:, 1] + 0.25 * q[:, 0], q[:, 2], q[:, 0]], 1), (40, 24, 24), seed + 2)
    drapery = noise(np.stack([q[:, 0] + 0.5 * q[:, 1], q[:, 1], q[:, 2]], 1), (30, 9, 30), seed + 3)
    across = noise(np.stack([q[:, 0], q[:, 1] + 0.35 * np.abs(q[:, 0]), q[:, 2]], 1), (10, 38, 10), seed + 4)
    bump = lambda value, centre, width: np.exp(-(((value - centre) / width) ** 2))  # noqa: E731
    elbow, wrist = bump(chart.arm_along, 0.5, 0.16), bump(chart.arm_along, 0.92, 0.12)
    knee, ankle = bump(chart.leg_along, 0.52, 0.12), bump(chart.leg_along, 0.97, 0.12)
    crotch = bump(chart.leg_along, 0.0, 0.12)
    waist = bump(chart.y, marks.hip[1] + 0.12 * u, 0.12 * u)
    on_trunk = (1 - chart.arm) * (1 - chart.leg)
    return u * (
        chart.arm * rings_arm * (0.005 + 0.010 * elbow + 0.008 * wrist)
        + chart.leg * rings_leg * (0.003 + 0.0065 * knee + 0.012 * ankle + 0.008 * crotch)
        + on_trunk * (0.008 * drapery + 0.010 * waist * across)
    )


def drape(
    garment: Garment,
    rows: np.ndarray,
    marks: Landmarks,
    rest_points: np.ndarray,
    skinning: np.ndarray,
    obstacle: Obstacle,
    seed: int,
) -> Piece:
    """Cut, tailor, hang, refine.

    Args:
        rows: (V, C) chart rows of the body model's vertices.
        rest_points: (V, 3) the body model's vertices in the rest pose.
        skinning: (V, 3, 4) of the pose.
        obstacle: body and inner layers, posed.

    Returns:
        The outer surface, open; `with_lining` closes it.
    """
    patch = _cut(surface(garment.mesh), garment, rows)
    chart = Chart(patch.weights @ rows)
    rest = _tailor(patch, garment, chart, rest_points)
    material = _scaled(garment.material, marks.unit)
    margin = (GAP + garment.material.thickness) * marks.unit
    points = skinned(patch.weights, skinning, rest)
    points = fold_seed(points, patch.faces, garment.folds * fold_pattern(chart, marks, seed))
    shell = Shell(rest, patch.faces, _ease(material, garment.covers(chart)))
    points = shell.relax(points, obstacle, material, margin, steps=90, every=18)

    operator, faces = loop_subdivide(patch.faces, len(points))
    points, rest, fine = operator @ points, operator @ rest, patch.then(operator, faces)
    rows = fine.weights @ rows
    edge = garment.covers(Chart(rows))
    shell = Shell(rest, faces, _ease(material, edge))
    still = Material(material.ease, 0.6 * material.bending, 0.0, material.thickness)
    small = 0.0012 * marks.unit * noise(rest / marks.unit, 60.0, seed + 21)
    points = fold_seed(points, faces, garment.folds * small)
    points = shell.relax(points, obstacle, still, margin, steps=20, every=20)
    near_hem = 0.6 * np.exp(-np.maximum(edge, 0) / (0.008 * marks.unit))[:, None]
    points = smooth(points, shell.mean, 8, near_hem)
    points = smooth(points, shell.mean, 12, 0.5 * _crumpled(points, shell.mean, marks.unit))
    points = settle(points, shell.mean, obstacle, margin, rounds=1)
    return Piece(garment.kind, points, faces, rows, edge)


def _crumpled(points: np.ndarray, mean: sp.csr_matrix, unit: float) -> np.ndarray:
    """(V, 1) in [0, 1]: where cloth folded sharper than its triangles can show, as above a raised shoulder."""
    sharp = np.linalg.norm(points - mean @ points, axis=1) / unit
    return np.clip(mean @ (mean @ np.clip((sharp - 0.0022) / 0.001, 0, 1)) * 3, 0, 1)[:, None]


def _ease(material: Material, edge: np.ndarray) -> np.ndarray:
    """(V,) spare length: none at a hem, which is sewn and does not flutter."""
    return material.ease * np.clip(edge / 0.05, 0, 1)


def _scaled(material: Material, unit: float) -> Material:
    return Material(material.ease, material.bending, material.gravity * unit, material.thickness * unit)


def _cut(base: Patch, garment: Garment, rows: np.ndarray) -> Patch:
    """The part of the base surface inside the pattern, in one piece."""
    operator, faces = clip_where_negative(base.faces, garment.covers(Chart(base.weights @ rows)))
    patch = base.then(operator, faces)
    kept = faces[in_largest_component(faces)]
    weights, faces = compact(patch.weights, kept)
    return Patch(weights, faces)


def _tailor(patch: Patch, garment: Garment, chart: Chart, rest_points: np.ndarray) -> np.ndarray:
    """(V, 3) the garment in the rest pose: off the body by its looseness, bridging hollows, with even hems."""
    mean = neighbour_mean(patch.faces, patch.weights.shape[0])
    points = smooth(patch.weights @ rest_points, mean, 3)
    normals = smooth(Mesh(points, patch.faces).vertex_normals(), mean, 4)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = points + normals * garment.stands_off(chart)[:, None]
    points = smooth(points, mean, garment.smoothing)
    return points if garment.shape is None else garment.shape(chart, points)


def with_lining(part: Piece, thickness: float, dropped: np.ndarray) -> Piece:
    """Close the hems and give the openings an inside; leave out the faces that are `dropped`, (F,) bool."""
    walled = (part.edge[part.faces] < WALL_DEPTH).any(1) & ~dropped
    points, faces, owner = with_inner_wall(part.points, part.faces, np.full(len(part.points), thickness), walled)
    kept = np.ones(len(faces), bool)
    kept[: len(dropped)] = ~dropped
    used, renumbered = np.unique(faces[kept], return_inverse=True)
    owner = owner[used]
    return Piece(part.kind, points[used], renumbered.reshape(-1, 3), part.rows[owner], part.edge[owner])
