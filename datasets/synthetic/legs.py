"""Standing and stepping."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.rig import SIDES, Rig, swing_between, turn_about, unit

STANCES = {"even": 0.42, "shifted": 0.34, "wide": 0.08, "step": 0.16}
GENTLE = 0.7
"""How many of those who step step like a person who stands: the others walk."""


def pose_legs(rig: Rig, rng: np.random.Generator, hips: np.ndarray) -> dict[str, np.ndarray]:
    """Turns with which the person stands on flat feet, or steps. `hips` is the turn of the root."""
    turns = {}
    stance = rng.choice(list(STANCES), p=list(STANCES.values()))
    forward = rng.choice(["L", "R"])
    stride = rng.uniform(3, 12) if rng.random() < GENTLE else rng.uniform(12, 24)
    for side, sign in SIDES.items():
        n = rng.normal
        thigh, knee, ankle = (rig.head(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01", "foot"))
        aside = {"even": n(1.8, 1.3), "shifted": n(3.0, 2.0), "wide": rng.uniform(6, 11), "step": n(1.0, 1.0)}[stance]
        ahead, bend, lift = n(0, 1.5), abs(n(0, 2.5)), 0.0
        if stance == "shifted" and side == forward:
            ahead, bend = rng.uniform(2, 14), rng.uniform(6, 26)
        if stance == "step":
            ahead = stride * (0.9 if side == forward else -0.8)
            bend = rng.uniform(0, 10) if side == forward else rng.uniform(0.3, 1.3) * stride
            lift = 0.0 if side == forward else rng.uniform(0.3, 0.9) * min(stride / 12, 1)
        down = np.array([sign * np.tan(np.radians(aside)), -1.0, np.tan(np.radians(ahead + 0.5 * bend))])
        yaw = sign * n(8, 6)
        world = turn_about([0, 1, 0], yaw * 0.7) @ swing_between(knee - thigh, down)
        turns[f"upperleg01.{side}"] = hips.T @ world
        shin = unit(ankle - knee)
        hinge = np.array([1.0, 0, 0])
        shin_turn = turn_about(hinge, bend) @ swing_between(shin, unit(np.array([shin[0] * 0.4, shin[1], shin[2]])))
        turns[f"lowerleg01.{side}"] = shin_turn
        tiptoe = 32 * lift
        foot = turn_about([0, 1, 0], yaw) @ turn_about(
            [1, 0, 0], tiptoe - (min(6, 0.5 * stride) * (stance == "step") if side == forward else 0)
        )
        turns[f"foot.{side}"] = (world @ shin_turn).T @ foot
        for toe in range(1, 6):
            turns[f"toe{toe}-1.{side}"] = turn_about([1, 0, 0], -0.8 * tiptoe)
    return turns
