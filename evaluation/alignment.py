"""Alignment before measuring: a shift along the camera's axis, or a similarity (benchmarks/PROTOCOLS.md, strict)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from evaluation.distances import Surface
from evaluation.mesh_views import Box, look, positions


@dataclass(frozen=True)
class Similarity:
    """aligned = scale * rotation @ point + translation."""

    scale: float
    rotation: np.ndarray  # (3, 3) float64, a rotation
    translation: np.ndarray  # (3,) float64

    @classmethod
    def identity(cls) -> Similarity:
        """The similarity that leaves every point where it is."""
        return cls(1.0, np.eye(3), np.zeros(3))

    def apply(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N, 3)."""
        return self.scale * points @ self.rotation.T + self.translation

    def apply_inverse(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N, 3), undoing apply."""
        return (points - self.translation) @ self.rotation / self.scale

    def after(self, first: Similarity) -> Similarity:
        """This similarity applied to the result of another."""
        return Similarity(
            self.scale * first.scale,
            self.rotation @ first.rotation,
            self.scale * self.rotation @ first.translation + self.translation,
        )


DEPTH_RAYS = 256
"""Rays per side of the view that finds the depth shift."""


def depth_shift(predicted: Surface, truth: Surface) -> Similarity | None:
    """The shift of the prediction along Z that makes the median depth difference 0.

    Both surfaces are seen along -Z through 256 x 256 parallel rays, and from behind along +Z: first and last surface.
    The shift is the median of z_truth - z_predicted over all rays that meet both, front and back together.

    Returns:
        None when no ray meets both.
    """
    box = Box.around(truth.mesh, predicted.mesh)
    differences = []
    for yaw in (0.0, 180.0):
        seen, expected = look(predicted, box, DEPTH_RAYS, yaw), look(truth, box, DEPTH_RAYS, yaw)
        both = seen.hit & expected.hit
        differences.append((positions(truth, expected, both) - positions(predicted, seen, both))[:, 2])
    pooled = np.concatenate(differences)
    if len(pooled) == 0:
        return None
    return Similarity(1.0, np.eye(3), np.array([0.0, 0.0, float(np.median(pooled))]))


ICP_SAMPLES = 5_000
"""Points per direction in each step of the similarity alignment."""
ICP_STEPS = 40
ICP_TOLERANCE = 1e-7
"""A step that moves no point further than this fraction of the truth's extent is the last."""
ICP_GAIN = 1e-4
ICP_PATIENCE = 5
ICP_SLIDING = 0.1
"""Weight of a residual along the surface, beside 1 across it: surfaces may slide, but not run away."""
ICP_FLOOR = 1e-3
"""Residuals below this fraction of the truth's extent (1.8 mm) all weigh the same."""


def similarity_alignment(predicted: Surface, truth: Surface, seed: int) -> Similarity:
    """The similarity that brings the prediction closest to the truth.

    ICP over rotation, translation and scale, from the best of three starts: as it is, depth-aligned, and matched in
    centre and height. Each step pairs 5000 area-uniform points of either surface with their exact nearest points on
    the other, and takes one Gauss-Newton step on sum(w ((n . r)^2 + 0.1 |r|^2)), with the residuals r, the normals n at
    the nearest points, and w = 1 / max(|r|, 0.001 of the extent): reweighted so, it descends on the mean of |r|, which
    is the Chamfer distance. Both directions count, so that the scale cannot collapse. It ends when nothing moves
    or after five steps in a row without a gain of 0.01 %; the step with the least mean wins.
    """
    own = predicted.mesh.sample(ICP_SAMPLES, (seed, 2)).points
    other = truth.mesh.sample(ICP_SAMPLES, (seed, 3)).points
    extent = float(np.ptp(truth.mesh.vertices, axis=0).max())
    starts = [Similarity.identity(), _matched_boxes(own, other), depth_shift(predicted, truth) or Similarity.identity()]
    costs = [_Pairs.of(predicted, truth, own[::8], other[::8], start).cost for start in starts]
    current = best = starts[int(np.argmin(costs))]
    least, without_gain = np.inf, 0
    for _ in range(ICP_STEPS):
        pairs = _Pairs.of(predicted, truth, own, other, current)
        without_gain = 0 if pairs.cost < (1 - ICP_GAIN) * least else without_gain + 1
        if pairs.cost < least:
            least, best = pairs.cost, current
        if without_gain == ICP_PATIENCE:
            break
        step = pairs.step(ICP_FLOOR * extent)
        current = step.after(current)
        if np.linalg.norm(step.apply(pairs.here) - pairs.here, axis=1).max() < ICP_TOLERANCE * extent:
            return current
    return best


