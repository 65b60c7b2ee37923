"""Haircuts: which one a person has, and where on its head and face hair grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.chart import Landmarks
from datasets.synthetic.fabrics import choose
from datasets.synthetic.noise import noise
from datasets.synthetic.wearer import Wearer


@dataclass(frozen=True)
class HairStyle:
    """One haircut; lengths in metres for a 1.7 m person."""

    kind: str  # bald, buzz, short, curly, afro, bob, long, bun, ponytail
    volume: float  # thickness of the cap
    nape: float  # how low the hairline runs at the back, in head heights below the eyes
    fringe: float  # how far the hairline comes down at the front, in head heights
    part_side: float  # -1, 0, 1
    curtain: float  # fraction of the long-hair surface that is kept, 0: none
    texture: float  # how coarse its locks are
    temples: float  # how far the hairline recedes there, in head heights
    beard: float  # thickness, 0: none
    forward: str  # sides ("L", "R" or both) of the locks that fall forward over the shoulders
    forward_length: float  # of those locks below the collar bone
    forward_breadth: float  # half their breadth
    crown: float = 0.75  # above this, in head heights above the eyes, the long-hair surface is left out


def sample_hair(rng: np.random.Generator, feminine: bool, years: float) -> HairStyle:
    """A haircut that fits the person."""
    if feminine:
        kinds = {"short": 0.12, "curly": 0.08, "afro": 0.06, "bob": 0.18, "long": 0.32, "bun": 0.12, "ponytail": 0.14}
    else:
        kinds = {"bald": 0.08 if years > 25 else 0.01, "buzz": 0.2, "short": 0.5, "curly": 0.1, "afro": 0.05,
                 "bob": 0.03, "long": 0.02, "bun": 0.02}  # fmt: skip
    kind = choose(rng, kinds)
    volume = {
        "bald": 0.0, "buzz": 0.004, "short": rng.uniform(0.007, 0.026), "curly": rng.uniform(0.022, 0.04),
        "afro": rng.uniform(0.05, 0.09), "bob": rng.uniform(0.016, 0.026), "long": rng.uniform(0.012, 0.022),
        "bun": rng.uniform(0.009, 0.014), "ponytail": rng.uniform(0.009, 0.014),
    }[kind]  # fmt: skip
    curtain = {"bob": rng.uniform(0.24, 0.38), "long": rng.uniform(0.45, 0.9)}.get(kind, 0.0)
    beard = 0.0
    if not feminine and years > 19 and rng.random() < 0.3:
        beard = rng.uniform(0.003, 0.016)
    fringe = (
        rng.uniform(0.0, 0.28) if kind in ("bob", "long", "short") and rng.random() < 0.4 else rng.uniform(-0.05, 0.05)
    )
    forward = choose(rng, {"": 0.35, "L": 0.16, "R": 0.16, "LR": 0.33}) if kind == "long" else ""
    return HairStyle(
        kind=kind,
        volume=float(volume),
        nape=0.78 if kind in ("buzz", "short", "bun", "ponytail") else 1.0,
        fringe=float(fringe),
        part_side=float(rng.choice([-1, 0, 1])),
        curtain=float(curtain),
        texture=float(rng.uniform(0, 1)),
        temples=float(rng.uniform(0.0, 0.9 if years > 30 and not feminine else 0.4)),
        beard=float(beard),
        forward=forward,
        forward_length=float(rng.uniform(0.08, 0.3)),
        forward_breadth=float(rng.uniform(0.022, 0.042)),
    )


class Head:
    """Sizes of one head in the rest pose [m]."""

    def __init__(self, wearer: Wearer) -> None:
        marks, self.unit = wearer.marks, wearer.unit
        body = wearer.rest.vertices[np.unique(wearer.model.faces["body"])]
        upper = body[body[:, 1] > marks.eye[1]]
        self.eye_y, self.top_y = marks.eye[1], marks.top_y
        self.height = marks.top_y - marks.eye[1]
        self.front, self.back = upper[:, 2].max(), upper[:, 2].min()
        self.middle_z = (self.front + self.back) / 2
        self.half_depth = (self.front - self.back) / 2
        self.half_width = upper[:, 0].max()
        self.ear = marks.face["left_ear"]

    def polar(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angle about the vertical (0 front) and height above the eyes in head heights."""
        return np.arctan2(points[:, 0], points[:, 2] - self.middle_z), (points[:, 1] - self.eye_y) / self.height


