"""The 31 joints of a person: their names, and where other layouts keep them (METHOD.md 3.1).

Left and right are the person's own. A missing joint is a score of 0, never a coordinate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_big_toe", "left_little_toe", "left_heel", "right_big_toe", "right_little_toe", "right_heel",
    "left_finger_2", "left_finger_3", "left_finger_4", "left_finger_5",
    "right_finger_2", "right_finger_3", "right_finger_4", "right_finger_5",
)  # fmt: skip
"""Joint names in the order of every (31, ...) array. A finger's point is its PIP joint; finger 2 is the index."""
INDEX = {name: index for index, name in enumerate(JOINTS)}
FINGERS = {side: tuple(INDEX[f"{side}_finger_{k}"] for k in (2, 3, 4, 5)) for side in ("left", "right")}
MIRRORED = tuple(
    INDEX[name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")] for name in JOINTS
)
"""Position of each joint's twin on the other side of the body."""
BODY_JOINTS = 23
"""The first 23 joints are body and feet, the last 8 are fingers: left hand, then right hand."""

OPENPOSE_BODY = (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11, 19, 20, 21, 22, 23, 24)
"""Position of joints 0-22 in OpenPose's BODY_25."""
HAND_PIP = (6, 10, 14, 18)
"""Position of fingers 2-5 in a 21-point hand (OpenPose, COCO-WholeBody and MediaPipe alike)."""
WHOLEBODY = (*range(BODY_JOINTS), 97, 101, 105, 109, 118, 122, 126, 130)
"""Position of the 31 joints in COCO-WholeBody's 133 points."""
MISSING_BELOW = 0.05
"""Scores up to this are noise: OpenPose gives about 0.01 to hidden hands."""
PREDICTED_SCORE = 0.1
"""Score of a joint that a rule placed: above MISSING_BELOW, below any real detection that counts."""


@dataclass(frozen=True)
class Keypoints:
    """The 31 joints of one person in the photo.

    `xy` is in pixel indices of the photo as it is displayed: x right, y down, (0, 0) is the centre of the first pixel.
    `origin` is "detected", "corrected", "predicted" or "missing"; a missing joint has score 0 and its xy says nothing.
    """

    xy: np.ndarray  # (31, 2) float64 [px]
    score: np.ndarray  # (31,) float64 in [0, 1]
    origin: tuple[str, ...]  # 31 words
    source: str  # the file or the detector

    @classmethod
    def from_scores(cls, xy: np.ndarray, score: np.ndarray, source: str) -> Keypoints:
        """Joints as detected; a score up to MISSING_BELOW makes a joint missing.

        Args:
            xy: (31, 2) [px].
            score: (31,).

        Raises:
            ValueError: another shape, a score or a present joint that is not finite.
        """
        xy, score = np.array(xy, dtype=np.float64), np.array(score, dtype=np.float64)
        if xy.shape != (31, 2) or score.shape != (31,):
            raise ValueError(f"{source}: joints of shape {xy.shape} and {score.shape}, expected (31, 2) and (31,)")
        if not np.isfinite(score).all():
            raise ValueError(f"{source}: a score is not finite")
        score = np.where(score > MISSING_BELOW, np.minimum(score, 1.0), 0.0)
        if not np.isfinite(xy[score > 0]).all():
            raise ValueError(f"{source}: a joint is not finite, expected pixel coordinates")
        origin = tuple("detected" if s > 0 else "missing" for s in score)
        return cls(np.where(score[:, None] > 0, xy, 0.0), score, origin, source)

    @property
    def present(self) -> np.ndarray:
        """(31,) bool."""
        return self.score > 0

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Keypoints:
        """The same joints after a change of coordinates, (31, 2) -> (31, 2)."""
        return replace(self, xy=move(self.xy))
