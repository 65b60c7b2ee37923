"""Backpacks and shoulder bags: a soft box on the body and straps that lie on the clothes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets.synthetic.chart import Chart
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.fabrics import choose
from datasets.synthetic.mesh_editing import clip_where_negative
from datasets.synthetic.pieces import Piece
from datasets.synthetic.solids import box, shade_of
from datasets.synthetic.wardrobe import with_lining
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

BandField = Callable[[Chart, np.ndarray], np.ndarray]
"""Positive on a strap, by the chart and the rest surface's normals."""
BAGS = {"": 0.87, "backpack": 0.07, "crossbody": 0.06}
STRAP_HEIGHT = 0.006
"""[m] How far a strap's outside is from the cloth below."""


def sample_bag(rng: np.random.Generator) -> str:
    """A key of BAGS."""
    return choose(rng, BAGS)


def make_bag(kind: str, wearer: Wearer, draped: list[Piece], obstacle: Obstacle, seed: int) -> list[Piece]:
    """The pieces of a bag, all of kind "bag".

    Args:
        draped: the garments' outer surfaces, inner layers first.
        obstacle: clothes and body, which the bag stays outside of.
    """
    rng = np.random.default_rng(seed)
    outer = next(part for part in reversed(draped) if Chart(part.rows).arm.max() > 0.2)  # what covers the shoulders
    side = 1.0 if rng.random() < 0.5 else -1.0
    strap = _strap(outer, wearer, _on_backpack(wearer) if kind == "backpack" else _across(wearer, side))
    body = _backpack(wearer, obstacle, rng) if kind == "backpack" else _pouch(wearer, obstacle, rng, side)
    return [*([strap] if strap else []), body]


def _on_backpack(wearer: Wearer) -> BandField:
    """Two bands over the shoulders and down to under the arms."""
    marks, u = wearer.marks, wearer.unit

    def field(chart: Chart, normals: np.ndarray) -> np.ndarray:
        low = marks.neck[1] - chart.y
        under_arm = np.clip(low - 0.19 * u, 0, None)
        centre = 0.085 * u + 1.2 * under_arm
        way = np.stack([np.sign(chart.x), 1.2 * (under_arm > 0), np.zeros_like(low)], 1)
        band = 0.021 * u - _distance(np.abs(chart.x) - centre, way, normals)
        ends = 0.36 * u - low
        return np.where((chart.arm < 0.5) & (chart.leg < 0.5), np.minimum(band, ends), -1.0)

    return field


def _across(wearer: Wearer, side: float) -> BandField:
    """One band from a shoulder to the other hip."""
    marks, u = wearer.marks, wearer.unit

    def field(chart: Chart, normals: np.ndarray) -> np.ndarray:
        top = np.array([side * 0.075 * u, marks.neck[1]])
        end = np.array([-side * 0.17 * u, marks.hip[1] + 0.02 * u])
        way = (end - top) / np.linalg.norm(end - top)
        across = (chart.x - top[0]) * way[1] - (chart.y - top[1]) * way[0]
        band = 0.017 * u - _distance(across, np.tile([way[1], -way[0], 0], (len(normals), 1)), normals)
        return np.where((chart.arm < 0.5) & (chart.leg < 0.5), band, -1.0)

    return field


def _distance(value: np.ndarray, gradient: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N,) distance along the surface from where a function of space is 0, by its gradient in the surface."""
    along = gradient - normals * (gradient * normals).sum(1, keepdims=True)
    return np.abs(value) / np.maximum(np.linalg.norm(along, axis=1), 0.15)


def _strap(outer: Piece, wearer: Wearer, field: BandField) -> Piece | None:
    """The part of the outer garment inside a field, lifted off it."""
    normals = Mesh(outer.rows[:, :3], outer.faces).vertex_normals()
    operator, faces = clip_where_negative(outer.faces, field(Chart(outer.rows), normals))
    if len(faces) < 50:
        return None
    points = operator @ outer.points
    points = points + Mesh(points, faces).vertex_normals() * STRAP_HEIGHT * wearer.unit
    strap = Piece("bag", points, faces, operator @ outer.rows, np.ones(len(points)))
    return with_lining(strap, 0.8 * STRAP_HEIGHT * wearer.unit, np.zeros(len(faces), bool))


def _soft_box(wearer: Wearer, size: np.ndarray, centre: np.ndarray, bone: str, rng: np.random.Generator) -> Piece:
    """A box with bulging sides at a place of the rest pose, carried along by a bone."""
    points, faces = box(size * wearer.unit, float(rng.uniform(4, 7)))
    height = points[:, 1] / wearer.unit - size[1] * rng.uniform(-0.1, 0.25)
    points[:, 2] *= 1.06 - 0.06 * np.clip(height / 0.05, 0, 1)
    rest = points + centre
    return Piece("bag", wearer.carried(bone, rest), faces, wearer.bare_rows(rest), shade_of(height))


def _settled(part: Piece, obstacle: Obstacle, away: np.ndarray) -> Piece:
    """The part, moved along `away` until it only leans on the body, its near side dented by it."""
    nearest, normal, square = obstacle.planes(part.points)
    depth = np.where(square, -((part.points - nearest) * normal).sum(1), 0)
    moved = part.points + away * max(float(np.percentile(depth, 97)), 0.0)
    return Piece(part.kind, obstacle.push_out(moved, 0.002), part.faces, part.rows, part.edge)


def _backpack(wearer: Wearer, obstacle: Obstacle, rng: np.random.Generator) -> Piece:
    marks, u = wearer.marks, wearer.unit
    size = np.array([rng.uniform(0.25, 0.34), rng.uniform(0.34, 0.5), rng.uniform(0.1, 0.19)])
    back = _skin_at(wearer, marks.neck[1] - 0.2 * u)[:, 2].min()
    centre = np.array([0, marks.neck[1] - 0.03 * u - size[1] * u / 2, back - size[2] * u / 2])
    away = wearer.turned("spine02", np.array([0, 0, -1.0]))
    return _settled(_soft_box(wearer, size, centre, "spine02", rng), obstacle, away)


def _pouch(wearer: Wearer, obstacle: Obstacle, rng: np.random.Generator, side: float) -> Piece:
    """The bag of a shoulder strap, on the hip opposite to its shoulder, a little to the front."""
    marks, u = wearer.marks, wearer.unit
    size = np.array([rng.uniform(0.2, 0.32), rng.uniform(0.14, 0.26), rng.uniform(0.05, 0.1)])
    hip = _skin_at(wearer, marks.hip[1])
    centre = np.array([-side * 0.11 * u, marks.hip[1] - 0.02 * u, hip[:, 2].max() + size[2] * u / 2])
    away = wearer.turned("root", np.array([0, 0, 1.0]))
    return _settled(_soft_box(wearer, size, centre, "root", rng), obstacle, away)


def _skin_at(wearer: Wearer, height: float) -> np.ndarray:
    """(N, 3) rest-pose skin of the trunk near a height."""
    points = wearer.rest.vertices[np.unique(wearer.model.faces["body"])]
    trunk = wearer.chart.arm[np.unique(wearer.model.faces["body"])] < 0.2
    return points[trunk & (np.abs(points[:, 1] - height) < 0.04 * wearer.unit)]
