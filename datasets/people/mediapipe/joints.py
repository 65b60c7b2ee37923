"""From MediaPipe's points to the 31 joints, placed where OpenPose would place them."""

from __future__ import annotations

import numpy as np

from datasets.people.mediapipe.landmarks import HAND_SCORE, Hand, Pose
from geometry.keypoints import FINGERS, HAND_PIP, INDEX, JOINTS, MISSING_BELOW, PREDICTED_SCORE, Keypoints

POSE_POINT = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_heel": 29, "right_heel": 30, "left_toe": 31, "right_toe": 32,
    "left_index": 19, "right_index": 20, "left_pinky": 17, "right_pinky": 18,
}  # fmt: skip
"""Points of the pose network; its single toe point lies between OpenPose's two."""

Steps = tuple[tuple[float, str, str], ...]

CORRECTIONS: dict[str, Steps] = {
    "ear": ((0.149, "other ear", "ear"), (0.077, "ear", "nose"), (-0.0385, "ear", "other ear")),
    "hip": ((0.039, "other hip", "hip"), (-0.027, "shoulder", "hip")),
    "ankle": ((0.045, "knee", "ankle"), (0.051, "heel", "toe")),
    "big_toe": ((-0.045, "heel", "toe"), (-0.052, "ankle", "toe"), (-0.040, "other hip", "hip")),
    "little_toe": ((0.060, "heel", "toe"), (-0.265, "ankle", "toe"), (0.154, "other hip", "hip")),
}
"""Where OpenPose differs from MediaPipe: sums of factor x (end - start), so they turn and scale with the person.

Least squares over 20 photos of people who mostly face the camera; other points gain less than a pixel. A joint's name
without a side stands for the side at hand.
"""
PLAIN_LITTLE_TOE: Steps = ((-0.2, "ankle", "toe"), (0.165, "other hip", "hip"))
"""The little toe when corrections are off: MediaPipe has none, so something must place it."""
HIDDEN_FINGERS = {2: (1.41, 0.30), 3: (0.87, 0.99), 4: (0.31, 1.48), 5: (-0.25, 1.83)}
"""Finger joints of a hidden hand: factors of (index - wrist) and (pinky - wrist) of the pose network's knuckles."""
HAND_POINT_VISIBLE = 0.1
"""Below this the pose network's own knuckles are a guess too, and the fingers are left missing."""
SAME_HAND = 0.3
"""Two hands whose joints are nearer than this times their size are one hand that was found twice."""


def _step(pose: Pose, side: str, steps: Steps) -> np.ndarray:
    """(2,) sum of the steps [px] for one side of the body."""
    other = "right" if side == "left" else "left"

    def point(name: str) -> np.ndarray:
        if name == "nose":
            return pose.points[POSE_POINT["nose"]]
        key = f"{other}_{name[6:]}" if name.startswith("other ") else f"{side}_{name}"
        return pose.points[POSE_POINT[key]]

    return sum((factor * (point(end) - point(start)) for factor, start, end in steps), np.zeros(2))


def one_hand_each(pose: Pose, hands: dict[str, Hand]) -> dict[str, Hand]:
    """The visible hands by side; one that was found from both wrists belongs to the nearer wrist."""
    visible = {side: hand for side, hand in hands.items() if hand.presence >= HAND_SCORE}
    if len(visible) < 2:
        return visible
    left, right = visible["left"].points, visible["right"].points
    size = max(np.ptp(left, axis=0).max(), np.ptp(right, axis=0).max())
    if np.linalg.norm(left - right, axis=1).mean() > SAME_HAND * size:
        return visible
    away = {s: np.linalg.norm(h.points[0] - pose.points[POSE_POINT[f"{s}_wrist"]]) for s, h in visible.items()}
    side = min(away, key=away.__getitem__)
    return {side: visible[side]}


def joints_from_pose(pose: Pose, hands: dict[str, Hand], corrected: bool, source: str) -> Keypoints:
    """The 31 joints.

    Args:
        hands: the visible ones by side.
        corrected: move them to where OpenPose would place them.
        source: name of the detector.
    """
    xy, score, origin = np.zeros((31, 2)), np.zeros(31), ["detected"] * 31
    for name in JOINTS[:23]:
        side, _, joint = name.partition("_")
        point = POSE_POINT[f"{side}_toe" if joint.endswith("toe") else name]
        steps = CORRECTIONS.get(joint) if corrected else None
        if joint == "little_toe":
            steps = steps or PLAIN_LITTLE_TOE
        index = INDEX[name]
        xy[index] = pose.points[point] + (_step(pose, side, steps) if steps else 0.0)
        # Joints that the network does not see it still places better than any rule could: none is missing.
        score[index] = max(pose.visibility[point], PREDICTED_SCORE)
        if pose.visibility[point] <= PREDICTED_SCORE or joint == "little_toe":
            origin[index] = "predicted"
        elif steps:
            origin[index] = "corrected"
    for side, fingers in FINGERS.items():
        xy[list(fingers)], score[list(fingers)], word = _fingers(pose, hands.get(side), side)
        for index in fingers:
            origin[index] = word
    found = Keypoints.from_scores(xy - 0.5, score, source)
    return Keypoints(found.xy, found.score, tuple(origin), source)


def _fingers(pose: Pose, hand: Hand | None, side: str) -> tuple[np.ndarray, float, str]:
    """(4, 2) finger joints of one side, their score and origin."""
    if hand is not None:
        return hand.points[list(HAND_PIP)], hand.presence, "detected"
    wrist, index, pinky = (POSE_POINT[f"{side}_{name}"] for name in ("wrist", "index", "pinky"))
    if min(pose.visibility[[index, pinky]]) < HAND_POINT_VISIBLE:
        return np.zeros((4, 2)), 0.0, "missing"
    factors = np.array([HIDDEN_FINGERS[finger] for finger in (2, 3, 4, 5)])
    knuckles = pose.points[[index, pinky]] - pose.points[wrist]
    return pose.points[wrist] + factors @ knuckles, PREDICTED_SCORE, "predicted"


assert PREDICTED_SCORE > MISSING_BELOW
