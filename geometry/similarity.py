"""Poses of the parts: similarities of the plane, fitted by least squares (METHOD.md 4).

A similarity is a (2, 3) matrix [[a, -b, tx], [b, a, ty]].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.keypoints import FINGERS, INDEX
from geometry.parts import PARTS, Part


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity that sends source points nearest to target points, by least squares.

    Args:
        source, target: (N, 2), N >= 2.

    Returns:
        (2, 3) float64.

    Raises:
        ValueError: all source points are at the same place, or a value is not finite.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError(f"points are not finite: {source.tolist()}")
    source_mean, target_mean = source.mean(0), target.mean(0)
    (sx, sy), (tx, ty) = (source - source_mean).T, (target - target_mean).T
    spread = (sx * sx + sy * sy).sum()
    if spread < 1e-16:
        raise ValueError(f"points coincide at {source_mean.tolist()}, expected at least two places")
    a = (sx * tx + sy * ty).sum() / spread
    b = (sx * ty - sy * tx).sum() / spread
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def invert(transform: np.ndarray) -> np.ndarray:
    """The inverse of affine maps of the plane.

    Args:
        transform: (..., 2, 3).

    Returns:
        (..., 2, 3) float64.

    Raises:
        numpy.linalg.LinAlgError: a map is singular.
    """
    linear = np.linalg.inv(np.asarray(transform, dtype=np.float64)[..., :2])
    return np.concatenate([linear, -linear @ np.asarray(transform, dtype=np.float64)[..., 2:]], axis=-1)


BEYOND_CANVAS = np.array([[1.0, 0.0, -8.0], [0.0, 1.0, 0.0]])
"""part_from_canvas of a part that is left out: its crop lies far off the canvas, sees nothing and covers nothing."""


@dataclass(frozen=True)
class PartPoses:
    """Where the twelve parts lie. Both canvases span [-1, 1]; one map is the inverse of the other."""

    part_from_canvas: np.ndarray  # (12, 2, 3) float64
    canvas_from_part: np.ndarray  # (12, 2, 3) float64


def _place(joint: str, xy: np.ndarray) -> np.ndarray:
    side, _, rest = joint.partition("_")
    return xy[list(FINGERS[side])].mean(0) if rest == "fingers" else xy[INDEX[joint]]


def pose_part(part: Part, xy: np.ndarray) -> np.ndarray:
    """part_from_canvas of one part (METHOD.md 4).

    Args:
        xy: (31, 2) joints on the canvas, which spans [-1, 1]; none missing.

    Returns:
        (2, 3) float64.

    Raises:
        ValueError: the part's joints are all at the same place.
    """
    targets = np.array(list(part.anchors.values()))
    if part.limb is not None:
        start, end = (_place(joint, xy) for joint in part.limb)
        targets = targets * min(np.linalg.norm(end - start) / part.shortest_limb, 1.0)
    try:
        return fit_similarity(np.array([_place(joint, xy) for joint in part.anchors]), targets)
    except ValueError as error:
        raise ValueError(f"{part.name}: {error}") from error


def left_out(seen: np.ndarray) -> tuple[str, ...]:
    """Names of the parts whose first joint the photo does not show: the person is cut off or hidden there.

    Args:
        seen: (31,) bool, joints that the photo shows.
    """
    return tuple(part.name for part in PARTS if part.root is not None and not seen[INDEX[part.root]])


def pose_parts(xy: np.ndarray, seen: np.ndarray | None = None) -> PartPoses:
    """Poses of all parts (METHOD.md 4).

    Args:
        xy: (31, 2) joints on the canvas, which spans [-1, 1]; none missing.
        seen: (31,) bool, joints that the photo shows (`left_out`); all when None.

    Raises:
        ValueError: the joints of a part are all at the same place.
    """
    xy, absent = np.asarray(xy, dtype=np.float64), left_out(np.ones(31, bool) if seen is None else seen)
    poses = [BEYOND_CANVAS if part.name in absent else pose_part(part, xy) for part in PARTS]
    part_from_canvas = np.stack(poses)
    return PartPoses(part_from_canvas, invert(part_from_canvas))
