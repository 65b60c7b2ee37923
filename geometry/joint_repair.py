"""Missing joints placed by named rules, and limbs without a length given one (METHOD.md 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geometry.keypoints import FINGERS, INDEX, JOINTS, PREDICTED_SCORE, Keypoints

HEAD = JOINTS[:5]
TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
STANDING = {
    "nose": (0.0, -0.44),
    "eye": (0.08, -0.50),
    "ear": (0.165, -0.43),
    "shoulder": (0.31, 0.0),
    "hip": (0.21, 1.0),
}
"""Where joints of a standing person lie from the middle of the shoulders: (outwards, down), in torso lengths."""
SIDEWAYS = 0.25
"""Shoulders nearer than this, in torso lengths, are seen from the side: their line does not tell where the hips are."""
EAR_BEYOND_EYE = 0.7
"""An ear beyond its eye, in distances between the eyes."""
WRIST_BEFORE_FINGERS, WRIST_BEFORE_FINGERS_FROM_SHOULDER = 0.68, 0.82
"""The wrist on the way from the elbow, or from the shoulder, to the fingers."""
FINGERS_BEYOND_WRIST = 0.48
"""In forearm lengths."""
KNUCKLE_SPREAD = (-0.09, -0.03, 0.03, 0.09)
"""How far outwards fingers 2-5 of a hanging hand lie when only the forearm is known, in forearm lengths."""
ANKLE_ABOVE_HEEL, ANKLE_BEFORE_HEEL = 0.10, 0.15
"""The ankle from the heel: towards the knee, and towards the big toe, as fractions of those distances."""
HEEL_BELOW_ANKLE, TOES_BELOW_HEEL = 0.10, 0.25
"""In shin lengths."""
LITTLE_TOE_BACK, LITTLE_TOE_OUT = 0.2, 0.2
"""The little toe from the big one: towards the ankle as a fraction of the way, and outwards in hip widths."""
UPPER_LIMB = {"elbow": 0.6, "knee": 0.85}
"""Length of the upper arm and the thigh in torso lengths, when neither side shows it."""
SHORTEST_LIMB = 0.02
"""In torso lengths, 9 px for a person who fills a 2048 px canvas: a shorter limb has no direction."""


class IncompletePersonError(ValueError):
    """Too little of the person is known to place the parts."""


@dataclass(frozen=True)
class Repaired:
    """Joints without a gap, and what was done to close it."""

    keypoints: Keypoints  # every joint present
    notes: tuple[str, ...]  # "left_ear: from the eyes", in the order applied


class _Body:
    """Joints by name while they are being repaired."""

    def __init__(self, keypoints: Keypoints) -> None:
        self.xy = keypoints.xy.copy()
        self.present = keypoints.present.copy()
        self._seen = keypoints.present
        self.notes: dict[str, str] = {}  # joint -> the rule that placed it

    def __getitem__(self, name: str) -> np.ndarray:
        return self.xy[INDEX[name]]

    def has(self, *names: str) -> bool:
        return all(self.present[INDEX[name]] for name in names)

    def saw(self, *names: str) -> bool:
        """Were these joints there from the start? Otherwise the side that is repaired first would shape the other."""
        return all(self._seen[INDEX[name]] for name in names)

    def place(self, name: str, xy: np.ndarray, why: str) -> None:
        self.xy[INDEX[name]] = xy
        self.present[INDEX[name]] = True
        self.notes[name] = why

    def mean(self, *names: str) -> np.ndarray:
        return np.mean([self[name] for name in names], axis=0)

    @property
    def torso(self) -> np.ndarray:
        """From the middle of the shoulders to the middle of the hips."""
        return self.mean("left_hip", "right_hip") - self.mean("left_shoulder", "right_shoulder")

    @property
    def left(self) -> np.ndarray:
        """As long as the torso and at right angles to it, towards the person's left."""
        down, across = self.torso, self["left_shoulder"] - self["right_shoulder"]
        left = np.array([down[1], -down[0]])
        return left if left @ across >= 0 else -left

    def mirrored(self, vector: np.ndarray) -> np.ndarray:
        """A vector of the other side, seen in the torso's long axis as in a mirror."""
        axis = self.torso / max(np.linalg.norm(self.torso), 1e-9)
        return 2 * (vector @ axis) * axis - vector


def _other(name: str) -> str:
    side, joint = name.split("_", 1)
    return ("right_" if side == "left" else "left_") + joint


def _standing(name: str) -> tuple[float, float]:
    """(to the person's left, down) of a joint of STANDING."""
    side, _, joint = name.rpartition("_")
    outwards, down = STANDING[joint]
    return (-outwards if side == "right" else outwards), down


