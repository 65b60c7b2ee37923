"""Standing poses: where arms, hands, legs and head go, as turns of the rig's bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.synthetic.body import BodyModel, RestBody

SIDES = {"L": 1.0, "R": -1.0}
"""Of the body -> the sign of its X."""
ARMS = {
    "hang": 0.33, "relaxed_a": 0.13, "wide_a": 0.05, "hip": 0.10, "pocket": 0.08, "front": 0.07, "chest": 0.04,
    "raised": 0.05, "reach": 0.05, "face": 0.03, "behind": 0.03, "crossed": 0.04,
}  # fmt: skip
"""What an arm does -> how often. "front": hands before the belly; "reach": forearm forward or to the side."""
STANCES = {"even": 0.42, "shifted": 0.30, "wide": 0.08, "step": 0.20}


def _turn(axis: np.ndarray | Sequence[float], degrees: float) -> np.ndarray:
    axis = np.asarray(axis, dtype=np.float64)
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.radians(degrees)).as_matrix()


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes one direction to another."""
    start, end = _unit(start), _unit(end)
    axis = np.cross(start, end)
    if np.linalg.norm(axis) < 1e-9:
        return np.eye(3)
    return _turn(axis, np.degrees(np.arctan2(np.linalg.norm(axis), start @ end)))


