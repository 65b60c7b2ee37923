"""Parts of a picture covered by what lies around them, folded over their edge."""

from __future__ import annotations

import cv2
import numpy as np

from geometry.pixel_sets import eroded, nearest_in

LEAST = 1e-6
"""Of a weight: where only one side is known, it has all of it."""
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
    everywhere = mean_around(filled, known, 0.25 * unit)
    return everywhere + filled - mean_around(filled, known | covered, 0.05 * unit)


def covered_along_rows(picture: np.ndarray, known: np.ndarray, covered: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The picture whose covered pixels take what is known in their row, folded over both ends of the gap and mixed.

    What is horizontal, as hems and stripes are, goes on. Rows in which nothing is known do the same along columns.

    Args:
        picture: (h, w, 3) uint8.
        known: (h, w) bool, where the colors come from; at least one pixel.
        covered: (h, w) bool, where they go.
        below: (h, w) in [0, 1], how much a pixel takes from below it and not from above, where both are known.

    Returns:
        (h, w, 3) float32; right on the covered part alone.
    """
    filled, known = picture.astype(np.float32), known.copy()
    for axes, share in (((0, 1), None), ((1, 0), below.T)) * 2:
        # Views: what is written to them is in `filled` and `known`.
        colors, there = filled.transpose(*axes, 2), known.transpose(axes)
        todo = covered.transpose(axes) & ~there
        if not todo.any():
            break
        rows, columns, weights = _in_rows(there, todo, share)
        found = weights.any(0)
        at = tuple(index[found] for index in np.nonzero(todo))
        colors[at] = (weights[..., None] * colors[rows, columns])[:, found].sum(0)
        there[at] = True
    return filled


def _in_rows(
    known: np.ndarray, wanted: np.ndarray, from_right: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For N wanted pixels what the runs of known pixels to their left and right say.

    A run that is shorter than the gap is folded over again and again.

    Args:
        from_right: (h, w) weight of the right one, the left has the rest; None: both by their nearness.

    Returns:
        (N,) rows; (2, N) columns; (2, N) weights, 0 where a row has no run.
    """
    row, column = np.nonzero(wanted)
    width = known.shape[1]
    index = np.broadcast_to(np.arange(width), known.shape)
    columns, weights = [], []
    for is_left in (True, False):
        line, at = (known, column) if is_left else (known[:, ::-1], width - 1 - column)
        last = np.maximum.accumulate(np.where(line, index, -1), axis=1)[row, at]
        before = np.maximum.accumulate(np.where(line, -1, index), axis=1)[row, np.maximum(last, 0)]
        length = np.maximum(last - before, 1)
        step = (at - last - 1) % (2 * length)
        place = np.maximum(last - np.minimum(step, 2 * length - 1 - step), 0)
        columns.append(place if is_left else width - 1 - place)
        weight = 1.0 / (at - last) if from_right is None else abs(is_left - from_right[row, column]) + LEAST
        weights.append(np.where(last < 0, 0.0, weight))
    total = np.maximum(sum(weights), LEAST)
    return row, np.stack(columns), np.stack(weights) / total


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


def mean_around(picture: np.ndarray, chosen: np.ndarray, sigma: float) -> np.ndarray:
    """(h, w, 3) float32 Gaussian mean over chosen pixels, right where some are within a few sigma [px]."""
    weight = chosen.astype(np.float32)[..., None]
    stacked = np.dstack([picture * weight, weight])
    height, width = chosen.shape
    shrink = max(int(sigma / 4), 1)  # blurs that much lose nothing on fewer pixels
    small = cv2.resize(stacked, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / shrink, 0.5))
    return cv2.resize(small[..., :3] / np.maximum(small[..., 3:], 1e-6), (width, height))
