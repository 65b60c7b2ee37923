"""Measuring depth maps, stored normals and silhouettes, pixel by pixel. Pure functions on arrays.

Arrays may be numpy or torch on the CPU. Normals here are the paper's code for slopes (METHOD.md 6), so their angle is
the angle between two codes made with the same formula; it is not the angle between surface normals. Formulas:
benchmarks/PROTOCOLS.md, maps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geometry.camera import Camera
from geometry.depth import WORLD_PER_NETWORK_UNIT, distance_from_network

PERSON_HEIGHT_MM = 1800.0
"""Depth errors are reported for a person of this height."""
ANGLE_THRESHOLDS_DEG = (11.25, 22.5, 30.0)


def normal_angles(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angle between stored normals.

    Args:
        predicted, truth: (..., 3) stored normals (n + 1) / 2 in [0, 1], of pixels where both exist.

    Returns:
        (...) float64 [deg]; 0 for equal values, whatever their length.
    """
    a, b = (2 * np.asarray(normals, dtype=np.float64) - 1 for normals in (predicted, truth))
    # atan2 keeps its precision at 0, where the arc cosine loses half of it.
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def angle_summary(angles: np.ndarray) -> dict[str, float]:
    """Mean and median [deg], and the fractions under 11.25, 22.5 and 30 deg [%]; NaN without angles.

    Args:
        angles: (N,) [deg].
    """
    if len(angles) == 0:
        return {name: float("nan") for name in ("mean_deg", "median_deg", *map(_under, ANGLE_THRESHOLDS_DEG))}
    under = {_under(limit): 100 * float((angles < limit).mean()) for limit in ANGLE_THRESHOLDS_DEG}
    return {"mean_deg": float(angles.mean()), "median_deg": float(np.median(angles))} | under


def _under(limit: float) -> str:
    return f"under_{limit:g}deg_%"


def person_height(front: np.ndarray, back: np.ndarray, present: np.ndarray) -> float:
    """Height of a person from both depth maps: the extent along Y of their points.

    Args:
        front, back: (R, R) network depth.
        present: (R, R) bool, True on the person.

    Returns:
        World units; 0 without a person.
    """
    rows, columns = np.nonzero(np.asarray(present))
    if len(rows) == 0:
        return 0.0
    depth = np.stack([np.asarray(layer, dtype=np.float64)[rows, columns] for layer in (front, back)])
    heights = distance_from_network(depth) * Camera(len(present)).rays_at(rows, columns)[:, 1]
    return float(np.ptp(heights))


def depth_errors_mm(predicted: np.ndarray, truth: np.ndarray, height: float) -> np.ndarray:
    """Signed difference of distances along the ray, predicted - truth, for a person 1.8 m tall.

    Args:
        predicted, truth: (...) network depth of pixels where both exist.
        height: of the person, in world units (person_height).

    Returns:
        (...) float64 [mm].
    """
    difference = np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    return difference * (WORLD_PER_NETWORK_UNIT * PERSON_HEIGHT_MM / height)


def silhouette_iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union [%] of two (R, R) bool masks; NaN when both are empty."""
    predicted, truth = np.asarray(predicted, dtype=bool), np.asarray(truth, dtype=bool)
    union = (predicted | truth).sum()
    return 100 * float((predicted & truth).sum() / union) if union else float("nan")


def shift_aligned(errors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Errors of both sides with their common median taken off.

    A photo does not tell how far away a person stands, but it tells the thickness: one shift for front and back.

    Args:
        errors: side -> (N,) signed depth errors [mm].
    """
    pooled = np.concatenate(list(errors.values()))
    shift = float(np.median(pooled)) if len(pooled) else 0.0
    return {side: values - shift for side, values in errors.items()}


def depth_summary(errors: np.ndarray, aligned: np.ndarray) -> dict[str, float]:
    """Mean absolute depth error raw and shift-aligned, and the aligned root mean square [mm]; NaN without pixels.

    Args:
        errors, aligned: (N,) signed errors [mm].
    """
    if len(errors) == 0:
        return dict.fromkeys(("raw_mm", "aligned_mm", "aligned_rms_mm"), float("nan"))
    return {
        "raw_mm": float(np.abs(errors).mean()),
        "aligned_mm": float(np.abs(aligned).mean()),
        "aligned_rms_mm": float(np.sqrt((aligned**2).mean())),
    }
