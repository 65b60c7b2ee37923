"""Sharpening a coarse mask on its photo: flat backgrounds, GrabCut, connected pieces, and a guided filter."""

from __future__ import annotations

import cv2
import numpy as np

SURE = 0.9
"""Probability above which a pixel is the person's beyond doubt, and below 1 - SURE the background's."""
SURE_MARGIN = 9
"""Side of the square [px] by which the sure areas are eroded first."""
BOX_MARGIN = 30
"""Background around the person that GrabCut learns from [px]."""
SPARSE = 4
"""GrabCut's first look is at every so many-th pixel of a row, in every so many-th row: colors need no more."""
NO_BOX = (0, 0, 0, 0)
"""GrabCut does not look at it when it starts from a mask."""
SMALLEST_PIECE = 0.02
"""Of the largest piece of a mask: smaller ones are dropped."""
FILTER_RADIUS, FILTER_EPS = 6, 1e-4
CACHED_ROWS = 32
"""Rows of a picture with which a processor's cache holds what is computed of them."""
FLAT = 4
"""How far a pixel of a flat background may be from its color, in 8-bit levels: the noise of a good JPEG."""


def flat_color(rgb: np.ndarray) -> np.ndarray | None:
    """(3,) color of all four borders of a photo when they have but one, as cut-outs and renders do; else None."""
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.int16)
    color = np.median(border, axis=0)
    return color if (np.abs(border - color) <= FLAT).all() else None


def cut_from_flat(rgb: np.ndarray, color: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """A mask of everything that is not background, when that has one color.

    Pockets of the background's color inside the person (dark folds on black) belong to whom the probability says.

    Args:
        rgb: (H, W, 3) uint8.
        color: (3,) of the background.
        probability: (H, W) float32 of the person.

    Returns:
        (H, W) bool; it may hold other people and things.
    """
    low, high = np.clip(color - FLAT, 0, 255), np.clip(color + FLAT, 0, 255)
    count, label = cv2.connectedComponents(cv2.inRange(rgb, low, high), connectivity=4)
    area = np.bincount(label.ravel(), minlength=count)
    person = np.bincount(label.ravel(), weights=probability.ravel(), minlength=count) > 0.5 * np.maximum(area, 1)
    person[0] = True
    return person[label] | (probability > SURE)


def grab_cut(rgb: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """A mask whose border follows the colors where the probability leaves it open.

    Args:
        rgb: (H, W, 3) uint8.
        probability: (H, W) float32 of the person.

    Returns:
        (H, W) bool.
    """
    square = np.ones((SURE_MARGIN, SURE_MARGIN), np.uint8)
    person = cv2.erode((probability > SURE).astype(np.uint8), square) > 0
    background = cv2.erode((probability < 1 - SURE).astype(np.uint8), square) > 0
    likely = probability > 0.5
    marks = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[person], marks[background] = cv2.GC_FGD, cv2.GC_BGD
    rows, columns = np.flatnonzero((~background).any(1)), np.flatnonzero((~background).any(0))
    if not likely.any() or likely.all() or not len(rows):
        return likely
    top, left = max(0, rows[0] - BOX_MARGIN), max(0, columns[0] - BOX_MARGIN)
    box = slice(top, rows[-1] + 1 + BOX_MARGIN), slice(left, columns[-1] + 1 + BOX_MARGIN)
    if _is_person(marks[box]).all():
        return likely
    mask = np.zeros_like(likely)
    mask[box] = _cut(np.ascontiguousarray(rgb[box]), np.ascontiguousarray(marks[box]))
    return mask


def _is_person(marks: np.ndarray) -> np.ndarray:
    """Bool of OpenCV's marks: whether they say person, for certain or probably."""
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _cut(rgb: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """GrabCut on (h, w, 3) colors and (h, w) marks of both kinds, which it changes; (h, w) bool."""
    models = np.zeros((1, 65)), np.zeros((1, 65))
    mode = cv2.GC_INIT_WITH_MASK
    # GrabCut starts from a k-means with random centres.
    cv2.setRNGSeed(0)
    few = np.ascontiguousarray(marks[::SPARSE, ::SPARSE])
    if 0 < np.count_nonzero(_is_person(few)) < few.size:
        cv2.grabCut(np.ascontiguousarray(rgb[::SPARSE, ::SPARSE]), few, NO_BOX, *models, 1, mode)
        mode = cv2.GC_EVAL
    cv2.grabCut(rgb, marks, NO_BOX, *models, 1, mode)
    return _is_person(marks)


def large_components(mask: np.ndarray) -> np.ndarray:
    """The (H, W) bool mask without pieces smaller than SMALLEST_PIECE of the largest."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return (area >= SMALLEST_PIECE * area.max())[label] & mask


def guided_filter(rgb: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values that follow the edges of a photo: locally an affine function of its colors (He et al., 2013).

    Args:
        rgb: (H, W, 3) uint8.
        values: (H, W) float32.

    Returns:
        (H, W) float32; 0 where the filter sees nothing but 0.
    """
    result = np.zeros_like(values)
    left, top, width, height = cv2.boundingRect((values != 0).astype(np.uint8))
    # A value tells as far as two windows reach; those, at the edge of that, see as far again.
    reach = 4 * FILTER_RADIUS + 2
    box = (slice(max(top - reach, 0), top + height + reach), slice(max(left - reach, 0), left + width + reach))
    result[box] = _guided(rgb[box], values[box])
    return result


def _guided(rgb: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The filter on all pixels."""
    side = (2 * FILTER_RADIUS + 1, 2 * FILTER_RADIUS + 1)

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(image, -1, side)

    color = rgb.astype(np.float32) / 255.0
    color_mean, values_mean = mean(color), mean(values)
    towards = mean(color * values[..., None]) - color_mean * values_mean[..., None]
    spread = {
        (i, j): mean(color[..., i] * color[..., j]) - color_mean[..., i] * color_mean[..., j]
        for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    }
    rows = [slice(start, start + CACHED_ROWS) for start in range(0, len(rgb), CACHED_ROWS)]
    slope = np.concatenate(
        [_solve_symmetric({at: part[row] for at, part in spread.items()}, FILTER_EPS, towards[row]) for row in rows]
    )
    offset = values_mean - (slope * color_mean).sum(axis=-1)
    return (mean(slope) * color).sum(axis=-1) + mean(offset)


def _solve_symmetric(matrix: dict[tuple[int, int], np.ndarray], eps: float, right: np.ndarray) -> np.ndarray:
    """Solve (M + eps 1) x = right at every pixel by cofactors; M as its upper triangle, right (H, W, 3)."""
    a, b, c = matrix[0, 0] + eps, matrix[0, 1], matrix[0, 2]
    d, e, f = matrix[1, 1] + eps, matrix[1, 2], matrix[2, 2] + eps
    cofactors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    x, y, z = right[..., 0], right[..., 1], right[..., 2]
    solution = (
        cofactors[0] * x + cofactors[1] * y + cofactors[2] * z,
        cofactors[1] * x + cofactors[3] * y + cofactors[4] * z,
        cofactors[2] * x + cofactors[4] * y + cofactors[5] * z,
    )
    return np.stack(solution, axis=-1) / determinant[..., None]
