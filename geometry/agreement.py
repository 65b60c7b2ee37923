"""Depth that agrees with the normals: slopes from the normals, positions from a depth map (METHOD.md 9.5).

A coarse depth tells where a limb is but not its shape; the normals tell shape but not position. On a person's pixels
of both maps this finds the depths that fulfil best, in least squares,

    d[neighbour] - d[pixel] = the step that the stored normal encodes (METHOD.md 6: exactly s n_xy / n_z)
    d = anchor, weakly: it decides on scales above ANCHOR_LENGTH, the normals below
    d_back - d_front = what a round limb leaves between the two at its outline
    d_back - d_front = the anchor's thickness inside thin limbs, or a round limb's where the anchor is thinner

A step that differs much from the anchor's own counts less, because a hand may be in front of a hip there. An enlarged
coarse depth spreads such a jump over whole coarse pixels: it is compared without their kinks, or jumps become stairs.
Neither a camera nor training is involved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.canvas import scaled_count
from geometry.coarse_grid import COARSE_STRIDE
from geometry.difference_solver import Differences, solve
from geometry.limb_shape import limb_radius, round_thickness
from geometry.normals import slope_unit
from geometry.pixel_sets import eroded, nearest_in, outline_distance, rim_of

ANCHOR_LENGTH = 1 / 64
"""Of the canvas: 12 px of 768."""
BLIND_RIM, BLIND_WEIGHT = 3 / 768, 0.02
"""Width [fraction of the canvas] of the rim in which a coarse anchor is far too thick, and its weight there."""
FLATTEST = 0.12
"""Smallest n_z that is used: 83 deg in the code, a step of 8 s."""
DOUBTFUL_STEP = 1.5
"""Difference [s] to the anchor's own step at which the step of a normal counts half."""
KINK_SIGMA = COARSE_STRIDE / 2
"""Blur [px] that takes the kinks from an enlarged coarse depth."""
UNKNOWN_WEIGHT = 0.05
"""Weight of the anchor's own steps, which are used where there are no normals."""
KNOWN_SUM = 0.3
"""Sum of a stored normal's three values, which is 0 where no part covers the pixel and at least 0.63 otherwise."""
MIXED_AT_2048 = 2
"""Normals of so many pixels of the rim [px] are mixed with the background's 0: the next ones inside stand in."""
DIRECTION_SIGMA = 1.5
"""Blur [px] under which distances have a direction in spite of the stairs of pixels."""
RIM_WEIGHT = 0.2
WIDEST_ROUND = 26 / 768
"""Radius [canvas] above which bodies are not round: the outline of a torso is like that of a limb of this radius."""
WIDEST_GAP = 0.22
"""Network units (13 cm of a grown person). A wider gap at the rim is a hand in front of a hip: no link."""
THIN = 24 / 768
"""Radius [canvas] below which a limb counts as thin: arms, hands, feet, shins. A coarse anchor hardly shows them."""
THIN_WEIGHT = 1.0
"""Of a thin limb's thickness, over its radius [px] squared: it rules above the limb's own scale."""
THIN_THICKNESS = 0.9
"""Of a round limb's."""
LEAST_THICKNESS = 0.5
"""Of a round limb's, before and after: thin limbs of a coarse depth cross otherwise."""


@dataclass(frozen=True)
class _Pairs:
    """Neighbouring pixels of a person, numbered in raster order: along rows, then along columns."""

    first: np.ndarray  # (E,) int32, the left or upper one
    second: np.ndarray  # (E,) int32
    owner: np.ndarray  # (E,) int32, the one whose normal encodes this step: the left or the lower one
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


