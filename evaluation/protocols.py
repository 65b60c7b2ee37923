"""Three ways of measuring a mesh against a scan: `strict` is ours, `icon` and `sith` follow published evaluations.

Every function takes two meshes in metres, in one frame: Y up, the camera looks along -Z. The formulas are in
benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from evaluation.alignment import Similarity, depth_shift, similarity_alignment, vertex_icp
from evaluation.distances import Surface
from evaluation.measurement import Distribution, Measurement, count
from evaluation.mesh_views import Box, look, shading_normals
from geometry.mesh import Mesh
from geometry.scan_frame import turn

CM = 100.0
DISTANCE_TOP_CM = 5.0
STRICT_SAMPLES = 100_000
STRICT_THRESHOLDS_M = (0.005, 0.010)
ICON_SAMPLES = 1_000
ICON_VIEWS = (0.0, 90.0, 180.0, 270.0)
ICON_SIZE = 512
ICON_HALF_M = 1.0
SITH_SAMPLES = 100_000
SITH_THRESHOLD_M = 0.01


def f_score(accuracy: np.ndarray, completeness: np.ndarray, threshold: float) -> float:
    """Harmonic mean of the fractions of both directions' distances below a threshold [%]."""
    precision, recall = (accuracy < threshold).mean(), (completeness < threshold).mean()
    return float(200 * precision * recall / max(precision + recall, 1e-12))


def _distances_cm(accuracy: np.ndarray, completeness: np.ndarray) -> Distribution:
    curves = {"accuracy": accuracy, "completeness": completeness}
    counts = {name: count(CM * values, DISTANCE_TOP_CM) for name, values in curves.items()}
    return Distribution("distance [cm]", DISTANCE_TOP_CM, counts)


def measure_strict(predicted: Surface, truth: Surface, seed: int) -> Measurement:
    """Exact distances of 100 000 area-uniform samples in both directions: raw, depth-aligned, similarity-aligned."""
    result = Measurement()
    own = predicted.mesh.sample(STRICT_SAMPLES, (seed, 0))
    other = truth.mesh.sample(STRICT_SAMPLES, (seed, 1))
    alignments = {
        "raw": Similarity.identity(),
        "depth-aligned": depth_shift(predicted, truth),
        "similarity-aligned": similarity_alignment(predicted, truth, seed),
    }
    for block, alignment in alignments.items():
        if alignment is None:
            result.warnings.append("prediction and scan do not overlap along the camera's axis: nothing to depth-align")
            continue
        forward = truth.nearest(alignment.apply(own.points))
        backward = predicted.nearest(alignment.apply_inverse(other.points))
        accuracy, completeness = forward.distance, alignment.scale * backward.distance
        own_normals = predicted.normals[own.faces] @ alignment.rotation.T
        back_normals = backward.normals @ alignment.rotation.T
        columns = {
            "accuracy_cm": CM * accuracy.mean(),
            "completeness_cm": CM * completeness.mean(),
            "chamfer_cm": CM * (accuracy.mean() + completeness.mean()) / 2,
            "accuracy_p95_cm": CM * np.percentile(accuracy, 95),
            "completeness_p95_cm": CM * np.percentile(completeness, 95),
        }
        for threshold in STRICT_THRESHOLDS_M:
            columns[f"f_{1000 * threshold:.0f}mm_%"] = f_score(accuracy, completeness, threshold)
        cosines = (own_normals * forward.normals).sum(1), (truth.normals[other.faces] * back_normals).sum(1)
        columns["normal_consistency"] = (cosines[0].mean() + cosines[1].mean()) / 2
        result.add(block, columns)
        result.distributions[block] = _distances_cm(accuracy, completeness)
    return result


def _normal_picture(surface: Surface, per_vertex: np.ndarray, box: Box, yaw_deg: float) -> np.ndarray:
    """(ICON_SIZE^2, 3) float64 view-space normals as colors (n + 1) / 2; 0 is background."""
    hits = look(surface, box, ICON_SIZE, yaw_deg)
    normals = turn(shading_normals(surface.mesh, per_vertex, hits), yaw_deg)
    return np.where(hits.hit[:, None], (normals + 1) / 2, 0.0)


