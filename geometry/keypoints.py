"""The 31 joints: names, where other layouts keep them, and how missing ones are repaired (SPEC 3).

Left and right are the person's own. A missing joint is a score of 0, never a coordinate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
            ValueError: another shape, or a present joint that is not finite.
        """
        xy, score = np.array(xy, dtype=np.float64), np.array(score, dtype=np.float64)
        if xy.shape != (31, 2) or score.shape != (31,):
            raise ValueError(f"{source}: joints of shape {xy.shape} and {score.shape}, expected (31, 2) and (31,)")
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


class IncompletePersonError(ValueError):
    """Too little of the person is known to place the parts."""


@dataclass(frozen=True)
class Repaired:
    """Joints without a gap, and what was done to close it."""

    keypoints: Keypoints  # every joint present
    notes: tuple[str, ...]  # "left_ear: from the eyes", in the order applied


EAR_BEYOND_EYE = 0.7
FINGERS_BEYOND_WRIST = 0.48
KNUCKLE_SPREAD = (-0.15, -0.05, 0.05, 0.15)
"""Where fingers 2-5 lie across the hand when only the forearm is known, in forearm lengths."""
SHORTEST_LIMB = 0.02
"""In torso lengths, 9 px for a person who fills a 2048 px canvas: a shorter limb has no direction."""
PREDICTED_SCORE = 0.1
"""Score of a joint that a rule placed: above MISSING_BELOW, below any real detection that counts."""


class _Body:
    """Joints by name while they are being repaired."""

    def __init__(self, keypoints: Keypoints) -> None:
        self.xy = keypoints.xy.copy()
        self.present = keypoints.present.copy()
        self.notes: list[str] = []

    def __getitem__(self, name: str) -> np.ndarray:
        return self.xy[INDEX[name]]

    def has(self, *names: str) -> bool:
        return all(self.present[INDEX[name]] for name in names)

    def place(self, name: str, xy: np.ndarray, why: str) -> None:
        self.xy[INDEX[name]] = xy
        self.present[INDEX[name]] = True
        self.notes.append(f"{name}: {why}")

    @property
    def torso(self) -> np.ndarray:
        """From the middle of the shoulders to the middle of the hips."""
        return (self["left_hip"] + self["right_hip"] - self["left_shoulder"] - self["right_shoulder"]) / 2

    def mirrored(self, vector: np.ndarray) -> np.ndarray:
        """A vector of the other side, seen in the torso's long axis as in a mirror."""
        axis = self.torso / max(np.linalg.norm(self.torso), 1e-9)
        return 2 * (vector @ axis) * axis - vector


def _other(name: str) -> str:
    side, joint = name.split("_", 1)
    return ("right_" if side == "left" else "left_") + joint


def _repair_torso(body: _Body) -> None:
    """A missing shoulder or hip is the mirror of the other side's torso edge."""
    for low, high in (("hip", "shoulder"), ("shoulder", "hip")):
        if not body.has(f"left_{low}") and not body.has(f"right_{low}"):
            raise IncompletePersonError(f"both {low}s are missing, expected at least one")
        if not body.has(f"left_{high}", f"right_{high}"):
            continue
        for name in (f"left_{low}", f"right_{low}"):
            if body.has(name):
                continue
            start, end = name.replace(low, high), _other(name)
            across = body[start] - body[_other(start)]
            across = across / max(np.linalg.norm(across), 1e-9)
            edge = body[end] - body[_other(start)]
            body.place(name, body[start] + edge - 2 * (edge @ across) * across, "mirror of the other side")
    if not body.has("left_shoulder", "right_shoulder", "left_hip", "right_hip"):
        raise IncompletePersonError("a shoulder and a hip are missing, expected at most one of the four")