def locks(points: np.ndarray, head: Head, style: HairStyle, seed: int) -> np.ndarray:
    """(N,) relief of strands at rest-pose points, about unit variance: long along the hair, narrow across."""
    angle, height = head.polar(points)
    if style.kind in ("curly", "afro"):
        scale = 90 if style.kind == "curly" else 160
        return 0.7 * noise(points, scale, seed) + 0.4 * noise(points, 2.2 * scale, seed + 1)
    around = np.stack([np.cos(angle), np.sin(angle), 0.25 * height], 1)
    wide = noise(around, (9, 9, 3), seed)
    fine = noise(around, (30, 30, 4), seed + 1)
    finer = noise(around, (80, 80, 6), seed + 2)
    return (0.3 + 0.5 * style.texture) * wide + 0.45 * fine + 0.25 * finer


def hairline(points: np.ndarray, head: Head, style: HairStyle, seed: int) -> np.ndarray:
    """(N,) field at rest-pose points, positive where hair grows, in head heights."""
    unit = head.unit
    _, height = head.polar(points)
    depth = -(points[:, 2] - head.middle_z) / head.half_depth  # -1 forehead, 1 back of the head
    forehead = 0.60 - style.fringe
    line = np.interp(
        depth, [-1.05, -0.62, -0.3, -0.05, 0.12, 0.45, 1.05],
        [forehead, forehead - 0.05, 0.22, -0.12, -0.22, -0.55, -style.nape],
    )  # fmt: skip
    ear = head.ear
    around_ear = np.hypot(
        (points[:, 1] - ear[1]) / (0.040 * unit), (points[:, 2] - ear[2] + 0.008 * unit) / (0.026 * unit)
    )
    beside = np.abs(points[:, 0]) > 0.6 * head.half_width
    bare_ear = np.where(beside, 0.4 * (around_ear - 1), 1.0)
    temples = 0.9 * style.temples * np.clip(np.abs(points[:, 0]) / head.half_width - 0.35, 0, 0.3) * (depth < -0.2)
    field = (
        height
        - line
        - temples
        + 0.035 * noise(points / unit, 45.0, seed)
        + 0.025 * noise(points / unit, 140.0, seed + 1)
    )
    return np.minimum(field, bare_ear)


def scalp_field(points: np.ndarray, wearer: Wearer, style: HairStyle, seed: int) -> np.ndarray:
    """(N,) positive where head hair grows, for rest-pose points of the skin."""
    if style.kind == "bald":
        return np.full(len(points), -1.0)
    return hairline(points, Head(wearer), style, seed + 5)


def beard_field(points: np.ndarray, marks: Landmarks) -> np.ndarray:
    """(N,) field at rest-pose points, positive where a beard grows; about 1 well inside it."""
    nose, ear = marks.face["nose"], marks.face["left_ear"]
    size = nose[2] - ear[2]
    height = (points[:, 1] - nose[1]) / size
    depth = (points[:, 2] - ear[2]) / size
    side = np.abs(points[:, 0]) / size
    top = np.interp(depth, [0.0, 0.25, 0.7, 1.0], [0.15, -0.18, -0.42, -0.12])
    lips = 1 - np.hypot(side / 0.30, (height + 0.36) / 0.13)
    moustache = 1 - np.hypot(side / 0.34, (height + 0.215) / 0.075)
    jaw = np.minimum((top - height) * 3, (depth - 0.12) * 4)
    return np.minimum(np.maximum(np.minimum(jaw, -3 * lips), moustache * (depth > 0.5)), (height + 1.15) * 4)