def _twist_between(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Degrees about `axis` that bring `start` closest to `end`."""
    start, end = start - axis * (start @ axis), end - axis * (end @ axis)
    return float(np.degrees(np.arctan2(np.cross(start, end) @ axis, start @ end)))


@dataclass
class ArmGoal:
    """What one arm should do, in the frame of the upright trunk; x points outward (left for the left arm)."""

    upper: np.ndarray  # direction of the upper arm
    fore: np.ndarray  # direction of the forearm
    palm: np.ndarray | None  # direction the palm faces, None: wherever it ends up
    curl: float  # how far the fingers bend [deg]


def _reach(
    shoulder: np.ndarray, target: np.ndarray, lengths: tuple[float, float], elbow: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of upper arm and forearm that bring the wrist to `target`, the elbow towards `elbow`."""
    upper, fore = lengths
    way = target - shoulder
    distance = float(np.clip(np.linalg.norm(way), abs(upper - fore) + 0.02, 0.995 * (upper + fore)))
    way = _unit(way)
    cosine = (upper**2 + distance**2 - fore**2) / (2 * upper * distance)
    aside = _unit(elbow - way * (elbow @ way))
    first = cosine * way + np.sqrt(max(1 - cosine**2, 0)) * aside
    return first, _unit(way * distance - first * upper)


def _arm_goal(kind: str, rng: np.random.Generator, rig: _Rig, side: str, opened: float) -> ArmGoal:
    """Sample one arm. `opened` moves it away from the body [m], until nothing is inside anything."""
    n, u = rng.normal, rng.uniform
    shoulder = rig.outward(side, rig.head(f"upperarm01.{side}"))
    hip = rig.outward(side, rig.head(f"upperleg01.{side}"))
    lengths = rig.arm_lengths(side)
    reach_of = sum(lengths)
    curl = float(np.clip(n(22, 12), 2, 60))
    out = 1.2 * opened / reach_of
    if kind in ("hang", "relaxed_a", "wide_a"):
        aside = {"hang": u(0.06, 0.16), "relaxed_a": u(0.25, 0.5), "wide_a": u(0.6, 1.2)}[kind] + out
        upper = _unit(np.array([aside, -1.0, n(-0.03, 0.12)]))
        flex = np.radians(u(3, 28) if kind == "hang" else u(3, 40))
        forward = _unit(np.array([n(-0.15, 0.2), 0.0, 1.0]))
        forward = _unit(forward - upper * (forward @ upper))
        palm = np.array([-1.0, 0.0, n(-0.2, 0.45)])
        return ArmGoal(upper, upper * np.cos(flex) + forward * np.sin(flex), palm, curl)
    if kind == "raised":
        upper = _unit(np.array([1.0, u(-0.25, 1.2), u(-0.1, 0.5)]))
        bend = _unit(np.array([u(-0.9, 0.5), u(0.0, 1.2), u(0.0, 0.8)]))
        flex = np.radians(u(5, 95))
        bend = _unit(bend - upper * (bend @ upper))
        facing = None if u() < 0.5 else np.array([0, 0, 1.0])
        return ArmGoal(upper, upper * np.cos(flex) + bend * np.sin(flex), facing, u(0, 40))
    if kind == "reach":
        upper = _unit(np.array([u(0.1, 0.6) + out, -1.0, u(-0.1, 0.5)]))
        fore = _unit(np.array([u(-0.2, 0.9), u(-0.5, 0.5), u(0.5, 1.0)]))
        palm = np.array([-0.6, u(-0.6, 0.9), 0.0])
        return ArmGoal(upper, fore, palm, u(0, 45))
    middle, belly = rig.belly()
    front = belly[2] + 0.05 + opened
    targets = {
        "hip": (hip + [0.065 + opened, u(0.10, 0.16), -0.01 + n(0, 0.02)], [1.0, 0.1, -0.45], [-1, -0.3, 0.1]),
        "pocket": (hip + [0.075 + opened, u(0.02, 0.07), n(0.02, 0.02)], [0.8, 0, -0.7], [-1, 0, 0]),
        "front": ([u(0.05, 0.1), middle[1] + u(-0.12, 0.06), front + 0.02], [1.0, -0.3, -0.2], [-0.2, 0.1, -1]),
        "crossed": ([u(-0.06, 0.02), middle[1] + u(0.16, 0.22), front + 0.05], [1.0, -0.5, 0.1], [0, 0, -1]),
        "chest": ([u(0.02, 0.12), shoulder[1] - u(0.1, 0.18), front + 0.04], [1.0, -0.8, -0.1], [0, 0, -1]),
        "face": ([u(0.07, 0.13), shoulder[1] + u(0.08, 0.16), shoulder[2] + u(0.1, 0.2)], [0.8, -1, 0], [-1, 0, 0]),
        "behind": ([u(0.05, 0.12), hip[1] + u(0.1, 0.2), hip[2] - 0.15 - opened], [0.8, 0, -0.8], [0, 0, -1]),
    }
    target, elbow, palm = (np.asarray(value, dtype=np.float64) for value in targets[kind])
    upper, fore = _reach(shoulder, target, lengths, elbow)
    return ArmGoal(upper, fore, palm, {"pocket": 12.0, "crossed": 25.0, "hip": 30.0}.get(kind, curl))


class _Rig:
    """A rest body with its bones by name."""

    def __init__(self, model: BodyModel, rest: RestBody) -> None:
        self.model, self.rest = model, rest

    def head(self, bone: str) -> np.ndarray:
        return self.rest.heads[self.model.bones[bone]]

    @staticmethod
    def outward(side: str, vector: np.ndarray) -> np.ndarray:
        """A vector seen from a side, where +x is outward; its own inverse."""
        return np.asarray(vector) * ([1, 1, 1] if side == "L" else [-1, 1, 1])

    def arm_lengths(self, side: str) -> tuple[float, float]:
        a, b, c = (self.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
        return float(np.linalg.norm(b - a)), float(np.linalg.norm(c - b))

    def belly(self) -> tuple[np.ndarray, np.ndarray]:
        """Middle of the trunk at navel height, and the foremost skin there."""
        middle = 0.6 * self.head("spine05") + 0.4 * self.head("spine01")
        skin = self.rest.vertices
        near = skin[(np.abs(skin[:, 1] - middle[1]) < 0.15) & (np.abs(skin[:, 0]) < 0.1)]
        return middle, near[near[:, 2].argmax()]


def _pose_arm(rig: _Rig, side: str, goal: ArmGoal, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Turns of clavicle, upper arm, forearm, wrist and fingers with which the arm meets its goal."""
    sign, turns = SIDES[side], {}
    shoulder, elbow, wrist = (rig.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper_axis, fore_axis = _unit(elbow - shoulder), _unit(wrist - elbow)
    upper, fore = _unit(rig.outward(side, goal.upper)), _unit(rig.outward(side, goal.fore))
    lift = np.degrees(np.arcsin(np.clip(upper[1], -1, 1)) - np.arcsin(np.clip(upper_axis[1], -1, 1)))
    clavicle = _turn([0, 0, 1], sign * (0.22 if lift > 0 else 0.1) * lift)
    hinge_rest, hinge = _unit(np.cross(upper_axis, fore_axis)), np.cross(upper, fore)
    swing = _swing(upper_axis, upper)
    twist = 0.0
    if np.linalg.norm(hinge) > 0.05:
        twist = float(np.clip(_twist_between(upper, swing @ hinge_rest, hinge), -85, 85))
    bend_rest = np.degrees(np.arccos(np.clip(upper_axis @ fore_axis, -1, 1)))
    bend = min(np.degrees(np.arccos(np.clip(upper @ fore, -1, 1))), 140.0)
    turns[f"clavicle.{side}"] = clavicle
    turns[f"upperarm01.{side}"] = clavicle.T @ swing @ _turn(upper_axis, 0.4 * twist)
    turns[f"upperarm02.{side}"] = _turn(upper_axis, 0.6 * twist)
    flex = _turn(hinge_rest, bend - bend_rest)
    turns[f"lowerarm01.{side}"] = flex
    world = swing @ _turn(upper_axis, twist) @ flex
    palm_rest, across = _palm(rig, side)
    roll = rng.normal(0, 15)
    if goal.palm is not None:
        wanted = _twist_between(world @ fore_axis, world @ palm_rest, rig.outward(side, goal.palm))
        roll = 0.85 * wanted + rng.normal(0, 8)
    roll = float(np.clip(roll, -80, 80))
    turns[f"lowerarm02.{side}"] = _turn(fore_axis, 0.65 * roll)
    turns[f"wrist.{side}"] = (
        _turn(fore_axis, 0.35 * roll) @ _turn(across, rng.normal(0, 9)) @ _turn(palm_rest, rng.normal(0, 6))
    )
    return turns | _pose_fingers(rig, side, goal.curl, rng)


def _palm(rig: _Rig, side: str) -> tuple[np.ndarray, np.ndarray]:
    """At rest, the directions that a palm faces, and across it from the index to the little finger."""
    wrist, (index, little) = rig.head(f"wrist.{side}"), (rig.head(f"finger{k}-1.{side}") for k in (2, 5))
    return _unit(np.cross(little - wrist, index - wrist)) * SIDES[side], _unit(little - index)


def _pose_fingers(rig: _Rig, side: str, curled: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Turns of a hand's fingers, each bent by about `curled` [deg]."""
    sign, turns, (palm, across) = SIDES[side], {}, _palm(rig, side)
    for finger in (2, 3, 4, 5):
        curl = curled * (0.75 + 0.08 * finger) + rng.normal(0, 5)
        spread = _turn(palm, rng.normal(0, 2))
        for joint, part in ((1, 0.8), (2, 1.0), (3, 0.6)):
            turn = _turn(across, sign * max(curl * part, -5))
            turns[f"finger{finger}-{joint}.{side}"] = turn @ spread if joint == 1 else turn
    along = _unit(rig.head(f"finger1-3.{side}") - rig.head(f"finger1-1.{side}"))
    thumb = _unit(np.cross(along, palm))
    for joint in (2, 3):
        turns[f"finger1-{joint}.{side}"] = _turn(thumb, rng.uniform(-5, 12) + 0.25 * curled)
    return turns


def _pose_legs(rig: _Rig, rng: np.random.Generator, hips: np.ndarray) -> dict[str, np.ndarray]:
    """Turns with which the person stands on flat feet, or steps. `hips` is the turn of the root."""
    turns = {}
    stance = rng.choice(list(STANCES), p=list(STANCES.values()))
    forward = rng.choice(["L", "R"])
    stride = rng.uniform(6, 24)
    for side, sign in SIDES.items():
        n = rng.normal
        thigh, knee, ankle = (rig.head(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01", "foot"))
        aside = {"even": n(1.8, 1.3), "shifted": n(3.0, 2.0), "wide": rng.uniform(6, 11), "step": n(1.0, 1.0)}[stance]
        ahead, bend, lift = n(0, 1.5), abs(n(0, 2.5)), 0.0
        if stance == "shifted" and side == forward:
            ahead, bend = rng.uniform(2, 14), rng.uniform(6, 26)
        if stance == "step":
            ahead = stride * (0.9 if side == forward else -0.8)
            bend = rng.uniform(0, 10) if side == forward else rng.uniform(4, 30)
            lift = 0.0 if side == forward else rng.uniform(0.3, 0.9)
        down = np.array([sign * np.tan(np.radians(aside)), -1.0, np.tan(np.radians(ahead + 0.5 * bend))])
        yaw = sign * n(8, 6)
        world = _turn([0, 1, 0], yaw * 0.7) @ _swing(knee - thigh, down)
        turns[f"upperleg01.{side}"] = hips.T @ world
        shin = _unit(ankle - knee)
        hinge = np.array([1.0, 0, 0])
        shin_turn = _turn(hinge, bend) @ _swing(shin, _unit(np.array([shin[0] * 0.4, shin[1], shin[2]])))
        turns[f"lowerleg01.{side}"] = shin_turn
        tiptoe = 32 * lift
        foot = _turn([0, 1, 0], yaw) @ _turn([1, 0, 0], tiptoe - (6 * (stance == "step") if side == forward else 0))
        turns[f"foot.{side}"] = (world @ shin_turn).T @ foot
        for toe in range(1, 6):
            turns[f"toe{toe}-1.{side}"] = _turn([1, 0, 0], -0.8 * tiptoe)
    return turns


def sample_pose(
    model: BodyModel, rest: RestBody, rng: np.random.Generator, opened: dict[str, float]
) -> dict[str, np.ndarray]:
    """A random standing pose.

    Args:
        opened: "L" and "R" -> how far to move that arm away from where the pose would have it [m].

    Returns:
        Bone -> rotation for BodyModel.pose. The same `rng` state gives the same pose whatever `opened` is.
    """
    rig = _Rig(model, rest)
    n = rng.normal
    hips = _turn([0, 0, 1], n(0, 2.0)) @ _turn([1, 0, 0], n(0, 1.5))
    turns = {"root": hips} | _pose_legs(rig, rng, hips)
    trunk_yaw, lean, side_lean = n(0, 8), n(1, 3), n(0, 2.5)
    for bone in ("spine04", "spine03", "spine02"):
        turns[bone] = _turn([0, 1, 0], trunk_yaw / 3) @ _turn([1, 0, 0], lean / 3) @ _turn([0, 0, 1], side_lean / 3)
    turns["spine05"] = hips.T
    kinds = list(ARMS)
    alone = np.array(list(ARMS.values())[:-1])  # nobody crosses one arm
    alone = alone / alone.sum()
    pair = rng.choice(kinds, p=list(ARMS.values()))
    for side in SIDES:
        arm_rng = np.random.default_rng(rng.integers(2**63))
        same = pair == "crossed" or arm_rng.random() < 0.62
        kind = pair if same else arm_rng.choice(kinds[:-1], p=alone)
        goal = _arm_goal(kind, arm_rng, rig, side, opened[side] + (0.03 if pair == "crossed" and side == "L" else 0))
        turns |= _pose_arm(rig, side, goal, arm_rng)
    turn, nod, tilt = n(0, 14), n(2, 6), n(0, 4)
    for bone, part in (("neck02", 0.4), ("head", 0.6)):
        turns[bone] = _turn([0, 1, 0], part * turn) @ _turn([1, 0, 0], part * nod) @ _turn([0, 0, 1], part * tilt)
    gaze = _turn([0, 1, 0], n(0, 6)) @ _turn([1, 0, 0], n(0, 3))
    turns["eye.L"] = turns["eye.R"] = gaze
    return turns
