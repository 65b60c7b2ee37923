"""Depth that agrees with the normals: what the normals say of slopes, on what a depth says of places.

A coarse depth knows where a limb is and not how it is shaped; the normals know shapes and not places. On a person's
pixels of both maps this finds the depths that come nearest, in least squares, to

    d[neighbour] - d[pixel] = the step that the stored normal tells (METHOD.md 6: exactly s n_xy / n_z)
    d = anchor, weakly: above ANCHOR_LENGTH the anchor rules, below it the normals
    d_back - d_front = what a limb leaves between the two at its outline, weakly

A step that is far from the anchor's own counts less, for there a hand may be before a hip. No camera, no training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.normals import slope_unit
from geometry.pixel_sets import depth_inside, eroded, nearest_in, rim_of
from geometry.springs import Springs, settle

ANCHOR_LENGTH = 1 / 64
"""Of the canvas: 12 px of 768."""
FLATTEST = 0.12
"""Least n_z that is believed: 83 deg in the code, a step of 8 s."""
DOUBTFUL_STEP = 1.5
"""So many s off the anchor's own step, a told step counts half."""
UNTOLD_WEIGHT = 0.05
"""Of the anchor's own steps, which stand in where there are no normals."""
KNOWN_SUM = 0.3
"""Sum of a stored normal's three values, which is 0 where no network has looked and at least 0.63 otherwise."""
MIXED_AT_2048 = 2
"""Normals of so many pixels of the rim [px] are mixed with the background's 0: the next ones inside stand in."""
RIM_GAP_AT_768 = 11.5
"""A limb of radius r turns away within half a pixel of its outline: front and back stand 2 sqrt(r) px apart there."""
RIM_WEIGHT = 0.05
"""Weak: the told steps of the last pixels are too flat, and a strong link would make limbs thin."""
WIDEST_GAP = 0.22
"""Network units (12 cm of a grown person). A wider gap at the rim is a hand before a hip: no link."""
LEAST_THICKNESS, LEAST_UP_TO = 1.0, 1 / 64
"""Of the distance to the rim, half of what a round limb has; and up to which distance [canvas], the half width of an
arm. Thin limbs of a coarse depth cross otherwise."""


@dataclass(frozen=True)
class _Pairs:
    """Neighbouring pixels of a person, numbered in raster order: along rows, then along columns."""

    first: np.ndarray  # (E,) int32, the left or upper one
    second: np.ndarray  # (E,) int32
    teller: np.ndarray  # (E,) int32, the one whose normal is made of this step: the left or the lower one
    axis: np.ndarray  # (E,) int8, 0 along a row, 1 along a column

    @classmethod
    def of(cls, person: np.ndarray) -> _Pairs:
        number = np.full(person.shape, -1, np.int32)
        number[person] = np.arange(person.sum(), dtype=np.int32)
        beside, under = person[:, :-1] & person[:, 1:], person[:-1] & person[1:]
        left, right = number[:, :-1][beside], number[:, 1:][beside]
        upper, lower = number[:-1][under], number[1:][under]
        return cls(
            np.concatenate([left, upper]),
            np.concatenate([right, lower]),
            np.concatenate([left, lower]),
            np.repeat(np.array([0, 1], np.int8), [len(left), len(upper)]),
        )


