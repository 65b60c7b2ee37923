"""A standing person of 31 joints, for tests of what is done with joints."""

from collections.abc import Iterable

import numpy as np

from geometry.keypoints import INDEX, JOINTS, Keypoints

# A person who faces the camera on a 2048 px canvas, torso 460 px, arms a little away from the body.
HALF = {
    "eye": (36, 305), "ear": (76, 335), "shoulder": (143, 540), "elbow": (200, 800), "wrist": (240, 1030),
    "hip": (95, 1000), "knee": (105, 1380), "ankle": (110, 1720), "big_toe": (135, 1815), "little_toe": (165, 1795),
    "heel": (105, 1750), "finger_2": (235, 1130), "finger_3": (248, 1138), "finger_4": (260, 1132),
    "finger_5": (270, 1120),
}  # fmt: skip
TORSO = 460.0


def person() -> np.ndarray:
    """(31, 2) joints; the person's left is at the right of the picture."""
    places = {"nose": (0, 335)}
    for joint, (x, y) in HALF.items():
        places[f"left_{joint}"], places[f"right_{joint}"] = (x, y), (-x, y)
    return np.array([places[name] for name in JOINTS], dtype=np.float64) + [1024, 0]


def keypoints(xy: np.ndarray, missing: tuple[str, ...] = ()) -> Keypoints:
    score = np.full(31, 0.9)
    score[[INDEX[name] for name in missing]] = 0.0
    return Keypoints.from_scores(xy, score, "test")


def swapped(names: Iterable[str]) -> tuple[str, ...]:
    """The same joints of the other side."""
    swap = {"left": "right", "right": "left"}
    return tuple(swap.get(n.split("_")[0], "") + n[n.index("_") :] if "_" in n else n for n in names)
