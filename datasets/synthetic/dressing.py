"""From a naked body to its visible surfaces: shoes, draped clothes, collars, and the skin that they leave bare."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.collar import make_collar
from datasets.synthetic.garments import Garment
from datasets.synthetic.gestures import Gesture
from datasets.synthetic.haircut import HairStyle, scalp_field
from datasets.synthetic.hidden import poking, without_faces
from datasets.synthetic.pieces import Piece
from datasets.synthetic.shoes import LOW_SHAFT, ShoeStyle, make_shaft, make_shoe
from datasets.synthetic.surfaces import surface
from datasets.synthetic.wardrobe import drape, with_lining
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

HIDDEN_BELOW = 0.05
"""[m] What lies this far inside the edge of a garment cannot be seen and is left out."""
HIDDEN_BELOW_SKIRT = 0.16
SHRINK = 0.004
"""[m] Skin under cloth steps back this far."""


@dataclass(frozen=True)
class Clothing:
    """What a person wears, and the seeds of its folds."""

    outfit: list[Garment]  # inner layers first
    shoes: ShoeStyle | None  # None: bare feet
    seeds: list[int]  # one for each garment
    hair_seed: int  # of the hairline, which the skin's shade follows
    gesture: Gesture  # cloth goes over hands in pockets


def dress(wearer: Wearer, clothing: Clothing, style: HairStyle) -> tuple[list[Piece], list[Piece]]:
    """Skin, eyes, shoes and clothes without what clothes hide; and the garments' outer surfaces, without collars."""
    outfit, shoes = clothing.outfit, clothing.shoes
    pair = _pair_of_shoes(wearer, shoes) if shoes else []
    draped = _drape_all(wearer, clothing, pair)
    clothes = _finished(wearer, outfit, draped, collars_stand=style.curtain <= 0.3)
    skin = _skin(wearer, outfit)
    hidden = _unseen(skin, outfit, draped, wearer.marks) | _in_shoes(skin, wearer, shoes)
    skin = without_faces(skin, hidden | _through_pockets(skin, wearer, clothing.gesture, draped))
    skin = replace(skin, edge=scalp_field(skin.rows[:, :3], wearer, style, clothing.hair_seed))
    return [skin, _eyes(wearer), *pair, *clothes], draped


def _pair_of_shoes(wearer: Wearer, shoes: ShoeStyle) -> list[Piece]:
    pair = [make_shoe(shoes, side, wearer) for side in "LR"]
    shaft = make_shaft(shoes, wearer) if shoes.shaft > LOW_SHAFT else None
    return [*pair, shaft] if shaft else pair


def _drape_all(wearer: Wearer, clothing: Clothing, shoes: list[Piece]) -> list[Piece]:
    """The open outer surface of every garment, each hung on the body and on what is below it."""
    body = wearer.posed.vertices, _in_the_way(wearer, clothing.gesture)
    below = [body] + [(part.points, part.faces) for part in shoes]
    draped: list[Piece] = []
    for garment, seed in zip(clothing.outfit, clothing.seeds, strict=True):
        part = drape(garment, wearer, Obstacle(below), seed)
        draped.append(part)
        below.append((part.points, part.faces))
    return draped


def _in_the_way(wearer: Wearer, gesture: Gesture) -> np.ndarray:
    """(F, 3) the body's faces that cloth lies on: of a hand in a pocket only its back, so that cloth goes over it."""
    faces = wearer.model.faces["body"]
    normals = Mesh(wearer.posed.vertices, faces).face_normals()
    dropped = np.zeros(len(faces), bool)
    for side in gesture.in_pockets:
        hand = wearer.model.bone_weight("wrist", "finger", "metacarpal", side=side)
        outward = normals[:, 0] * (1 if side == "L" else -1)
        dropped |= (hand[faces] > 0.5).all(1) & (outward < 0.2)
    return faces[~dropped]


def _finished(wearer: Wearer, outfit: list[Garment], draped: list[Piece], collars_stand: bool) -> list[Piece]:
    """The garments with linings and collars, without what outer ones hide."""
    model, posed, unit = wearer.model, wearer.posed, wearer.unit
    neck = posed.heads[model.bones["head"]] - posed.heads[model.bones["neck01"]]
    neck = neck / np.linalg.norm(neck)
    clothes = []
    for k, (garment, part) in enumerate(zip(outfit, draped, strict=True)):
        dropped = _unseen(part, outfit[k + 1 :], draped[k + 1 :], wearer.marks)
        clothes.append(with_lining(part, garment.material.thickness * unit, dropped))
        # Long hair would hang through a collar that stands or folds.
        sewn = garment.collar if collars_stand or not garment.collar else "rib"
        collar = make_collar(part, sewn, wearer.marks, neck) if sewn else None
        if collar is not None:
            clothes.append(with_lining(collar, 0.002 * unit, np.zeros(len(collar.faces), bool)))
    return clothes


def _through_pockets(skin: Piece, wearer: Wearer, gesture: Gesture, draped: list[Piece]) -> np.ndarray:
    """(F,) bool: fingers that should be in a pocket and come through it."""
    if not gesture.in_pockets:
        return np.zeros(len(skin.faces), bool)
    fingers = np.max([wearer.model.bone_weight("finger", side=side) for side in gesture.in_pockets], axis=0)
    return poking(skin, surface("body").weights @ fingers > 0.5, draped)


def _unseen(part: Piece, outfit: list[Garment], draped: list[Piece], marks: Landmarks) -> np.ndarray:
    """(F,) bool: faces deep under outer garments, or come through them."""
    chart = Chart(part.rows)
    deep, under = np.zeros(len(part.points), bool), np.zeros(len(part.points), bool)
    for garment in outfit:
        depth = garment.covers(chart) / marks.unit
        deep |= depth > (HIDDEN_BELOW_SKIRT if garment.mesh == "skirt" else HIDDEN_BELOW)
        under |= depth > 0.003
    dropped = deep[part.faces].all(1)
    return dropped | poking(part, under & ~deep, draped)


def _in_shoes(skin: Piece, wearer: Wearer, shoes: ShoeStyle | None) -> np.ndarray:
    """(F,) bool: skin inside shoes."""
    if shoes is None:
        return np.zeros(len(skin.faces), bool)
    chart, ankle = Chart(skin.rows), wearer.rest.heads[wearer.model.bones["foot.L"]][1]
    inside = (chart.foot + chart.leg > 0.8) & (chart.y < ankle + (shoes.shaft - 0.02) * wearer.unit)
    return inside[skin.faces].all(1)


def _skin(wearer: Wearer, outfit: list[Garment]) -> Piece:
    """The body, a little slimmer under cloth."""
    body, unit = surface("body"), wearer.unit
    rows = wearer.rows(body)
    cover = np.max([garment.covers(Chart(rows)) for garment in outfit], axis=0)
    points = wearer.at_rest(body)
    normals = Mesh(points, body.faces).vertex_normals()
    step_back = SHRINK * unit * np.clip(cover / (0.02 * unit), 0, 1)
    points = wearer.skinned(body, points - normals * step_back[:, None])
    return Piece("skin", points, body.faces, rows, np.zeros(len(rows)))


def _eyes(wearer: Wearer) -> Piece:
    eyes = surface("eyes")
    points = wearer.skinned(eyes, wearer.at_rest(eyes))
    return Piece("eyes", points, eyes.faces, wearer.rows(eyes), np.zeros(len(points)))