def _place_hips(body: _Body) -> None:
    """Both hips lie below the shoulders, away from the head: of a person whom the photo cuts at the waist.

    The torso is as long as the shoulders' distance tells, or that of the head when it tells more: seen from the side,
    shoulders are near each other.
    """
    if not body.has("left_shoulder", "right_shoulder"):
        raise IncompletePersonError("both hips and a shoulder are missing, expected both shoulders or a hip")
    neck, across = body.mean("left_shoulder", "right_shoulder"), body["left_shoulder"] - body["right_shoulder"]
    width, length = float(np.linalg.norm(across)), float(np.linalg.norm(across)) / (2 * STANDING["shoulder"][0])
    down = np.array([-across[1], across[0]]) / max(width, 1e-9)
    away = np.array([0.0, 1.0])  # without a head, the person is taken to be upright
    head = [name for name in HEAD if body.has(name)]
    if head:
        above = float(np.mean([-_standing(name)[1] for name in head]))
        away = (neck - body.mean(*head)) / above
        length = max(length, float(np.linalg.norm(away)))
        away = away / max(np.linalg.norm(away), 1e-9)
    if width < SIDEWAYS * length:
        down, width = away, 0.0
    down = down if down @ away >= 0 else -down
    outwards = np.array([down[1], -down[0]]) * STANDING["hip"][0] * min(width / 2 / STANDING["shoulder"][0], length)
    outwards = outwards if outwards @ across >= 0 else -outwards
    for side, step in (("left", outwards), ("right", -outwards)):
        body.place(f"{side}_hip", neck + length * down + step, "below the shoulders")


def _repair_torso(body: _Body) -> None:
    """One or two missing corners of the torso lie where a standing person, laid onto the others, has them."""
    if not body.has("left_shoulder") and not body.has("right_shoulder"):
        raise IncompletePersonError("both shoulders are missing, expected at least one")
    if not body.has("left_hip") and not body.has("right_hip"):
        _place_hips(body)
    known = [name for name in TORSO if body.has(name)]
    if len(known) == len(TORSO):
        return
    target = np.array([complex(*body[name]) for name in known])
    if np.abs(target - target.mean()).max() < 1.0:
        raise IncompletePersonError("shoulders and hips are at the same place, expected a torso")
    fits: list[tuple[float, int, dict[str, complex]]] = []
    # Seen from the front a person's left is at the right; two corners cannot tell, and the front is taken.
    for flip in (1.0, -1.0):
        layout = {name: complex(flip * _standing(name)[0], _standing(name)[1]) for name in TORSO}
        source = np.array([layout[name] for name in known])
        turn = np.vdot(source - source.mean(), target - target.mean()) / np.vdot(
            source - source.mean(), source - source.mean()
        )
        placed = {name: target.mean() + turn * (layout[name] - source.mean()) for name in TORSO}
        error = sum(abs(placed[name] - point) for name, point in zip(known, target, strict=True))
        fits.append((round(error, 6), len(fits), placed))
    placed = min(fits)[2]
    for name in TORSO:
        if not body.has(name):
            body.place(name, np.array([placed[name].real, placed[name].imag]), "from the rest of the torso")


def _repair_head(body: _Body) -> None:
    """An ear lies beyond its eye; the rest is where a standing person has it, moved to what is known of the head."""
    for name in ("left_ear", "right_ear"):
        eye = name.replace("ear", "eye")
        if not body.has(name) and body.has(eye, _other(eye)):
            step = EAR_BEYOND_EYE * (body[eye] - body[_other(eye)])
            body.place(name, body[eye] + step, "from the eyes")
    neck, left, down = body.mean("left_shoulder", "right_shoulder"), body.left, body.torso
    standing = {name: neck + _standing(name)[0] * left + _standing(name)[1] * down for name in HEAD}
    known = [name for name in HEAD if body.has(name)]
    moved = np.mean([body[name] - standing[name] for name in known], axis=0) if known else 0.0
    for name in HEAD:
        if not body.has(name):
            body.place(name, standing[name] + moved, "from the rest of the head" if known else "from the shoulders")


def _repair_limb(body: _Body, root: str, middle: str, end: str) -> None:
    """A joint between two known ones is their middle; at an end it follows the limb or mirrors the other side."""
    if not body.has(middle):
        if body.has(end):
            body.place(middle, body.mean(root, end), "middle of its neighbours")
        elif body.saw(_other(middle)):
            step = body.mirrored(body[_other(middle)] - body[_other(root)])
            body.place(middle, body[root] + step, "mirror of the other side")
        else:
            body.place(middle, body[root] + UPPER_LIMB[middle.split("_")[1]] * body.torso, "along the torso")
    if not body.has(end):
        upper = body[middle] - body[root]
        length = np.linalg.norm(upper)
        if body.saw(_other(end), _other(middle)):
            length = np.linalg.norm(body[_other(end)] - body[_other(middle)])
        body.place(end, body[middle] + upper / max(np.linalg.norm(upper), 1e-9) * length, "along the limb")