def agree(anchor: np.ndarray, normals: np.ndarray, person: np.ndarray, canvas: int) -> np.ndarray:
    """Depths of front and back that agree with the normals.

    Args:
        anchor: (2, h, w) network depth of front and back on a window of the canvas, finite on the person.
        normals: (2, 3, h, w) stored normals of both in [0, 1]; 0 where none are known.
        person: (h, w) bool. Where the window cuts it, it is taken to go on.
        canvas: side R of the whole canvas [px].

    Returns:
        (2, h, w) float64: front <= back on the person, the anchor elsewhere.
    """
    result = anchor.astype(np.float64)
    if not person.any():
        return result
    pairs, count = _Pairs.of(person), int(person.sum())
    inwards = depth_inside(person, outside=True)[person] / canvas
    least = 4 * LEAST_THICKNESS * np.minimum(inwards, LEAST_UP_TO)
    depth = _thickened(result[:, person], least)
    told = [_told_springs(*side, pairs, person, canvas) for side in zip(depth, normals, strict=True)]
    springs = _joined([*told, _rim_links(depth, person, canvas)], [0, count, 0])
    rows, columns = np.nonzero(person)
    place = np.stack([np.repeat([0, 1], count), np.tile(rows, 2), np.tile(columns, 2)], axis=1).astype(np.int32)
    hold = np.full(2 * count, (ANCHOR_LENGTH * canvas) ** -2.0)
    settled = settle(depth.ravel(), hold, springs, place)
    result[:, person] = _thickened(settled.reshape(2, count), least)
    return result


def _told_springs(depth: np.ndarray, stored: np.ndarray, pairs: _Pairs, person: np.ndarray, canvas: int) -> Springs:
    """The steps of one side between all neighbours, with the weight that they deserve.

    Args:
        depth: (N,) anchor of the person's pixels.
        stored: (3, h, w) stored normals.
    """
    unit = slope_unit(canvas)
    slopes, sureness = _slopes(stored, person, canvas)
    own = depth[pairs.second] - depth[pairs.first]
    known = sureness[pairs.teller] > 0
    step = np.where(known, unit * slopes[pairs.axis, pairs.teller], own)
    doubt = 1 + ((own - step) / (DOUBTFUL_STEP * unit)) ** 2
    weight = np.where(known, sureness[pairs.teller] / doubt, UNTOLD_WEIGHT)
    return Springs(pairs.first, pairs.second, step, weight)


def _slopes(stored: np.ndarray, person: np.ndarray, canvas: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps to the right of a pixel and from the one above to it [s], (2, N), and how sure they are, (N,): n_z^2 or 0.

    The error of a step that an error of the normal makes grows with 1 / n_z^2 and more.
    """
    inner = eroded(person, max(1, round(MIXED_AT_2048 * canvas / 2048)), outside=True)
    rows, columns = (index[person] for index in nearest_in(inner if inner.any() else person))
    values = stored[:, rows, columns].astype(np.float64)
    normal = 2 * values - 1
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    z = np.maximum(normal[2], FLATTEST)
    return -normal[:2] / z, np.where(values.sum(axis=0) > KNOWN_SUM, z**2, 0)


def _rim_links(depth: np.ndarray, person: np.ndarray, canvas: int) -> Springs:
    """From every rim pixel of the front to the same of the back; depth (2, N)."""
    rim = np.flatnonzero(rim_of(person, outside=True)[person]).astype(np.int32)
    gap = depth[1, rim] - depth[0, rim]
    narrow = RIM_GAP_AT_768 * np.sqrt(canvas / 768) * 4 / canvas
    beyond = np.maximum(gap - narrow, 0) / narrow
    weight = np.where(gap < WIDEST_GAP, RIM_WEIGHT / (1 + beyond**4), 0)
    return Springs(rim, rim + np.int32(depth.shape[1]), np.clip(gap, 0, narrow), weight)


def _joined(parts: list[Springs], offsets: list[int]) -> Springs:
    """Springs of several kinds as one, the unknowns of each moved on by its offset."""
    moved = [(part.first + np.int32(by), part.second + np.int32(by)) for part, by in zip(parts, offsets, strict=True)]
    first, second = (np.concatenate(ends) for ends in zip(*moved, strict=True))
    return Springs(
        first, second, np.concatenate([part.length for part in parts]), np.concatenate([part.weight for part in parts])
    )


def _thickened(depth: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Depths (2, N) whose back is at least (N,) behind their front, about the same middle."""
    middle, half = depth.mean(axis=0), np.maximum(depth[1] - depth[0], least) / 2
    return np.stack([middle - half, middle + half])
