"""Fine relief: how much of the truth's wrinkles and features stored normals show, and how true what they show is.

Mean angles hide it: relief of a few degrees averages away beside the error of large shapes, and a smoother surface has
the smaller mean error. Formulas in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import cv2
import numpy as np

DETAIL_SIGMA = 4 / 768
"""Of the canvas; relief is what a Gaussian of this width takes away: at 768 px, waves shorter than about 25 px."""
INSIDE = 8 / 768
"""Of the canvas; pixels nearer to a silhouette or to a jump are not counted: there a code turns within a pixel."""
JUMP = 0.06
"""Network units (4 cm of a grown person) from which a step between two neighbours is one surface before another."""


def relief(normals: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Unit codes less their Gaussian mean over the pixels that are present.

    Args:
        normals: (R, R, 3) stored normals in [0, 1].
        present: (R, R) bool, the pixels of one body.

    Returns:
        (R, R, 3) float64; 0 where nothing is present.
    """
    size = len(present)
    sigma = DETAIL_SIGMA * size
    reach = 2 * int(np.ceil(4 * sigma)) + 1
    # The outermost normals are mixed with the background's 0.
    body = cv2.erode(present.astype(np.float64), np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT, borderValue=0)

    def blurred(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (reach, reach), sigma, borderType=cv2.BORDER_CONSTANT)

    codes = 2 * np.asarray(normals, dtype=np.float64) - 1
    codes *= (body / np.maximum(np.linalg.norm(codes, axis=-1), 1e-9))[..., None]
    body_near = blurred(body)
    return (codes - blurred(codes) / np.maximum(body_near, 1e-9)[..., None]) * body[..., None]


def relief_pixels(depth: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Where relief is compared: away from the silhouette and from jumps of the true depth.

    Args:
        depth: (R, R) true network depth.
        present: (R, R) bool, where the truth and the prediction both are.

    Returns:
        (R, R) bool.
    """
    smooth = present.copy()
    for axis in (0, 1):
        step = np.abs(np.diff(np.asarray(depth, dtype=np.float64), axis=axis)) > JUMP
        later, earlier = np.moveaxis(smooth, axis, 0)[1:], np.moveaxis(smooth, axis, 0)[:-1]
        step = np.moveaxis(step, axis, 0)
        later &= ~step
        earlier &= ~step
    padded = np.pad(smooth, 1).astype(np.uint8)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] > INSIDE * len(present)


def detail_summary(
    predicted: np.ndarray, truth: np.ndarray, depth: np.ndarray, present: np.ndarray
) -> dict[str, float]:
    """Correlation of the relief of stored normals with the truth's, and its energy as a fraction of the truth's [%].

    Args:
        predicted, truth: (R, R, 3) stored normals.
        depth: (R, R) true network depth.
        present: (R, R) bool, where both are.

    Returns:
        `detail_correlation` in [-1, 1], 0 for a prediction without any relief, and `detail_energy_%`; NaN where the
        truth has none to compare with.
    """
    where = relief_pixels(depth, present)
    own, true = (relief(normals, present)[where] for normals in (predicted, truth))
    own_energy, true_energy = float((own**2).sum()), float((true**2).sum())
    if true_energy == 0:
        return dict.fromkeys(("detail_correlation", "detail_energy_%"), float("nan"))
    correlation = float((own * true).sum()) / np.sqrt(own_energy * true_energy) if own_energy else 0.0
    return {"detail_correlation": float(correlation), "detail_energy_%": 100 * own_energy / true_energy}
