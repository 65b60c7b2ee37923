"""The landmark networks: 39 points and a coarse mask of a person, 21 points of a hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.people.mediapipe.onnx_networks import INPUT_SIDE, Networks, sigmoid
from datasets.people.mediapipe.person_boxes import person_region
from datasets.people.mediapipe.regions import Pyramid, Region

POSE_POINTS = 39
"""33 of the body, then the middle of the hips, the point that the person reaches to, and four that are not used."""
HIPS, REACH = 33, 34
HEATMAP_REACH, HEATMAP_PEAK = 3, 0.5
"""A point moves to the centre of mass of the heatmap within 3 cells, where that has a peak."""
HAND_SCORE = 0.5
"""A hand of less presence is hidden."""
WRIST, PALM = 0, (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Points of a hand: the wrist, and those that its region is laid around."""


@dataclass(frozen=True)
class Pose:
    """One person as the pose network sees it."""

    points: np.ndarray  # (39, 2) edge coordinates of the photo [px]
    visibility: np.ndarray  # (39,) in [0, 1]
    presence: float  # in [0, 1]: is a person there at all
    mask: np.ndarray  # (256, 256) float32 in [0, 1], of the region
    region: Region


@dataclass(frozen=True)
class Hand:
    """One hand as the hand network sees it."""

    points: np.ndarray  # (21, 2) edge coordinates of the photo [px]
    presence: float  # in [0, 1]


def _refined(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Points moved to the centre of mass of their heatmap's neighbourhood.

    Args:
        points: (K, 2) in units of the picture's side.
        heatmaps: (h, w, K) in [0, 1].
    """
    refined, (rows, columns) = points.copy(), heatmaps.shape[:2]
    for index, (x, y) in enumerate(points):
        column, row = int(np.floor(x * columns)), int(np.floor(y * rows))
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        top, left = max(0, row - HEATMAP_REACH), max(0, column - HEATMAP_REACH)
        near = heatmaps[top : row + HEATMAP_REACH + 1, left : column + HEATMAP_REACH + 1, index]
        if near.max() >= HEATMAP_PEAK:
            weight = near / near.sum()
            x = weight.sum(axis=0) @ np.arange(left, left + near.shape[1])
            y = weight.sum(axis=1) @ np.arange(top, top + near.shape[0])
            refined[index] = x / columns, y / rows
    return refined


def find_pose(networks: Networks, pyramid: Pyramid, region: Region) -> Pose:
    """The person in a region."""
    side = INPUT_SIDE["pose_landmark_full"]
    values, presences, logits, heatmaps, _ = networks.run("pose_landmark_full", pyramid.crop(region, side) / 255.0)
    values = values.reshape(POSE_POINTS, 5).astype(np.float64)  # x, y, z [px], visibility, presence (logits)
    points = _refined(values[:, :2] / side, sigmoid(heatmaps[0].astype(np.float64)))
    mask = sigmoid(logits[0, :, :, 0]).astype(np.float32)
    presence = float(presences.ravel()[0])
    return Pose(region.to_photo(points * side, side), sigmoid(values[:, 3]), presence, mask, region)


def find_pose_twice(networks: Networks, pyramid: Pyramid, region: Region) -> Pose:
    """The person in a region, looked at again in the region that the first look gives."""
    first = find_pose(networks, pyramid, region)
    return find_pose(networks, pyramid, person_region(first.points[HIPS], first.points[REACH]))


def _find_hand_once(networks: Networks, pyramid: Pyramid, region: Region) -> Hand:
    side = INPUT_SIDE["hand_landmark_full"]
    values, presence, _, _ = networks.run("hand_landmark_full", pyramid.crop(region, side) / 255.0)
    points = values.reshape(21, 3)[:, :2].astype(np.float64)
    return Hand(region.to_photo(points, side), float(presence.ravel()[0]))


def find_hand(networks: Networks, pyramid: Pyramid, wrist: np.ndarray, index: np.ndarray, pinky: np.ndarray) -> Hand:
    """The hand at the pose network's wrist, index and little finger knuckle, (2,) each.

    A small network finds the hand's centre and axis near there; the hand network looks twice, the second time in the
    region that its own points give.
    """
    knuckles = (2 * index + pinky) / 3
    reach = float(2 * np.linalg.norm(knuckles - wrist))
    region = Region.along(knuckles, knuckles - wrist, reach).moved_down(-0.1 * reach).grown(2.7)
    side = INPUT_SIDE["hand_recrop"]
    axis = networks.run("hand_recrop", pyramid.crop(region, side) / 255.0)[0].reshape(2, 2)
    centre, end = region.to_photo(axis.astype(np.float64), side)
    reach = float(2 * np.linalg.norm(end - centre))
    region = Region.along(centre, centre - end, reach).moved_down(-0.1 * reach)
    return _find_hand_once(networks, pyramid, hand_region(_find_hand_once(networks, pyramid, region).points))


def hand_region(points: np.ndarray) -> Region:
    """The square that the hand network wants around the (21, 2) points of a hand."""
    knuckles = (points[5] + points[13]) / 4 + points[9] / 2
    turned = Region.along(points[WRIST], knuckles - points[WRIST], 1.0)
    down, right = turned.down, np.array([turned.down[1], -turned.down[0]])
    palm = points[list(PALM)] @ np.column_stack([right, down])
    low, high = palm.min(axis=0), palm.max(axis=0)
    width, height = high - low
    centre = (low + high) / 2 @ np.stack([right, down])
    region = Region(centre, max(width, height), turned.angle)
    return region.moved_down(-0.1 * height).grown(2.0)
