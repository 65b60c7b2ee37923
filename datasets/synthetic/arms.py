"""What an arm does, and the turns of the bones that do it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.rig import SIDES, Rig, swing_between, turn_about, twist_between, unit


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
    way = unit(way)
    cosine = (upper**2 + distance**2 - fore**2) / (2 * upper * distance)
    aside = unit(elbow - way * (elbow @ way))
    first = cosine * way + np.sqrt(max(1 - cosine**2, 0)) * aside
    return first, unit(way * distance - first * upper)


def arm_goal(kind: str, rng: np.random.Generator, rig: Rig, side: str, opened: float) -> ArmGoal:
    """Sample one arm. `opened` moves it away from the body [m], until nothing is inside anything."""
    n, u = rng.normal, rng.uniform
    out = 1.2 * opened / sum(rig.arm_lengths(side))
    curl = float(np.clip(n(22, 12), 2, 60))
    if kind in ("hang", "relaxed_a", "wide_a"):
        aside = {"hang": u(0.06, 0.16), "relaxed_a": u(0.25, 0.5), "wide_a": u(0.6, 1.2)}[kind] + out
        upper = unit(np.array([aside, -1.0, n(-0.03, 0.12)]))
        flex = np.radians(u(3, 28) if kind == "hang" else u(3, 40))
        forward = unit(np.array([n(-0.15, 0.2), 0.0, 1.0]))
        forward = unit(forward - upper * (forward @ upper))
        palm = np.array([-1.0, 0.0, n(-0.2, 0.45)])
        return ArmGoal(upper, upper * np.cos(flex) + forward * np.sin(flex), palm, curl)
    if kind == "raised":
        upper = unit(np.array([1.0, u(-0.25, 1.6), u(-0.15, 0.5)]))
        bend = unit(np.array([u(-0.9, 0.5), u(0.0, 1.2), u(0.0, 0.8)]))
        flex = np.radians(u(3, 95))
        bend = unit(bend - upper * (bend @ upper))
        facing = None if u() < 0.5 else np.array([0, 0, 1.0])
        return ArmGoal(upper, upper * np.cos(flex) + bend * np.sin(flex), facing, u(0, 40))
    if kind == "reach":
        upper = unit(np.array([u(0.1, 0.6) + out, -1.0, u(-0.1, 0.5)]))
        fore = unit(np.array([u(-0.2, 0.9), u(-0.5, 0.5), u(0.5, 1.0)]))
        palm = np.array([-0.6, u(-0.6, 0.9), 0.0])
        return ArmGoal(upper, fore, palm, u(0, 45))
    target, elbow, palm = _wrist_target(kind, rng, rig, side, opened)
    upper, fore = _reach(rig.outward(side, rig.head(f"upperarm01.{side}")), target, rig.arm_lengths(side), elbow)
    return ArmGoal(upper, fore, palm, {"pocket": 12.0, "crossed": 32.0, "hip": 30.0, "carry": 18.0}.get(kind, curl))


def _wrist_target(
    kind: str, rng: np.random.Generator, rig: Rig, side: str, opened: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the wrist goes [m], and the directions of the elbow and of the palm; +x is outward."""
    n, u = rng.normal, rng.uniform
    shoulder = rig.outward(side, rig.head(f"upperarm01.{side}"))
    hip = rig.outward(side, rig.head(f"upperleg01.{side}"))
    middle, belly = rig.belly()
    front = belly[2] + 0.05 + opened
    targets = {
        "hip": ([hip[0] + 0.065 + opened, hip[1] + u(0.10, 0.16), hip[2] - 0.01 + n(0, 0.02)], [1, 0.1, -0.45],
                [-1, -0.3, 0.1]),
        "pocket": ([hip[0] + 0.085 + opened, hip[1] + u(0.0, 0.06), hip[2] + u(0.02, 0.06)], [0.9, 0, -0.8],
                   [-1, 0, 0]),
        "front": ([u(0.05, 0.1), middle[1] + u(-0.12, 0.06), front + 0.02], [1.0, -0.3, -0.2], [-0.2, 0.1, -1]),
        "clasped": ([0.035, middle[1] - u(0.02, 0.2), front + 0.03], [1.0, -0.4, -0.5], [-0.35, 0.1, -1]),
        "crossed": ([u(-0.11, -0.05), middle[1] + u(0.06, 0.13), front + 0.02], [1.0, -0.6, -0.1], [-0.1, 0.1, -1]),
        "carry": ([u(0.12, 0.17), middle[1] + u(-0.1, 0.2), front + u(0.08, 0.16)], [1.0, -0.5, -0.3], [-1, 0, 0]),
        "chest": ([u(0.02, 0.12), shoulder[1] - u(0.1, 0.18), front + 0.04], [1.0, -0.8, -0.1], [0, 0, -1]),
        "face": ([u(0.07, 0.13), shoulder[1] + u(0.08, 0.16), shoulder[2] + u(0.1, 0.2)], [0.8, -1, 0], [-1, 0, 0]),
        "behind": ([u(0.05, 0.12), hip[1] + u(0.1, 0.2), hip[2] - 0.15 - opened], [0.8, 0, -0.8], [0, 0, -1]),
    }  # fmt: skip
    target, elbow, palm = (np.asarray(value, dtype=np.float64) for value in targets[kind])
    return target, elbow, palm


