"""Hair that hangs by itself: buns, ponytails, plaits, and locks that fall forward over the shoulders."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.haircut import HairStyle, Head
from datasets.synthetic.noise import noise
from datasets.synthetic.pieces import Piece
from datasets.synthetic.solids import Solid, ball, sweep
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

LIES_ABOVE = 0.003
"""[m] Air between a lock and the cloth or skin that it lies on."""


def make_tails(style: HairStyle, wearer: Wearer, layers: list[Obstacle], seed: int) -> list[Piece]:
    """A bun or a ponytail at the back, or the locks before the shoulders of long hair.

    Args:
        layers: body and clothes, which hair lies on.
    """
    if style.kind == "bun":
        return [_rigid(wearer, _bun(Head(wearer), wearer.unit, seed))]
    if style.kind == "ponytail":
        return [_rigid(wearer, _ponytail(Head(wearer), wearer.unit, seed))]
    return [_lock(style, wearer, layers, side, seed) for side in "LR" if side in style.forward]


def _hair(wearer: Wearer, points: np.ndarray, faces: np.ndarray, rest_points: np.ndarray) -> Piece:
    return Piece("hair", points, faces, wearer.bare_rows(rest_points), np.ones(len(points)))


def _rigid(wearer: Wearer, solid: Solid) -> Piece:
    """Rest-pose hair carried along by the head."""
    points, faces = solid
    return _hair(wearer, wearer.carried("head", points), faces, points)


def _bun(head: Head, unit: float, seed: int) -> Solid:
    rng = np.random.default_rng(seed)
    height = head.eye_y + rng.uniform(-0.1, 0.75) * head.height
    radius = rng.uniform(0.03, 0.045) * unit
    points, faces = ball(np.zeros(3), np.array([1.0, 0.9, 0.8]) * radius)
    points = points + np.array([0, height, head.back - 0.45 * radius])
    swirl = noise(points / unit, 60.0, seed) * 0.5 + noise(points / unit, 150.0, seed + 1) * 0.4
    return points + Mesh(points, faces).vertex_normals() * (0.003 * unit * swirl)[:, None], faces


def _ponytail(head: Head, unit: float, seed: int) -> Solid:
    rng = np.random.default_rng(seed)
    height = head.eye_y + rng.uniform(-0.1, 0.75) * head.height
    length, radius = rng.uniform(0.15, 0.38) * unit, rng.uniform(0.02, 0.032) * unit
    points, faces = ball(np.zeros(3), np.ones(3))
    along = (1 - points[:, 1]) / 2  # 0 at the band, 1 at the tip
    girth = radius * np.sin(np.pi * np.clip(along, 0.001, 1) ** 0.6) ** 0.7 * (1 - 0.3 * along)
    ring = points[:, [0, 2]] / np.maximum(np.linalg.norm(points[:, [0, 2]], axis=1, keepdims=True), 1e-9)
    strands = noise(np.stack([ring[:, 0], ring[:, 1], 0.4 * along], 1), (16, 16, 4), seed)
    girth = girth * (1 + 0.10 * strands)
    out = 0.05 * unit * np.sin(np.pi * np.clip(along * 1.4, 0, 1)) + 0.01 * unit
    tail = [ring[:, 0] * girth, height + 0.02 * unit - length * along, head.back - out + ring[:, 1] * girth * 0.8]
    return np.stack(tail, 1), faces


def _lock(style: HairStyle, wearer: Wearer, layers: list[Obstacle], side: str, seed: int) -> Piece:
    """A broad lock from above an ear, past the side of the neck, over the collar bone and down the chest."""
    rng = np.random.default_rng((seed, ord(side)))
    u, sign, head = wearer.unit, 1.0 if side == "L" else -1.0, Head(wearer)
    ear = head.ear * [sign, 1, 1]
    start = ear + np.array([-0.02 * sign * head.half_width, 0.5 * head.height, -0.012 * u])
    beside = ear + np.array([sign * 0.004 * u, -0.045 * u, 0.002 * u])
    root, jaw = wearer.carried("head", np.stack([start, beside]))
    shoulder, neck = wearer.head_of(f"upperarm01.{side}"), wearer.head_of("neck01")
    collar = 0.55 * neck + 0.45 * shoulder + np.array([0, 0.02, 0.075]) * u
    chest = collar + np.array([-sign * rng.uniform(0, 0.03), -style.forward_length, 0.02]) * u
    path = _curve(np.stack([root, jaw, collar, chest]), 40)
    for _ in range(4):
        path = _outside(path, layers, 0.012 * u)
        path[1:-1] = 0.5 * path[1:-1] + 0.25 * (path[:-2] + path[2:])
    along = np.linspace(0, 1, len(path))
    broad = u * style.forward_breadth * np.clip(0.55 + 1.6 * along, 0, 1) * np.clip((1.02 - along) / 0.25, 0, 1) ** 0.5
    radii = np.stack([broad, np.minimum(0.011 * u, 0.5 * broad + 1e-4)], 1)
    points, faces = sweep(path, radii, np.array([1.0, 0, 0.35 * sign]), 40)
    ring = np.arange(len(points)) % 40 * 2 * np.pi / 40
    where = np.repeat(along, 40)
    where = np.concatenate([where, [0, 1]])
    strands = noise(np.stack([2.4 * np.cos(ring), 2.4 * np.sin(ring), 0.5 * where], 1), (6, 6, 5), seed + ord(side))
    points = points + Mesh(points, faces).vertex_normals() * (0.0022 * u * strands)[:, None]
    points = _outside(points, layers, LIES_ABOVE * u)
    # Strands follow the lock: color it as hair that falls straight down at the angle where it is on the ring.
    fall = np.stack([0.1 * np.cos(ring), -0.4 * where, 0.1 * np.sin(ring)], 1) * u + ear
    return _hair(wearer, points, faces, fall)


def _outside(points: np.ndarray, layers: list[Obstacle], margin: float) -> np.ndarray:
    for layer in layers:
        points = layer.push_out(points, margin)
    return points


def _curve(knots: np.ndarray, count: int) -> np.ndarray:
    """(count, 3) a smooth curve (Catmull-Rom) through (K, 3) knots."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, len(knots) - 1 - 1e-9, count)
    k, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = (padded[k + shift] for shift in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