@dataclass(frozen=True)
class _Outline:
    """Properties of a person's N pixels that follow from the silhouette."""

    inside: np.ndarray  # (N,) distance [px] to the smooth outline
    rim: np.ndarray  # (N,) bool, pixels that touch one outside, at a side or a corner
    inwards: np.ndarray  # (2, N) unit direction away from the outline, x right and y down
    radius: np.ndarray  # (N,) of the limb [px], at most WIDEST_ROUND
    canvas: int

    @classmethod
    def of(cls, person: np.ndarray, canvas: int) -> _Outline:
        inside = outline_distance(person)
        down, right = np.gradient(cv2.GaussianBlur(inside, (0, 0), DIRECTION_SIGMA))
        inwards = np.stack([right, down])[:, person]
        inwards /= np.maximum(np.linalg.norm(inwards, axis=0), 1e-6)
        radius = limb_radius(person, WIDEST_ROUND * canvas)
        return cls(inside[person], rim_of(person, outside=True)[person], inwards, radius[person], canvas)

    @property
    def thickness(self) -> np.ndarray:
        """(N,) network depth from front to back of round limbs."""
        return round_thickness(self.inside, self.radius) * 4 / self.canvas


def kinks_of(lifted: np.ndarray) -> np.ndarray:
    """What an enlarged coarse depth has of edges between coarse pixels.

    Args:
        lifted: (2, h, w) float32 network depth of front and back (geometry.coarse_grid.lift_depth).

    Returns:
        (2, h, w) network depth, to be taken from it.
    """
    if not lifted.size:
        return lifted
    return np.stack([side - cv2.GaussianBlur(side, (0, 0), KINK_SIGMA) for side in lifted])


def agree(
    anchor: np.ndarray, normals: np.ndarray, person: np.ndarray, canvas: int, kinks: np.ndarray | None = None
) -> np.ndarray:
    """Depths of front and back that agree with the normals.

    Args:
        anchor: (2, h, w) network depth of front and back on a window of the canvas, finite on the person. Where the two
            cross by more than WIDEST_GAP, as the networks' backgrounds do, the nearest other pixel stands in.
        normals: (2, 3, h, w) stored normals of both in [0, 1]; 0 where none are known.
        person: (h, w) bool. Where the window cuts it, it is taken to go on.
        canvas: side R of the whole canvas [px].
        kinks: (2, h, w) of the coarse depth that is part of the anchor (kinks_of); None: nothing coarse is.

    Returns:
        (2, h, w) float64: front <= back on the person, the anchor elsewhere.
    """
    result = anchor.astype(np.float64)
    if not person.any():
        return result
    outline, pairs, count = _Outline.of(person, canvas), _Pairs.of(person), int(person.sum())
    least = LEAST_THICKNESS * outline.thickness
    depth = _thickened(_plausible(result, person), least)
    smooth = depth if kinks is None else depth - kinks[:, person]
    steps = [_normal_steps(*side, pairs, person, outline) for side in zip(depth, normals, smooth, strict=True)]
    wanted = _joined([*steps, _rim_links(depth, outline), _thin_limbs(depth, outline)], [0, count, 0, 0])
    rows, columns = np.nonzero(person)
    place = np.stack([np.repeat([0, 1], count), np.tile(rows, 2), np.tile(columns, 2)], axis=1).astype(np.int32)
    blind = np.where(outline.inside <= BLIND_RIM * canvas, BLIND_WEIGHT, 1.0)
    hold = np.tile(blind / (ANCHOR_LENGTH * canvas) ** 2, 2)
    solved = solve(depth.ravel(), hold, wanted, place)
    result[:, person] = _thickened(solved.reshape(2, count), least)
    return result