def pose_arm(rig: Rig, side: str, goal: ArmGoal, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Turns of clavicle, upper arm, forearm, wrist and fingers with which the arm meets its goal."""
    sign, turns = SIDES[side], {}
    shoulder, elbow, wrist = (rig.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
    upper_axis, fore_axis = unit(elbow - shoulder), unit(wrist - elbow)
    upper, fore = unit(rig.outward(side, goal.upper)), unit(rig.outward(side, goal.fore))
    lift = np.degrees(np.arcsin(np.clip(upper[1], -1, 1)) - np.arcsin(np.clip(upper_axis[1], -1, 1)))
    clavicle = turn_about([0, 0, 1], sign * (0.22 if lift > 0 else 0.1) * lift)
    hinge_rest, hinge = unit(np.cross(upper_axis, fore_axis)), np.cross(upper, fore)
    swing = swing_between(upper_axis, upper)
    twist = 0.0
    if np.linalg.norm(hinge) > 0.05:
        twist = float(np.clip(twist_between(upper, swing @ hinge_rest, hinge), -85, 85))
    bend_rest = np.degrees(np.arccos(np.clip(upper_axis @ fore_axis, -1, 1)))
    bend = min(np.degrees(np.arccos(np.clip(upper @ fore, -1, 1))), 140.0)
    turns[f"clavicle.{side}"] = clavicle
    turns[f"upperarm01.{side}"] = clavicle.T @ swing @ turn_about(upper_axis, 0.4 * twist)
    turns[f"upperarm02.{side}"] = turn_about(upper_axis, 0.6 * twist)
    flex = turn_about(hinge_rest, bend - bend_rest)
    turns[f"lowerarm01.{side}"] = flex
    world = swing @ turn_about(upper_axis, twist) @ flex
    palm_rest, across = rig.palm(side)
    roll = rng.normal(0, 15)
    if goal.palm is not None:
        palm = rig.outward(side, goal.palm)
        roll = 0.85 * twist_between(world @ fore_axis, world @ palm_rest, palm) + rng.normal(0, 8)
    roll = float(np.clip(roll, -80, 80))
    turns[f"lowerarm02.{side}"] = turn_about(fore_axis, 0.65 * roll)
    turns[f"wrist.{side}"] = (
        turn_about(fore_axis, 0.35 * roll)
        @ turn_about(across, rng.normal(0, 9))
        @ turn_about(palm_rest, rng.normal(0, 6))
    )
    return turns | _pose_fingers(rig, side, goal.curl, rng)


def _pose_fingers(rig: Rig, side: str, curled: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Turns of a hand's fingers, each bent by about `curled` [deg]."""
    sign, turns = SIDES[side], {}
    palm, across = rig.palm(side)
    for finger in (2, 3, 4, 5):
        curl = curled * (0.75 + 0.08 * finger) + rng.normal(0, 5)
        spread = turn_about(palm, rng.normal(0, 2))
        for joint, part in ((1, 0.8), (2, 1.0), (3, 0.6)):
            turn = turn_about(across, sign * max(curl * part, -5))
            turns[f"finger{finger}-{joint}.{side}"] = turn @ spread if joint == 1 else turn
    along = unit(rig.head(f"finger1-3.{side}") - rig.head(f"finger1-1.{side}"))
    thumb = unit(np.cross(along, palm))
    for joint in (2, 3):
        turns[f"finger1-{joint}.{side}"] = turn_about(thumb, rng.uniform(-5, 12) + 0.25 * curled)
    return turns
