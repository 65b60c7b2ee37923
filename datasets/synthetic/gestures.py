"""What the two arms of a person do, and what the hands hold."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from datasets.synthetic.fabrics import choose

ARMS = {
    "hang": 0.36, "relaxed_a": 0.13, "wide_a": 0.05, "hip": 0.11, "pocket": 0.14, "front": 0.04, "chest": 0.05,
    "raised": 0.06, "reach": 0.05, "face": 0.04, "behind": 0.03,
}  # fmt: skip
"""What one arm does -> how often. "front": hand before the belly; "reach": forearm forward or to the side."""
PAIRS = {"clasped": 0.11, "crossed": 0.07, "carry": 0.03}
"""What both arms do together -> how often; else each does its own. "carry": a ball between the hands."""
BOTH_ALIKE = 0.6
"""How often the second arm does what the first does."""
HELD = {
    "hang": {"": 0.78, "bag": 0.1, "phone": 0.05, "stick": 0.04, "cup": 0.03},
    "relaxed_a": {"": 0.5, "bag": 0.35, "ball": 0.1, "stick": 0.05},
    "wide_a": {"": 0.6, "bag": 0.15, "stick": 0.15, "ball": 0.1},
    "chest": {"": 0.4, "phone": 0.35, "cup": 0.25},
    "reach": {"": 0.35, "cup": 0.2, "phone": 0.2, "ball": 0.15, "stick": 0.1},
    "face": {"": 0.6, "phone": 0.25, "cup": 0.15},
    "raised": {"": 0.7, "ball": 0.1, "phone": 0.1, "stick": 0.1},
    "front": {"": 0.7, "cup": 0.15, "phone": 0.15},
}
"""What a hand may hold while its arm does something -> how often."""


@dataclass(frozen=True)
class Gesture:
    """The two sides are "L" and "R"."""

    arms: dict[str, str]  # side -> a key of ARMS, or both one key of PAIRS
    held: dict[str, str] = field(default_factory=dict)  # side -> a key of held.OBJECTS; absent: an empty hand

    @property
    def in_pockets(self) -> list[str]:
        """Sides whose hand is in a pocket."""
        return [side for side, arm in self.arms.items() if arm == "pocket"]


def sample_gesture(rng: np.random.Generator) -> Gesture:
    """A random gesture."""
    together = choose(rng, {**PAIRS, "": 1 - sum(PAIRS.values())})
    if together:
        return Gesture({"L": together, "R": together}, {"L": "big_ball"} if together == "carry" else {})
    first = choose(rng, ARMS)
    second = first if rng.random() < BOTH_ALIKE else choose(rng, ARMS)
    arms = dict(zip("LR" if rng.random() < 0.5 else "RL", (first, second), strict=True))
    held = {side: choose(rng, HELD.get(arms[side], {"": 1.0})) for side in "LR"}
    return Gesture(arms, {side: kind for side, kind in held.items() if kind})