def normal_error(predicted: Surface, truth: Surface) -> float:
    """Sum over four views of the mean over all 512^2 pixels of the squared difference of normal colors.

    Parallel rays through a square of 2 m around the middle of the scan's bounding box; background included.
    """
    middle = (truth.mesh.vertices.min(0) + truth.mesh.vertices.max(0)) / 2
    box = Box(middle, ICON_HALF_M, Box.around(truth.mesh, predicted.mesh).reach)
    normals = [surface.mesh.vertex_normals() for surface in (predicted, truth)]
    total = 0.0
    for yaw in ICON_VIEWS:
        difference = _normal_picture(predicted, normals[0], box, yaw) - _normal_picture(truth, normals[1], box, yaw)
        total += float((difference**2).sum(1).mean())
    return total


def measure_icon(predicted: Surface, truth: Surface, seed: int) -> Measurement:
    """1000 samples, scan-to-prediction P2S, half-sum Chamfer, and the four-view normal error; no alignment."""
    own = predicted.mesh.sample(ICON_SAMPLES, (seed, 0), stratified=False)
    other = truth.mesh.sample(ICON_SAMPLES, (seed, 1), stratified=False)
    accuracy, completeness = truth.nearest(own.points).distance, predicted.nearest(other.points).distance
    result = Measurement()
    columns = {
        "p2s_cm": CM * completeness.mean(),
        "chamfer_cm": CM * (accuracy.mean() + completeness.mean()) / 2,
        "normal": normal_error(predicted, truth),
    }
    result.add("icon", columns)
    result.distributions["icon"] = _distances_cm(accuracy, completeness)
    return result


def measure_sith(predicted: Surface, truth: Surface, seed: int) -> Measurement:
    """After ICP with scale: distances between nearest samples, |cos| of their face normals, F-score at 0.01."""
    alignment = vertex_icp(predicted.mesh.vertices, truth.mesh.vertices, seed)
    own = predicted.mesh.sample(SITH_SAMPLES, (seed, 0), stratified=False)
    other = truth.mesh.sample(SITH_SAMPLES, (seed, 1), stratified=False)
    moved = alignment.apply(own.points)
    own_normals = predicted.normals[own.faces] @ alignment.rotation.T
    other_normals = truth.normals[other.faces]
    accuracy, nearest_other = cKDTree(other.points).query(moved, workers=-1)
    completeness, nearest_own = cKDTree(moved).query(other.points, workers=-1)
    cosines = (
        np.abs((own_normals * other_normals[nearest_other]).sum(1)).mean(),
        np.abs((other_normals * own_normals[nearest_own]).sum(1)).mean(),
    )
    result = Measurement()
    columns = {
        "p_to_s_cm": CM * accuracy.mean(),
        "s_to_p_cm": CM * completeness.mean(),
        "normal_consistency": sum(cosines) / 2,
        "f_score_%": f_score(accuracy, completeness, SITH_THRESHOLD_M),
    }
    result.add("sith", columns)
    result.distributions["sith"] = _distances_cm(accuracy, completeness)
    return result


PROTOCOLS: dict[str, Callable[[Surface, Surface, int], Measurement]] = {
    "strict": measure_strict,
    "icon": measure_icon,
    "sith": measure_sith,
}

UNIT_RATIO = 2.0


def check_plausible(predicted: Mesh, truth: Mesh) -> list[str]:
    """Warnings about what makes numbers meaningless: heights that differ by more than 2x, faces turned inwards."""
    warnings = []
    ratio = predicted.height / max(truth.height, 1e-12)
    if not 1 / UNIT_RATIO <= ratio <= UNIT_RATIO:
        warnings.append(
            f"the prediction is {predicted.height:.3g} high and the scan {truth.height:.3g} in the same frame, "
            "expected the same unit (see --frame)"
        )
    for name, mesh in (("prediction", predicted), ("scan", truth)):
        if mesh.signed_volume() < 0:
            warnings.append(f"the faces of the {name} point inwards: its normal consistency has the wrong sign")
    return warnings
