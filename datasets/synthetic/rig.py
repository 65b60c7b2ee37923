"""The rig at rest, and turns between directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from datasets.synthetic.body import BodyModel, RestBody

SIDES = {"L": 1.0, "R": -1.0}
"""Of the body -> the sign of its X."""


def turn_about(axis: np.ndarray | Sequence[float], degrees: float) -> np.ndarray:
    """(3, 3) rotation about an axis of any length."""
    axis = np.asarray(axis, dtype=np.float64)
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.radians(degrees)).as_matrix()


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector with length 1."""
    return vector / np.linalg.norm(vector)


def swing_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes one direction to another."""
    start, end = unit(start), unit(end)
    axis = np.cross(start, end)
    if np.linalg.norm(axis) < 1e-9:
        return np.eye(3)
    return turn_about(axis, np.degrees(np.arctan2(np.linalg.norm(axis), start @ end)))


def twist_between(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Degrees about `axis` that bring `start` closest to `end`."""
    start, end = start - axis * (start @ axis), end - axis * (end @ axis)
    return float(np.degrees(np.arctan2(np.cross(start, end) @ axis, start @ end)))


class Rig:
    """A rest body with its bones by name."""

    def __init__(self, model: BodyModel, rest: RestBody) -> None:
        self.model, self.rest = model, rest

    def head(self, bone: str) -> np.ndarray:
        """(3,) where a bone starts in the rest pose [m]."""
        return self.rest.heads[self.model.bones[bone]]

    @staticmethod
    def outward(side: str, vector: np.ndarray) -> np.ndarray:
        """A vector seen from a side, where +x is outward; its own inverse."""
        return np.asarray(vector) * ([1, 1, 1] if side == "L" else [-1, 1, 1])

    def arm_lengths(self, side: str) -> tuple[float, float]:
        """Upper arm and forearm of a side [m]."""
        a, b, c = (self.head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
        return float(np.linalg.norm(b - a)), float(np.linalg.norm(c - b))

    def palm(self, side: str) -> tuple[np.ndarray, np.ndarray]:
        """The direction that a palm faces, and the one from its forefinger to its little finger."""
        wrist = self.head(f"wrist.{side}")
        first, last = (self.head(f"finger{k}-1.{side}") for k in (2, 5))
        facing = np.cross(last - wrist, first - wrist) * SIDES[side]
        return unit(facing), unit(last - first)

    def belly(self) -> tuple[np.ndarray, np.ndarray]:
        """Middle of the trunk at navel height, and the foremost skin there."""
        middle = 0.6 * self.head("spine05") + 0.4 * self.head("spine01")
        skin = self.rest.vertices
        near = skin[(np.abs(skin[:, 1] - middle[1]) < 0.15) & (np.abs(skin[:, 0]) < 0.1)]
        return middle, near[near[:, 2].argmax()]
