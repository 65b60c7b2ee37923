"""In which order a file keeps 25 points of a body: told by its limbs, which are short in the right order only."""

from __future__ import annotations

import numpy as np

from geometry.keypoints import INDEX, OPENPOSE_BODY

BODY_25B = (*range(17), *range(19, 25))
"""Position of joints 0-22 in OpenPose's BODY_25B: COCO's 17, neck, top of the head, feet."""
ORDERS = {"BODY_25": OPENPOSE_BODY, "BODY_25B": BODY_25B}
LIMBS = tuple(
    (INDEX[a], INDEX[b])
    for a, b in (
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
            ("eye", "ear"), ("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"),
            ("knee", "ankle"), ("ankle", "heel"), ("ankle", "big_toe"), ("big_toe", "little_toe"))),
        *(("nose", f"{side}_eye") for side in ("left", "right")),
    )
)  # fmt: skip
"""Neighbours among joints 0-22."""
LONGEST_LIMBS = 0.21
"""Mean limb in diagonals of the box around all points. 17 people in BODY_25: 0.107 to 0.127; the same points in another
order: 0.22 and more."""
LIMBS_NEEDED = 20
"""Of the 22: with fewer, the order is not checked."""


def _mean_limb(points: np.ndarray, order: tuple[int, ...], seen: np.ndarray) -> float | None:
    """Mean limb in diagonals of the box; None when too many limbs are missing."""
    ends = np.array(order)[np.array(LIMBS)]
    known = seen[ends].all(1)
    diagonal = np.hypot(*np.ptp(points[seen, :2], axis=0)) if seen.any() else 0.0
    if known.sum() < LIMBS_NEEDED or not diagonal > 0:
        return None
    a, b = points[ends[known, 0], :2], points[ends[known, 1], :2]
    return float(np.linalg.norm(a - b, axis=1).mean() / diagonal)


def order_of(points: np.ndarray, confident: float) -> str | None:
    """The name of the order in which 25 points make a body: BODY_25 unless another fits and that does not.

    Args:
        points: (25, 3) x, y [px], score.
        confident: the score from which a point counts.

    Returns:
        A key of ORDERS; None when no order makes a body of the points.
    """
    seen = points[:, 2] >= confident
    limbs = {name: _mean_limb(points, order, seen) for name, order in ORDERS.items()}
    if limbs["BODY_25"] is None or limbs["BODY_25"] <= LONGEST_LIMBS:
        return "BODY_25"
    return next((name for name, limb in limbs.items() if limb is not None and limb <= LONGEST_LIMBS), None)
