"""Standing poses: where arms, hands, legs and head go, as turns of the rig's bones."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.arms import arm_goal, pose_arm
from datasets.synthetic.body import BodyModel, PosedBody, RestBody
from datasets.synthetic.chart import ARM_BONES
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.gestures import PAIRS, Gesture
from datasets.synthetic.legs import pose_legs
from datasets.synthetic.rig import SIDES, Rig, turn_about

ARM_CLEARANCE = 0.022
"""[m] Air that the forearms and hands keep from trunk and thighs, and so room for sleeves."""
HAND_CLEARANCE = 0.004
"""[m] Air between a hand and the other arm."""
IN_FRONT = 0.02
"""[m] The left arm of a pair starts this far before the right one."""


def sample_pose(
    rig: Rig, gesture: Gesture, rng: np.random.Generator, opened: dict[str, float]
) -> dict[str, np.ndarray]:
    """A random standing pose.

    Args:
        gesture: what the arms do.
        opened: "L" and "R" -> how far to move that arm away from where the pose would have it [m].

    Returns:
        Bone -> rotation for BodyModel.pose. The same `rng` state gives the same pose whatever `opened` is.
    """
    n = rng.normal
    hips = turn_about([0, 0, 1], n(0, 2.0)) @ turn_about([1, 0, 0], n(0, 1.5))
    turns = {"root": hips} | pose_legs(rig, rng, hips)
    trunk_yaw, lean, side_lean = n(0, 8), n(1, 3), n(0, 2.5)
    for bone in ("spine04", "spine03", "spine02"):
        turns[bone] = _tilted(trunk_yaw / 3, lean / 3, side_lean / 3)
    turns["spine05"] = hips.T
    arm_seeds = rng.integers(2**63, size=2)
    if gesture.arms["L"] in PAIRS:  # what two hands do together they do at one height
        arm_seeds[1] = arm_seeds[0]
    for side, seed in zip(SIDES, arm_seeds, strict=True):
        arm_rng = np.random.default_rng(seed)
        kind = gesture.arms[side]
        before = IN_FRONT if kind in ("clasped", "crossed") and side == "L" else 0.0
        goal = arm_goal(kind, arm_rng, rig, side, opened[side] + before)
        turns |= pose_arm(rig, side, goal, arm_rng)
    turn, nod, tilt = n(0, 14), n(2, 6), n(0, 4)
    for bone, part in (("neck02", 0.4), ("head", 0.6)):
        turns[bone] = _tilted(part * turn, part * nod, part * tilt)
    turns["eye.L"] = turns["eye.R"] = _tilted(n(0, 6), n(0, 3), 0.0)
    return turns


def _tilted(yaw: float, nod: float, tilt: float) -> np.ndarray:
    """A turn about Y, then X, then Z [deg]."""
    return turn_about([0, 1, 0], yaw) @ turn_about([1, 0, 0], nod) @ turn_about([0, 0, 1], tilt)


def pose_clear(model: BodyModel, rest: RestBody, gesture: Gesture, seed: int) -> PosedBody:
    """A random pose whose arms are moved aside until they are outside trunk, legs and each other."""
    rig = Rig(model, rest)
    opened = {"L": 0.0, "R": 0.0}
    for _ in range(6):
        posed = model.pose(rest, sample_pose(rig, gesture, np.random.default_rng(seed), opened))
        deepest = {side: _depth(model, posed, gesture, side) for side in "LR"}
        for side in "LR":
            opened[side] += 1.2 * deepest[side]
        if max(deepest.values()) < 0.004:
            break
    return posed


def _depth(model: BodyModel, posed: PosedBody, gesture: Gesture, side: str) -> float:
    """How far an arm is too deep in the trunk, or the left one in the right one [m]."""
    faces = model.faces["body"]
    bones = ("lowerarm",) if gesture.arms[side] == "pocket" else ("lowerarm", "wrist", "finger", "metacarpal")
    used = np.zeros(len(model.template), bool)
    used[np.unique(faces)] = True
    points = posed.vertices[used & (model.bone_weight(*bones, side=side) > 0.8)][::4]
    any_arm = model.bone_weight("clavicle", "shoulder", *ARM_BONES)
    deep = _inside(points, posed, faces[(any_arm[faces] < 0.35).all(1)], ARM_CLEARANCE)
    if side == "L" and gesture.arms["L"] in PAIRS:
        other = model.bone_weight("lowerarm", "wrist", "finger", "metacarpal", side="R")
        deep = max(deep, _inside(points, posed, faces[(other[faces] > 0.5).all(1)], HAND_CLEARANCE))
    return deep


def _inside(points: np.ndarray, posed: PosedBody, faces: np.ndarray, clearance: float) -> float:
    """How much of the clearance from some faces of the body the deepest point lacks [m]."""
    nearest, normal, _ = Obstacle([(posed.vertices, faces)]).planes(points)
    height = ((points - nearest) * normal).sum(1)
    return float(np.max(np.where(height < clearance, clearance - height, 0)))