def _matched_boxes(own: np.ndarray, other: np.ndarray) -> Similarity:
    scale = np.ptp(other[:, 1]) / max(np.ptp(own[:, 1]), 1e-12)
    own_middle, other_middle = ((points.min(0) + points.max(0)) / 2 for points in (own, other))
    return Similarity(scale, np.eye(3), other_middle - scale * own_middle)


@dataclass(frozen=True)
class _Pairs:
    """Points of the moved prediction and the points of the truth that they should reach."""

    here: np.ndarray  # (N, 3)
    there: np.ndarray  # (N, 3)
    normals: np.ndarray  # (N, 3) of the surface on which the nearest point was found

    @classmethod
    def of(
        cls, predicted: Surface, truth: Surface, own: np.ndarray, other: np.ndarray, similarity: Similarity
    ) -> _Pairs:
        moved = similarity.apply(own)
        forward = truth.nearest(moved)
        backward = predicted.nearest(similarity.apply_inverse(other))
        return cls(
            np.concatenate([moved, similarity.apply(backward.points)]),
            np.concatenate([forward.points, other]),
            np.concatenate([forward.normals, backward.normals @ similarity.rotation.T]),
        )

    @property
    def cost(self) -> float:
        return float(np.linalg.norm(self.there - self.here, axis=1).mean())

    def step(self, floor: float) -> Similarity:
        """One reweighted Gauss-Newton step over a small turn, a shift and a small change of scale."""
        middle = self.here.mean(0)
        p, r, n = self.here - middle, self.there - self.here, self.normals
        jacobian = np.zeros((len(p), 3, 7))
        for axis in range(3):
            jacobian[:, :, axis] = np.cross(np.eye(3)[axis], p)
            jacobian[:, axis, 3 + axis] = 1.0
        jacobian[:, :, 6] = p
        root = np.sqrt(1 / np.maximum(np.linalg.norm(r, axis=1), floor))
        across = root[:, None] * np.einsum("nc,nck->nk", n, jacobian)
        flat = (root[:, None, None] * jacobian).reshape(-1, 7)
        normal_matrix = across.T @ across + ICP_SLIDING * flat.T @ flat
        right = across.T @ (root * (n * r).sum(1)) + ICP_SLIDING * flat.T @ (root[:, None] * r).ravel()
        turn, shift, growth = np.split(np.linalg.lstsq(normal_matrix, right, rcond=None)[0], [3, 6])
        scale, rotation = float(np.exp(growth[0])), Rotation.from_rotvec(turn).as_matrix()
        return Similarity(scale, rotation, middle + shift - scale * rotation @ middle)


VERTEX_ICP_STEPS = 20
VERTEX_ICP_TOLERANCE = 1e-5
VERTEX_ICP_POINTS = 50_000


def vertex_icp(predicted: np.ndarray, truth: np.ndarray, seed: int) -> Similarity:
    """ICP with scale between vertices, as the `sith` protocol does with trimesh's defaults.

    Every step pairs each predicted vertex with the nearest vertex of the truth and solves the Procrustes problem: the
    rotation by SVD, the scale as the ratio of the spreads. It ends after 20 steps, or when the mean squared distance
    of the pairs falls by less than 1e-5 [mesh units squared]. Of more than 50 000
    predicted vertices a random 50 000 take part.

    Args:
        predicted, truth: (V, 3) float64.
    """
    if len(predicted) > VERTEX_ICP_POINTS:
        chosen = np.random.default_rng((seed, 4)).choice(len(predicted), VERTEX_ICP_POINTS, replace=False)
        predicted = predicted[np.sort(chosen)]
    tree, current, cost = cKDTree(truth), Similarity.identity(), np.inf
    for _ in range(VERTEX_ICP_STEPS):
        moved = current.apply(predicted)
        paired = truth[tree.query(moved, workers=-1)[1]]
        step = procrustes(moved, paired)
        current = step.after(current)
        new_cost = float(((step.apply(moved) - paired) ** 2).sum(1).mean())
        if cost - new_cost < VERTEX_ICP_TOLERANCE:
            break
        cost = new_cost
    return current


def procrustes(source: np.ndarray, target: np.ndarray) -> Similarity:
    """The rotation, shift and ratio of spreads that send source to target.

    Args:
        source, target: (N, 3) float64, paired.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred, wanted = source - source_mean, target - target_mean
    scale = float(np.sqrt((wanted**2).sum() / max((centred**2).sum(), 1e-30)))
    left, _, right = np.linalg.svd(wanted.T @ centred)
    # A mirror image is not a better fit: people stay right-handed.
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)