def _plausible(anchor: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(2, N) anchor of the person's pixels, that of the nearest of them where it crosses widely."""
    sound = person & (anchor[0] - anchor[1] < WIDEST_GAP)
    rows, columns = nearest_in(sound if sound.any() else person, person)
    return anchor[:, rows, columns]


def _normal_steps(
    depth: np.ndarray, stored: np.ndarray, smooth: np.ndarray, pairs: _Pairs, person: np.ndarray, outline: _Outline
) -> Differences:
    """The steps of one side between all neighbours, with their weights.

    Args:
        depth: (N,) anchor of the person's pixels.
        stored: (3, h, w) stored normals.
        smooth: (N,) the anchor without kinks.
    """
    unit = slope_unit(outline.canvas)
    slopes, confidence, measured_at = _slopes(stored, person, outline)
    away = np.einsum("cn,cn->n", slopes, outline.inwards) * outline.inwards
    ends = np.sqrt(outline.inside[pairs.first]), np.sqrt(outline.inside[pairs.second])
    # Thickness grows with the root of the distance to the outline, so slopes fall with it.
    steeper = np.maximum(2 * np.sqrt(measured_at[pairs.owner]) / (ends[0] + ends[1]), 1)
    steeper = np.where(outline.rim[pairs.first] | outline.rim[pairs.second], steeper, 1)
    encoded = slopes[pairs.axis, pairs.owner] + (steeper - 1) * away[pairs.axis, pairs.owner]
    own, seen = (values[pairs.second] - values[pairs.first] for values in (depth, smooth))
    known = confidence[pairs.owner] > 0
    step = np.where(known, unit * encoded, own)
    doubt = 1 + ((seen - step) / (DOUBTFUL_STEP * unit)) ** 2
    weight = np.where(known, confidence[pairs.owner] / doubt, UNKNOWN_WEIGHT)
    return Differences(pairs.first, pairs.second, step, weight)


def _slopes(stored: np.ndarray, person: np.ndarray, outline: _Outline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes from the normals of a side at a person's pixels; at the rim, those of the nearest pixels inside.

    Returns:
        Steps to the right of a pixel and from the one above to it [s], (2, N); their confidence, (N,): n_z^2, as
        an error of the normal makes an error of the step that grows with 1 / n_z^2, or 0 without a normal; the distance
        [px] to the outline of the pixel that they are from, (N,).
    """
    inner = eroded(person, scaled_count(MIXED_AT_2048, outline.canvas), outside=True)
    rows, columns = nearest_in(inner if inner.any() else person, person)
    inside = np.zeros(person.shape)
    inside[person] = outline.inside
    values = stored[:, rows, columns].astype(np.float64)
    normal = 2 * values - 1
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    z = np.maximum(normal[2], FLATTEST)
    return -normal[:2] / z, np.where(values.sum(axis=0) > KNOWN_SUM, z**2, 0), inside[rows, columns]


def _rim_links(depth: np.ndarray, outline: _Outline) -> Differences:
    """From every rim pixel of the front to the same of the back; depth (2, N)."""
    rim = np.flatnonzero(outline.rim).astype(np.int32)
    gap = depth[1, rim] - depth[0, rim]
    widest = 2 * np.sqrt(2 * WIDEST_ROUND * outline.canvas) * 4 / outline.canvas  # 1 px inside
    # The wider the anchor's gap, the less sure that the outline is a limb's.
    unsure = 1 + np.maximum(gap / widest - 1, 0) ** 4
    weight = np.where(gap < WIDEST_GAP, RIM_WEIGHT / unsure, 0)
    return Differences(rim, rim + np.int32(depth.shape[1]), np.minimum(gap, outline.thickness[rim]), weight)


def _thin_limbs(depth: np.ndarray, outline: _Outline) -> Differences:
    """From the front to the back inside of thin limbs; depth (2, N)."""
    thin = (outline.radius < THIN * outline.canvas) & ~outline.rim
    inner = np.flatnonzero(thin).astype(np.int32)
    gap = depth[1, inner] - depth[0, inner]
    weight = np.where(gap < WIDEST_GAP, THIN_WEIGHT / outline.radius[inner] ** 2, 0)
    thickness = np.maximum(gap, THIN_THICKNESS * outline.thickness[inner])
    return Differences(inner, inner + np.int32(depth.shape[1]), thickness, weight)


def _joined(parts: list[Differences], offsets: list[int]) -> Differences:
    """Differences of several kinds as one, the unknowns of each moved on by its offset."""
    moved = [(part.first + np.int32(by), part.second + np.int32(by)) for part, by in zip(parts, offsets, strict=True)]
    first, second = (np.concatenate(ends) for ends in zip(*moved, strict=True))
    return Differences(
        first, second, np.concatenate([part.value for part in parts]), np.concatenate([part.weight for part in parts])
    )


def _thickened(depth: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Depths (2, N) whose back is at least (N,) behind their front, about the same middle."""
    middle, half = depth.mean(axis=0), np.maximum(depth[1] - depth[0], least) / 2
    return np.stack([middle - half, middle + half])
