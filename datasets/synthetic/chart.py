"""Where points of the rest body lie: x, y, z, which limb, how far along it. Garments, fabrics and skin use this."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from datasets.synthetic.body import BodyModel, RestBody

COLUMNS = ("x", "y", "z", "arm", "arm_along", "leg", "leg_along", "head", "hand", "foot")
ARM_BONES = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")


@dataclass(frozen=True)
class Landmarks:
    """Rest-pose places and sizes of one body."""

    unit: float  # height / 1.7 m: garment sizes are given for a 1.7 m person and scale with it
    neck: np.ndarray  # (3,) base of the neck
    hip: np.ndarray  # (3,) middle of the hip joints
    crotch_y: float
    shoulder: np.ndarray  # (3,) left shoulder joint; the right one mirrors it
    arm_length: float  # shoulder to wrist [m]
    leg_length: float  # hip to ankle [m]
    eye: np.ndarray  # (3,) left eye ball's centre
    face: dict[str, np.ndarray]  # nose, left_eye, right_eye, left_ear, right_ear on the skin
    top_y: float
    floor_y: float


class Chart:
    """Rows of COLUMNS: rest position, and for each limb how much and how far along it a point is.

    `arm`, `leg`, `head`, `hand`, `foot` are in [0, 1] by skinning weight; `arm_along` runs 0 at the
    shoulder to 1 at the wrist, `leg_along` 0 at the hip to 1 at the ankle, both by length and unbounded.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __getattr__(self, name: str) -> np.ndarray:
        if name in COLUMNS:
            return self.rows[:, COLUMNS.index(name)]
        raise AttributeError(name)

    @property
    def position(self) -> np.ndarray:
        """(N, 3) rest position [m]."""
        return self.rows[:, :3]


def _along(points: np.ndarray, start: np.ndarray, middle: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Arc length along a two-bone limb, 0 at its start and 1 at its end."""
    first, second = middle - start, end - middle
    a, b = np.linalg.norm(first), np.linalg.norm(second)
    on_first, on_second = (points - start) @ first / a, (points - middle) @ second / b
    return np.where(on_second > 0, a + on_second, np.minimum(on_first, a)) / (a + b)


def chart_body(model: BodyModel, rest: RestBody) -> tuple[Chart, Landmarks]:
    """Chart every vertex of a body."""

    def head(bone: str) -> np.ndarray:
        return rest.heads[model.bones[bone]]

    body = rest.vertices[np.unique(model.faces["body"])]
    along = {}
    for limb, bones in (("arm", ("upperarm01", "lowerarm01", "wrist")), ("leg", ("upperleg01", "lowerleg01", "foot"))):
        left, right = (_along(rest.vertices, *(head(f"{bone}.{side}") for bone in bones)) for side in "LR")
        along[limb] = np.where(rest.vertices[:, 0] > 0, left, right)
    rows = np.column_stack(
        [
            rest.vertices,
            model.bone_weight(*ARM_BONES),
            along["arm"],
            model.bone_weight("upperleg", "lowerleg", "foot", "toe"),
            along["leg"],
            model.bone_weight("head", "neck03"),
            model.bone_weight("wrist", "finger", "metacarpal"),
            model.bone_weight("foot", "toe"),
        ]
    )
    height = float(np.ptp(body[:, 1]))
    keypoints = model.regressor @ rest.vertices
    names = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    middle = body[(np.abs(body[:, 0]) < 0.012 * height) & (body[:, 1] < head("spine05")[1])]

    def length(*bones: str) -> float:
        starts = [head(f"{bone}.L") for bone in bones]
        return float(sum(np.linalg.norm(b - a) for a, b in pairwise(starts)))

    landmarks = Landmarks(
        unit=height / 1.7,
        neck=head("neck01"),
        hip=(head("upperleg01.L") + head("upperleg01.R")) / 2,
        crotch_y=float(middle[:, 1].min()),
        shoulder=head("upperarm01.L"),
        arm_length=length("upperarm01", "lowerarm01", "wrist"),
        leg_length=length("upperleg01", "lowerleg01", "foot"),
        eye=head("eye.L"),
        face=dict(zip(names, keypoints[:5], strict=True)),
        top_y=float(body[:, 1].max()),
        floor_y=float(body[:, 1].min()),
    )
    return Chart(rows), landmarks
