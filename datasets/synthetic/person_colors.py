"""The colors of a synthetic person: what is evaluated where a ray hits skin, eyes, hair, cloth, shoes or things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.fabrics import Fabric, fabric_color, shoe_color, thing_color
from datasets.synthetic.haircut import HairStyle
from datasets.synthetic.pieces import Piece, joined_faces
from datasets.synthetic.skin import Complexion, eye_color, hair_color, skin_color


@dataclass(frozen=True)
class Look:
    """Everything that colors a person."""

    marks: Landmarks
    complexion: Complexion
    hair: HairStyle
    fabrics: dict[str, Fabric]
    shoes: np.ndarray  # (3, 3) upper, sole, laces
    things: dict[str, np.ndarray]  # hat, glasses, bag, what a hand holds -> (2, 3) first and second color


class PersonAppearance:
    """Colors evaluated where rays hit, from what the surface was before the pose: no texture, any resolution.

    Attributes:
        kinds: "skin", "eyes", "hair", a garment, a shoe or a thing, for every part.
        piece: (F,) the part of every face, an index into kinds.
    """

    def __init__(self, parts: list[Piece], look: Look) -> None:
        self.kinds = [part.kind for part in parts]
        self.piece = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
        self._faces = joined_faces(parts)
        self._rows = np.concatenate([np.column_stack([part.rows, part.edge]) for part in parts]).astype(np.float32)
        self._look = look

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        corners = self._faces[faces]
        rows = sum(self._rows[corners[:, k]] * barycentric[:, k : k + 1] for k in range(3))
        color = np.zeros((len(faces), 3), dtype=np.float32)
        part = self.piece[faces]
        for index in np.unique(part):
            here = part == index
            color[here] = self._color(self.kinds[index], Chart(rows[here, :-1]), rows[here, -1])
        return np.clip(color, 0, 1)

    def _color(self, kind: str, chart: Chart, edge: np.ndarray) -> np.ndarray:
        look = self._look
        if kind == "skin":
            return skin_color(look.complexion, look.hair, chart, edge, look.marks)
        if kind == "eyes":
            return eye_color(look.complexion, chart.position, look.marks)
        if kind == "hair":
            return hair_color(look.complexion, look.hair, chart.position, edge, look.marks)
        if kind in look.things:
            return thing_color(look.things[kind], chart, edge, look.marks.unit)
        if kind in look.fabrics:
            return fabric_color(kind, look.fabrics[kind], chart, edge, look.marks)
        return shoe_color(kind, look.shoes, chart, edge, look.marks.unit)
