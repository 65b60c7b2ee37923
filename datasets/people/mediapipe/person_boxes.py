"""The people of a photo: the person detector, on the whole photo and, when that finds none, on parts of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from datasets.people.mediapipe.onnx_networks import INPUT_SIDE, Networks, sigmoid
from datasets.people.mediapipe.regions import Pyramid, Region

LAYERS = ((8, 2), (16, 2), (32, 6))
"""(stride [px], anchors per cell) of the detector's layers; all anchors of a cell lie at its centre."""
SCORE = 0.5
"""Cats, cups and motorcycles reach 0.4."""
SAME_FACE = 0.3
"""Boxes with a larger intersection over union are the same detection."""
SAME_PERSON = 0.25
"""Detections whose hips are nearer than this times the larger one's size are the same person."""
PART = 0.6
"""A detection inside the circle of a person, of less than this times the person's size, is a part of that person."""
REACH = 1.25
"""Side of a person's region over the diameter of the circle about the hips that holds the person."""


@dataclass(frozen=True)
class Detection:
    """One person, found but not yet measured."""

    score: float
    hips: np.ndarray  # (2,) middle of the hips [px]
    reach: np.ndarray  # (2,) point above the head, as far from the hips as the person reaches [px]

    @property
    def radius(self) -> float:
        """How far the person reaches from the hips [px]."""
        return float(np.linalg.norm(self.reach - self.hips))

    @property
    def region(self) -> Region:
        """The square of the photo that the landmark network sees."""
        return person_region(self.hips, self.reach)

    @property
    def box(self) -> np.ndarray:
        """(4,) left, top, right, bottom of the square about the person [px]."""
        return np.concatenate([self.hips - self.radius, self.hips + self.radius])


def person_region(hips: np.ndarray, reach: np.ndarray) -> Region:
    """The square that the landmark network wants: upright along the body, centred on the hips (2,)."""
    return Region.along(hips, reach - hips, float(2 * REACH * np.linalg.norm(reach - hips)))


def _anchors(side: int) -> np.ndarray:
    """(N, 2) centres x, y of all anchors, in units of the picture's side."""
    centres = []
    for stride, per_cell in LAYERS:
        rows, columns = np.mgrid[: side // stride, : side // stride]
        cells = np.stack([columns, rows], axis=-1).reshape(-1, 2)
        centres.append(np.repeat((cells + 0.5) * stride / side, per_cell, axis=0))
    return np.concatenate(centres)


ANCHORS = _anchors(INPUT_SIDE["pose_detection"])


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(K,) intersection over union of one box (4,) with (K, 4) boxes: left, top, right, bottom."""
    overlap = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    overlap = np.prod(np.clip(overlap, 0, None), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return overlap / (area - overlap + 1e-9)


def decode(raw: np.ndarray, logits: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Detections of one picture, best first, each the score-weighted mean of the anchors that agree.

    Args:
        raw: (N, 12) per anchor: box centre, box size, four points (hips, reach, two more), in pixels of the picture.
        logits: (N,).

    Returns:
        Score and (2, 2) hips and reach in units of the picture's side.
    """
    score = sigmoid(logits)
    kept = np.flatnonzero(score >= SCORE)
    kept = kept[np.argsort(-score[kept], kind="stable")]
    raw, score, anchors = raw[kept] / INPUT_SIDE["pose_detection"], score[kept], ANCHORS[kept]
    boxes = np.concatenate([anchors + raw[:, :2] - raw[:, 2:4] / 2, anchors + raw[:, :2] + raw[:, 2:4] / 2], axis=1)
    points = anchors[:, None] + raw[:, 4:8].reshape(-1, 2, 2)
    found, left = [], np.arange(len(kept))
    while len(left):
        same = _overlaps(boxes[left[0]], boxes[left]) > SAME_FACE
        same[0] = True
        weight = score[left[same]] / score[left[same]].sum()
        found.append((float(score[left[0]]), np.tensordot(weight, points[left[same]], axes=1)))
        left = left[~same]
    return found


def _look(networks: Networks, pyramid: Pyramid, window: Region) -> list[Detection]:
    """People in one upright square of the photo."""
    side = INPUT_SIDE["pose_detection"]
    picture = pyramid.crop(window, side, border=cv2.BORDER_CONSTANT) / 127.5 - 1.0
    raw, logits = networks.run("pose_detection", picture)
    return [
        Detection(score, *window.to_photo(points * side, side)) for score, points in decode(raw[0], logits[0].ravel())
    ]


def _windows(size: tuple[int, int]) -> list[Region]:
    """Squares of half the photo's longer side that overlap by half."""
    side = max(size) / 2
    centres = [
        np.linspace(side / 2, length - side / 2, 3) if length > side else np.array([length / 2]) for length in size
    ]
    return [Region(np.array([x, y]), side) for y in centres[1] for x in centres[0]]


def _is_new(detection: Detection, people: list[Detection]) -> bool:
    """Whether this is another person than those that are known."""
    for known in people:
        apart = np.linalg.norm(detection.hips - known.hips)
        is_part = detection.radius < PART * known.radius and apart < known.radius
        if is_part or apart < SAME_PERSON * max(detection.radius, known.radius):
            return False
    return True


def _fits(detection: Detection, window: Region) -> bool:
    """Does the whole person lie in the window? A part of a larger person seems to reach beyond it."""
    low, high = detection.box.reshape(2, 2)
    return bool((low > window.centre - window.side / 2).all() and (high < window.centre + window.side / 2).all())


def find_people(networks: Networks, pyramid: Pyramid, everyone: bool) -> list[Detection]:
    """The people in the photo.

    One look at the whole photo finds those of at least a quarter of it. When that is none or several, or `everyone`
    is asked for, windows are looked at too.
    """
    width, height = pyramid.size
    found = _look(networks, pyramid, Region(np.array([width, height]) / 2, max(width, height)))
    if everyone or len(found) != 1:
        parts = [(one, window) for window in _windows(pyramid.size) for one in _look(networks, pyramid, window)]
        # The whole photo is trusted first: a window may show a part of a person.
        found += sorted((one for one, window in parts if _fits(one, window)), key=lambda one: -one.score)
    people: list[Detection] = []
    for detection in found:
        if _is_new(detection, people):
            people.append(detection)
    return people
