"""The body that shoes, clothes and hair hang on: one figure at rest, in its pose, and charted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.body import BodyModel, PosedBody, RestBody
from datasets.synthetic.chart import Chart, Landmarks, chart_body
from datasets.synthetic.mesh_editing import Patch


@dataclass(frozen=True)
class Wearer:
    """One body in one pose, and how points that hang on it move along."""

    model: BodyModel
    rest: RestBody
    posed: PosedBody
    chart: Chart  # of the model's vertices
    marks: Landmarks

    @classmethod
    def of(cls, model: BodyModel, rest: RestBody, posed: PosedBody) -> Wearer:
        """Chart a body."""
        return cls(model, rest, posed, *chart_body(model, rest))

    @property
    def unit(self) -> float:
        """Height / 1.7 m: what sizes of a 1.7 m person are multiplied by."""
        return self.marks.unit

    def at_rest(self, patch: Patch) -> np.ndarray:
        """(N, 3) points of a patch in the rest pose [m]."""
        return patch.weights @ self.rest.vertices

    def rows(self, patch: Patch) -> np.ndarray:
        """(N, C) chart rows of a patch's points."""
        return patch.weights @ self.chart.rows

    def skinned(self, patch: Patch, points: np.ndarray) -> np.ndarray:
        """Pose points (N, 3) that hang on the patch's points, each moved from the rest pose like the skin below it."""
        maps = (patch.weights @ self.posed.skinning.reshape(-1, 12)).reshape(-1, 3, 4)
        return np.einsum("nab,nb->na", maps[:, :, :3], points) + maps[:, :, 3]

    def carried(self, bone: str, points: np.ndarray) -> np.ndarray:
        """Pose rest-pose points (N, 3) that move with one bone, like a shoe with its foot."""
        index = self.model.bones[bone]
        return (points - self.rest.heads[index]) @ self.posed.rotations[index].T + self.posed.heads[index]

    def bare_rows(self, points: np.ndarray) -> np.ndarray:
        """(N, C) chart rows that know the points' rest position (N, 3) alone, and belong to no limb."""
        rows = np.zeros((len(points), self.chart.rows.shape[1]))
        rows[:, :3] = points
        return rows

    def head_of(self, bone: str) -> np.ndarray:
        """(3,) where a bone starts in the pose [m]."""
        return self.posed.heads[self.model.bones[bone]]

    def turned(self, bone: str, direction: np.ndarray) -> np.ndarray:
        """(3,) a direction of the rest pose as a bone has turned it."""
        return direction @ self.posed.rotations[self.model.bones[bone]].T

    @property
    def without_hands(self) -> tuple[np.ndarray, np.ndarray]:
        """The posed body's points (V, 3) and its faces (F, 3) without the hands."""
        faces = self.model.faces["body"]
        return self.posed.vertices, faces[(self.chart.hand[faces] < 0.5).any(1)]
