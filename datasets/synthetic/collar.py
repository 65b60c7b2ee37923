"""Collars: a strip sewn to the edge of a draped neckline, standing up or folded over."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.mesh_editing import edges_of
from datasets.synthetic.pieces import Piece
from geometry.mesh import Mesh

PROFILES = {
    "rib": ((0.0, 0.0), (0.006, -0.001), (0.013, -0.004)),
    "stand": ((0.0, 0.0), (0.012, 0.001), (0.026, -0.001), (0.042, -0.001)),
    "fold": (
        (0.0, 0.0), (0.012, -0.003), (0.022, -0.004), (0.027, 0.001), (0.022, 0.008), (0.006, 0.015), (-0.012, 0.021),
    ),
}  # fmt: skip
"""Cross sections of a collar: (up the neck, away from it) [m for a 1.7 m person], from the seam to the free edge."""


def _neck_chain(part: Piece, marks: Landmarks) -> tuple[np.ndarray, bool]:
    """Indices of the boundary vertices around the neck in order, and whether they close."""
    edges, _, count = edges_of(part.faces)
    rim = edges[count == 1]
    chart, u = Chart(part.rows), marks.unit
    near = (chart.y > marks.neck[1] - 0.10 * u) & (np.abs(chart.x) < 0.16 * u) & (chart.arm < 0.3)
    rim = rim[near[rim].all(1)]
    neighbours: dict[int, list[int]] = {}
    for a, b in rim.tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    chains, left = [], set(neighbours)
    while left:
        ends = sorted(v for v in left if len(neighbours[v]) == 1)
        chain = [ends[0] if ends else min(left)]
        left.discard(chain[0])
        while step := [v for v in neighbours[chain[-1]] if v in left]:
            chain.append(step[0])
            left.discard(step[0])
        chains.append((chain, not ends))
    return max(
        ((np.array(c), closed) for c, closed in chains), key=lambda item: len(item[0]), default=(np.empty(0), False)
    )


def _even(values: np.ndarray, closed: bool, rounds: int) -> np.ndarray:
    """Smooth along a chain; the ends of an open one stay."""
    for _ in range(rounds):
        mean = (np.roll(values, 1, 0) + np.roll(values, -1, 0)) / 2
        if not closed:
            mean[[0, -1]] = values[[0, -1]]
        values = 0.5 * values + 0.5 * mean
    return values


def make_collar(part: Piece, style: str, marks: Landmarks, up: np.ndarray) -> Piece | None:
    """The collar of a draped garment, or None when its neckline is not in one piece.

    Args:
        part: the garment's open outer surface.
        style: a key of PROFILES.
        up: (3,) the posed direction of the neck.
    """
    chain, closed = _neck_chain(part, marks)
    if len(chain) < 20:
        return None
    if style == "fold" and closed:  # it opens at the throat
        front = Chart(part.rows[chain])
        chain, closed = np.roll(chain, -int(np.argmax(front.z - 4 * np.abs(front.x)))), False
    seam = _even(part.points[chain], closed, 6)
    out = seam - seam.mean(0)
    out = _even(out - (out @ up)[:, None] * up, closed, 20)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    profile = np.array(PROFILES[style]) * marks.unit
    tip = np.zeros(len(chain))
    if style == "fold":  # the free edge runs down to a point at both ends
        from_end = np.minimum(np.arange(len(chain)), np.arange(len(chain))[::-1]) / len(chain)
        tip = 0.022 * marks.unit * np.exp(-((from_end / 0.07) ** 2))
    lowered = np.linspace(0, 1, len(profile)) ** 3
    rows = np.concatenate(
        [seam + (rise - k * tip[:, None]) * up + away * out for (rise, away), k in zip(profile, lowered, strict=True)]
    )
    n, k = len(chain), len(profile)
    along = np.arange(n if closed else n - 1)
    a = (np.arange(k - 1)[:, None] * n + along).ravel()
    b = (np.arange(k - 1)[:, None] * n + (along + 1) % n).ravel()
    faces = np.concatenate([np.stack([a, b, b + n], 1), np.stack([a, b + n, a + n], 1)])
    if (Mesh(rows[: 2 * n], faces[(faces < 2 * n).all(1)]).vertex_normals() * np.tile(out, (2, 1))).sum() < 0:
        faces = faces[:, ::-1]
    return Piece(part.kind, rows, faces, np.tile(part.rows[chain], (k, 1)), np.full(n * k, 0.05))