def _repair_head(body: _Body) -> None:
    """An ear lies beyond its eye; without eyes it is the other ear seen past the nose, or the shoulders tell."""
    for name in ("left_ear", "right_ear"):
        eye = name.replace("ear", "eye")
        if not body.has(name) and body.has(eye, _other(eye)):
            step = EAR_BEYOND_EYE * (body[eye] - body[_other(eye)])
            body.place(name, body[eye] + step, "from the eyes")
    for name in ("left_ear", "right_ear"):
        if not body.has(name) and body.has(_other(name), "nose"):
            step = body.mirrored(body[_other(name)] - body["nose"])
            body.place(name, body["nose"] + step, "mirror of the other ear past the nose")
    if not body.has("left_ear", "right_ear"):
        neck = (body["left_shoulder"] + body["right_shoulder"]) / 2
        known = next((n for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear") if body.has(n)), None)
        middle = body[known] if known else neck - 0.40 * body.torso
        for name in ("left_ear", "right_ear"):
            step = 0.21 * (body[name.replace("ear", "shoulder")] - neck) * 2
            body.place(name, middle + step, "from the shoulders")
    for name in ("left_eye", "right_eye", "nose"):
        if not body.has(name):
            side = 0.0 if name == "nose" else 0.4
            middle = (body["left_ear"] + body["right_ear"]) / 2
            reach = body["left_ear"] - middle if name != "right_eye" else body["right_ear"] - middle
            body.place(name, middle + side * reach, "from the ears")


def _repair_limb(body: _Body, root: str, middle: str, end: str) -> None:
    """A joint between two known ones is their middle; at an end it follows the limb or mirrors the other side."""
    if not body.has(middle):
        if body.has(end):
            body.place(middle, (body[root] + body[end]) / 2, "middle of its neighbours")
        elif body.has(_other(middle)):
            step = body.mirrored(body[_other(middle)] - body[_other(root)])
            body.place(middle, body[root] + step, "mirror of the other side")
        else:
            body.place(middle, body[root] + 0.6 * body.torso, "along the torso")
    if not body.has(end):
        upper = body[middle] - body[root]
        length = np.linalg.norm(upper)
        if body.has(_other(end), _other(middle)):
            length = np.linalg.norm(body[_other(end)] - body[_other(middle)])
        body.place(end, body[middle] + upper / max(np.linalg.norm(upper), 1e-9) * length, "along the limb")


def _repair_foot(body: _Body, side: str) -> None:
    """One toe stands for both; without toes the foot points along the shin, without a heel the ankle stands for it."""
    big, little, heel = (f"{side}_{joint}" for joint in ("big_toe", "little_toe", "heel"))
    shin = body[f"{side}_ankle"] - body[f"{side}_knee"]
    if not body.has(heel):
        body.place(heel, body[f"{side}_ankle"] + 0.1 * shin, "below the ankle")
    for toe, other in ((big, little), (little, big)):
        if not body.has(toe) and body.has(other):
            body.place(toe, body[other], "the other toe")
    for toe in (big, little):
        if not body.has(toe):
            body.place(toe, body[heel] + 0.25 * shin, "along the shin")


def _repair_hand(body: _Body, side: str) -> None:
    """Fingers that are all missing lie beyond the wrist; a single missing one is the mean of the others."""
    fingers = [f"{side}_finger_{k}" for k in (2, 3, 4, 5)]
    known = [body[name].copy() for name in fingers if body.has(name)]
    wrist, forearm = body[f"{side}_wrist"], body[f"{side}_wrist"] - body[f"{side}_elbow"]
    across = np.array([-forearm[1], forearm[0]])
    for name, spread in zip(fingers, KNUCKLE_SPREAD, strict=True):
        if body.has(name):
            continue
        if known:
            body.place(name, np.mean(known, axis=0), "mean of the other fingers")
        else:
            body.place(name, wrist + FINGERS_BEYOND_WRIST * forearm + spread * across, "along the forearm")


def _lengthen(body: _Body, start: str, ends: Sequence[str], direction: np.ndarray) -> None:
    """Push `ends` away from `start` until the limb is long enough to have a direction."""
    shortest = SHORTEST_LIMB * max(np.linalg.norm(body.torso), 1.0)
    length = np.linalg.norm(np.mean([body[end] for end in ends], axis=0) - body[start])
    if length < shortest:
        step = direction / max(np.linalg.norm(direction), 1e-9) * shortest
        for end in ends:
            body.place(end, body[start] + step, "pushed away from a joint at the same place")


def repair(keypoints: Keypoints) -> Repaired:
    """Fill every missing joint by a named rule, and give every limb a length.

    The rules are those of SPEC 11: mirror, extrapolate along the limb, stand-ins; a pure function of the joints.

    Raises:
        IncompletePersonError: both shoulders or both hips are missing, or one of each.
    """
    body = _Body(keypoints)
    _repair_torso(body)
    torso, across = body.torso, body["left_shoulder"] - body["right_shoulder"]
    if np.linalg.norm(torso) < 1.0:
        raise IncompletePersonError("shoulders and hips are at the same place, expected a torso")
    _repair_head(body)
    _lengthen(body, "right_ear", ["left_ear"], across if across.any() else np.array([-torso[1], torso[0]]))
    for side in ("left", "right"):
        shoulder, elbow, wrist, hip, knee, ankle = (
            f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        )
        _repair_limb(body, shoulder, elbow, wrist)
        _repair_limb(body, hip, knee, ankle)
        for start, end in ((shoulder, elbow), (elbow, wrist), (hip, knee), (knee, ankle)):
            _lengthen(body, start, [end], torso)
        _repair_foot(body, side)
        _lengthen(body, f"{side}_heel", [f"{side}_big_toe", f"{side}_little_toe"], torso)
        _repair_hand(body, side)
        _lengthen(body, elbow, [JOINTS[index] for index in FINGERS[side]], torso)
    origin = tuple(
        "predicted" if note_of(name, body.notes) else o for name, o in zip(JOINTS, keypoints.origin, strict=True)
    )
    score = np.where(keypoints.present, keypoints.score, PREDICTED_SCORE)
    return Repaired(Keypoints(body.xy, score, origin, keypoints.source), tuple(body.notes))


def note_of(name: str, notes: Sequence[str]) -> str | None:
    """The note about one joint, if any."""
    return next((note for note in notes if note.startswith(f"{name}: ")), None)