def _repair_arm(body: _Body, side: str) -> None:
    """The wrist lies on the way to the fingers; fingers that are all missing lie beyond it."""
    shoulder, elbow, wrist = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
    fingers = [JOINTS[index] for index in FINGERS[side]]
    known = [name for name in fingers if body.has(name)]
    if known and not body.has(wrist):
        start, way = elbow, WRIST_BEFORE_FINGERS
        if not body.has(elbow):
            start, way = shoulder, WRIST_BEFORE_FINGERS_FROM_SHOULDER
        body.place(wrist, body[start] + way * (body.mean(*known) - body[start]), "before the fingers")
    _repair_limb(body, shoulder, elbow, wrist)
    forearm, middle = body[wrist] - body[elbow], body.mean(*known) if known else None
    across = np.array([-forearm[1], forearm[0]]) * (1 if side == "right" else -1)
    # Seen from behind, the hands are the mirror image of what they are from the front.
    across = across if body.left @ [body.torso[1], -body.torso[0]] > 0 else -across
    for name, spread in zip(fingers, KNUCKLE_SPREAD, strict=True):
        if body.has(name):
            continue
        if middle is not None:
            body.place(name, middle, "mean of the other fingers")
        else:
            body.place(name, body[wrist] + FINGERS_BEYOND_WRIST * forearm + spread * across, "along the forearm")


def _repair_leg(body: _Body, side: str) -> None:
    """The ankle lies above the heel; a toe lies beside the other; without toes the foot points along the shin."""
    hip, knee, ankle, heel = (f"{side}_{joint}" for joint in ("hip", "knee", "ankle", "heel"))
    big, little = f"{side}_big_toe", f"{side}_little_toe"
    if body.has(heel) and not body.has(ankle):
        up = body[knee] - body[heel] if body.has(knee) else (body[hip] - body[heel]) / 2
        forward = body[big] - body[heel] if body.has(big) else 0.0
        body.place(ankle, body[heel] + ANKLE_ABOVE_HEEL * up + ANKLE_BEFORE_HEEL * forward, "above the heel")
    _repair_limb(body, hip, knee, ankle)
    shin = body[ankle] - body[knee]
    if not body.has(heel):
        body.place(heel, body[ankle] + HEEL_BELOW_ANKLE * shin, "below the ankle")
    if not body.has(big) and not body.has(little):
        body.place(big, body[heel] + TOES_BELOW_HEEL * shin, "along the shin")
    out = LITTLE_TOE_OUT * (body[hip] - body[_other(hip)])
    if not body.has(little):
        body.place(little, body[big] + LITTLE_TOE_BACK * (body[ankle] - body[big]) + out, "beside the big toe")
    if not body.has(big):
        # The same step backwards: little = big + k (ankle - big) + out, solved for big.
        step = (body[little] - out - LITTLE_TOE_BACK * body[ankle]) / (1 - LITTLE_TOE_BACK)
        body.place(big, step, "beside the little toe")


def _lengthen(body: _Body, starts: Sequence[str], ends: Sequence[str], direction: np.ndarray) -> None:
    """Push `ends` along `direction` when their mean is so near the mean of `starts` that the limb has no direction."""
    shortest = SHORTEST_LIMB * np.linalg.norm(body.torso)
    if np.linalg.norm(body.mean(*ends) - body.mean(*starts)) < shortest:
        step = direction / max(np.linalg.norm(direction), 1e-9) * shortest + body.mean(*starts) - body.mean(*ends)
        for end in ends:
            body.place(end, body[end] + step, "pushed away from a joint at the same place")


def _lengthen_limbs(body: _Body) -> None:
    """Give every limb that a part is laid along a length; a part without one would have no pose."""
    down = body.torso
    _lengthen(body, ["right_ear"], ["left_ear"], body.left)
    for side in ("left", "right"):
        name = {joint: f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel")}
        for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            _lengthen(body, [name[start]], [name[end]], down)
        _lengthen(body, [name["elbow"]], [JOINTS[index] for index in FINGERS[side]], down)
        _lengthen(body, [name["ankle"], name["heel"]], [f"{side}_big_toe", f"{side}_little_toe"], down)


def repair(keypoints: Keypoints) -> Repaired:
    """Fill every missing joint by a named rule, and give every limb a length.

    The rules (stand-ins, mirror images, steps along the limb) follow what is still known of the same limb first, then
    of the other side, then of a standing person. A pure function: joints that are present stay as they are, unless
    their limb has no length.

    Raises:
        IncompletePersonError: both shoulders, or both hips and a shoulder, are missing, or the torso has no length.
    """
    body = _Body(keypoints)
    _repair_torso(body)
    if np.linalg.norm(body.torso) < 1.0:
        raise IncompletePersonError("shoulders and hips are at the same place, expected a torso")
    _repair_head(body)
    for side in ("left", "right"):
        _repair_arm(body, side)
        _repair_leg(body, side)
    _lengthen_limbs(body)
    origin = tuple(
        "predicted" if name in body.notes else word for name, word in zip(JOINTS, keypoints.origin, strict=True)
    )
    score = np.where(keypoints.present, keypoints.score, PREDICTED_SCORE)
    notes = tuple(f"{name}: {why}" for name, why in body.notes.items())
    return Repaired(Keypoints(body.xy, score, origin, keypoints.source), notes)
