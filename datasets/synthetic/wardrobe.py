"""From a pattern to a draped garment on a posed body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.cloth import Contact, Material, Obstacle, Shell, fold_seed, settle
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
from datasets.synthetic.pieces import Piece
from datasets.synthetic.surfaces import surface
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh, in_largest_component

GAP = 0.004
"""[m] Air between a garment's inside and what it lies on."""
WALL_DEPTH = 0.10
"""[m] How far from an opening a garment has an inside: it cannot be seen deeper."""


def _bump(value: np.ndarray, centre: float, width: float) -> np.ndarray:
    """1 at the centre, falling off like a Gaussian."""
    return np.exp(-(((value - centre) / width) ** 2))


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
    elbow, wrist = _bump(chart.arm_along, 0.5, 0.16), _bump(chart.arm_along, 0.92, 0.12)
    knee, ankle = _bump(chart.leg_along, 0.52, 0.12), _bump(chart.leg_along, 0.97, 0.12)
    crotch = _bump(chart.leg_along, 0.0, 0.12)
    waist = _bump(chart.y, marks.hip[1] + 0.12 * u, 0.12 * u)
    on_trunk = (1 - chart.arm) * (1 - chart.leg)
    return u * (
        chart.arm * rings_arm * (0.005 + 0.010 * elbow + 0.008 * wrist)
        + chart.leg * rings_leg * (0.003 + 0.0065 * knee + 0.012 * ankle + 0.008 * crotch)
        + on_trunk * (0.008 * drapery + 0.010 * waist * across)
    )


def drape(garment: Garment, wearer: Wearer, obstacle: Obstacle, seed: int) -> Piece:
    """Cut, tailor, contact, refine.

    Args:
        obstacle: body and inner layers, posed.

    Returns:
        The outer surface, open; `with_lining` closes it.
    """
    unit = wearer.unit
    patch = _cut(surface(garment.mesh), garment, wearer)
    chart = Chart(wearer.rows(patch))
    rest = _tailor(patch, garment, chart, wearer)
    material = _scaled(garment.material, unit)
    contact = Contact(obstacle, (GAP + garment.material.thickness) * unit)
    points = wearer.skinned(patch, rest)
    points = fold_seed(points, patch.faces, garment.folds * fold_pattern(chart, wearer.marks, seed))
    shell = Shell(rest, patch.faces, _ease(material, garment.covers(chart)))
    points = shell.relax(points, material, contact, steps=90, every=18)

    operator, faces = loop_subdivide(patch.faces, len(points))
    points, rest, fine = operator @ points, operator @ rest, patch.then(operator, faces)
    rows = wearer.rows(fine)
    edge = garment.covers(Chart(rows))
    shell = Shell(rest, faces, _ease(material, edge))
    small = 0.0012 * unit * noise(rest / unit, 60.0, seed + 21)
    points = fold_seed(points, faces, garment.folds * small)
    points = shell.relax(
        points, replace(material, bending=0.6 * material.bending, gravity=0.0), contact, steps=20, every=20
    )
    near_hem = 0.6 * np.exp(-np.maximum(edge, 0) / (0.008 * unit))[:, None]
    points = smooth(points, shell.mean, 8, near_hem)
    points = smooth(points, shell.mean, 12, 0.5 * _crumpled(points, shell.mean, unit))
    points = settle(points, shell.mean, contact, rounds=1)
    return Piece(garment.kind, points, faces, rows, edge)


def _crumpled(points: np.ndarray, mean: sp.csr_matrix, unit: float) -> np.ndarray:
    """(V, 1) in [0, 1]: where cloth folded sharper than its triangles can show, as above a raised shoulder."""
    sharp = np.linalg.norm(points - mean @ points, axis=1) / unit
    return np.clip(mean @ (mean @ np.clip((sharp - 0.0022) / 0.001, 0, 1)) * 3, 0, 1)[:, None]


def _ease(material: Material, edge: np.ndarray) -> np.ndarray:
    """(V,) spare length: none at a hem, which is sewn and does not flutter."""
    return material.ease * np.clip(edge / 0.05, 0, 1)


def _scaled(material: Material, unit: float) -> Material:
    return replace(material, gravity=material.gravity * unit, thickness=material.thickness * unit)


def _cut(base: Patch, garment: Garment, wearer: Wearer) -> Patch:
    """The part of the base surface inside the pattern, in one piece."""
    operator, faces = clip_where_negative(base.faces, garment.covers(Chart(wearer.rows(base))))
    patch = base.then(operator, faces)
    kept = faces[in_largest_component(faces)]
    weights, faces = compact(patch.weights, kept)
    return Patch(weights, faces)


def _tailor(patch: Patch, garment: Garment, chart: Chart, wearer: Wearer) -> np.ndarray:
    """(V, 3) the garment in the rest pose: off the body by its looseness, bridging hollows, with even hems."""
    mean = neighbour_mean(patch.faces, patch.weights.shape[0])
    points = smooth(wearer.at_rest(patch), mean, 3)
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
