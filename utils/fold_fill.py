"""Parts of a picture covered by what lies around them, folded over their edge."""

from __future__ import annotations

import cv2
import numpy as np

from geometry.pixel_sets import eroded, nearest_in

FOLDS = 6
"""How often the known part is folded over its edge to cover the rest; each time reaches twice as far."""


def covered_with(picture: np.ndarray, known: np.ndarray, covered: np.ndarray, unit: float) -> np.ndarray:
    """The picture with its known part folded over its edge again and again, until it covers what is to be covered.

    Args:
        picture: (h, w, 3) uint8.
        known: (h, w) bool, where the colors come from; at least one pixel.
        covered: (h, w) bool, where they go.
        unit: [px] the light of the fill is the mean over a quarter of that, its detail what is finer than a twentieth.

    Returns:
        (h, w, 3) float32; right on the covered part alone.
    """
    filled, reached = picture.copy(), known
    for fold in range(FOLDS):
        todo = covered & ~reached
        if not todo.any():
            break
        rows, columns = folded_over(reached, todo, nearest_else=fold == FOLDS - 1)
        from_known = reached[rows, columns]
        todo[todo] = from_known
        filled[todo] = filled[rows[from_known], columns[from_known]]
        reached = reached | todo
    # The folds' patches differ in light: their fine detail stays, their mean becomes that of all that is known around.
    everywhere = _mean_around(filled, known, 0.25 * unit)
    return everywhere + filled - _mean_around(filled, known | covered, 0.05 * unit)


def blended(picture: np.ndarray, filled: np.ndarray, covered: np.ndarray, softness: float) -> np.ndarray:
    """(h, w, 3) uint8: `picture` with `filled` in its place where it is covered (h, w), softly at the edge [px]."""
    mix = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), softness)[..., None]
    mix = np.maximum(mix, eroded(covered, max(int(softness), 1))[..., None])
    return np.clip(np.round(picture + mix * (filled - picture)), 0, 255).astype(np.uint8)


def folded_over(known: np.ndarray, wanted: np.ndarray, nearest_else: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels find a color when the known ones are folded over along their edge.

    Args:
        known, wanted: (h, w) bool.
        nearest_else: where a fold meets no known pixel, take the nearest one.

    Returns:
        (N,) rows and (N,) columns for the wanted pixels, inside the picture.
    """
    rows, columns = nearest_in(known, wanted)
    row, column = np.nonzero(wanted)
    from_row, from_column = (
        np.clip(2 * rows - row, 0, len(known) - 1),
        np.clip(2 * columns - column, 0, known.shape[1] - 1),
    )
    if nearest_else:
        missed = ~known[from_row, from_column]
        from_row[missed], from_column[missed] = rows[missed], columns[missed]
    return from_row, from_column


def _mean_around(picture: np.ndarray, chosen: np.ndarray, sigma: float) -> np.ndarray:
    """(h, w, 3) float32 Gaussian mean over chosen pixels."""
    weight = chosen.astype(np.float32)[..., None]
    stacked = np.dstack([picture * weight, weight])
    height, width = chosen.shape
    shrink = max(int(sigma / 4), 1)  # blurs that much lose nothing on fewer pixels
    small = cv2.resize(stacked, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / shrink, 0.5))
    return cv2.resize(small[..., :3] / np.maximum(small[..., 3:], 1e-6), (width, height))
