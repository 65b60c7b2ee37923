"""Shoes: the convex hull of the foot, inflated, on a flat sole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from datasets.synthetic.chart import Chart
from datasets.synthetic.mesh_editing import clip_where_negative, neighbour_mean, smooth
from datasets.synthetic.noise import noise
from datasets.synthetic.pieces import Piece
from datasets.synthetic.solids import Solid, unit_sphere
from datasets.synthetic.surfaces import surface
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

LOW_SHAFT = 0.012
"""[m] A convex hull follows foot and ankle up to here; above, a tube around the shin continues a boot."""


@dataclass(frozen=True)
class ShoeStyle:
    """Sizes of a pair [m for a 1.7 m person]."""

    kind: str  # "sneaker", "boot" or "slipper"
    sole: float
    shaft: float  # how far it rises above the ankle joint
    padding: float


def sample_shoes(rng: np.random.Generator) -> ShoeStyle | None:
    """A pair of shoes, or bare feet."""
    kind = str(rng.choice(["sneaker", "slipper", "boot", "bare"], p=[0.6, 0.2, 0.15, 0.05]))
    if kind == "bare":
        return None
    sole = {
        "sneaker": rng.uniform(0.012, 0.022),
        "slipper": rng.uniform(0.005, 0.010),
        "boot": rng.uniform(0.014, 0.024),
    }
    shaft = {"sneaker": rng.uniform(-0.02, 0.015), "slipper": -0.035, "boot": rng.uniform(0.05, 0.14)}
    return ShoeStyle(kind, float(sole[kind]), float(shaft[kind]), float(rng.uniform(0.004, 0.008)))


def _inside_hull(points: np.ndarray) -> Solid:
    """The convex hull of `points` as an even mesh: rays from its middle, stretched like the hull, to its planes."""
    directions, faces = unit_sphere()
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    directions = directions * (high - low)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    planes = ConvexHull(points).equations
    slope = directions @ planes[:, :3].T
    height = -(planes[:, :3] @ centre + planes[:, 3])
    distance = np.where(slope > 1e-9, height / np.maximum(slope, 1e-9), np.inf).min(1)
    return centre + directions * distance[:, None], faces


def make_shoe(style: ShoeStyle, side: str, wearer: Wearer) -> Piece:
    """One shoe on the posed foot; `edge` is the height above the top of the sole [m]."""
    model, rest, chart, u = wearer.model, wearer.rest, wearer.chart, wearer.unit
    ankle = rest.heads[model.bones[f"foot.{side}"]]
    top = ankle[1] + min(style.shaft, LOW_SHAFT) * u
    mine = (model.bone_weight("foot", "toe", "lowerleg", side=side) > 0.8) & (chart.y < top)
    body = np.zeros(len(mine), bool)
    body[np.unique(model.faces["body"])] = True
    points, faces = _inside_hull(rest.vertices[mine & body])
    mean = neighbour_mean(faces, len(points))
    points = points + Mesh(points, faces).vertex_normals() * (style.padding + 0.004) * u
    points = smooth(points, mean, 10)
    floor = wearer.marks.floor_y
    low = points[:, 1] < floor + 0.010 * u
    rim = np.exp(-(((points[:, 1] - floor - 0.002 * u) / (0.012 * u)) ** 2))
    outward = Mesh(points, faces).vertex_normals() * [1, 0, 1]
    points = points + outward * (rim * 0.004 * u)[:, None]
    points[:, 1] = np.where(low, np.minimum(points[:, 1], floor) - style.sole * u, points[:, 1])
    points[:, 1] = np.where(low, floor - style.sole * u, points[:, 1])
    moved = wearer.carried(f"foot.{side}", points)
    return Piece(style.kind, moved, faces, wearer.bare_rows(points), points[:, 1] - floor)


def make_shaft(style: ShoeStyle, wearer: Wearer) -> Piece | None:
    """The tubes of a pair of boots, around both shins; None where the shaft is so low that nothing of it is left."""
    base, marks, u = surface("tights"), wearer.marks, wearer.unit
    shin = Chart(wearer.rows(base))
    top = (shin.leg_along - 1) * marks.leg_length + style.shaft * u
    field = np.where(shin.leg + shin.foot > 0.8, np.minimum(top, (0.6 - shin.foot) * 0.1 * u), -1.0)
    patch = base.then(*clip_where_negative(base.faces, field))
    if not len(patch.faces):
        return None
    points = wearer.at_rest(patch)
    mean = neighbour_mean(patch.faces, len(points))
    folds = 0.0015 * noise(points / u, (20, 60, 20), 3)
    points = smooth(points, mean, 4)
    points = points + Mesh(points, patch.faces).vertex_normals() * (style.padding + 0.005 + folds)[:, None] * u
    height = points[:, 1] - marks.floor_y
    return Piece(style.kind, wearer.skinned(patch, points), patch.faces, wearer.rows(patch), height)
