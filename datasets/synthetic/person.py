"""One seed, one person: body, pose, clothes, shoes, hair, colors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.rendering.scan import Scan
from datasets.synthetic.body import BodyModel, PosedBody, RestBody, load_body_model, sample_figure
from datasets.synthetic.chart import Chart, Landmarks, chart_body
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.collar import make_collar
from datasets.synthetic.fabrics import Fabric, fabric_color, sample_color, sample_fabric, shoe_color
from datasets.synthetic.garments import Garment, sample_outfit
from datasets.synthetic.hair import HairStyle, make_hair, sample_hair, scalp_field
from datasets.synthetic.hidden import poking, without_faces
from datasets.synthetic.poses import sample_pose
from datasets.synthetic.shoes import LOW_SHAFT, ShoeStyle, make_shaft, make_shoe, sample_shoes
from datasets.synthetic.skin import Complexion, eye_color, hair_color, sample_complexion, skin_color
from datasets.synthetic.surfaces import skinned, surface
from datasets.synthetic.wardrobe import Piece, drape, with_lining
from geometry.mesh import Mesh

HIDDEN_BELOW = 0.05
"""[m] What lies this far inside the edge of a garment cannot be seen and is left out."""
HIDDEN_BELOW_SKIRT = 0.16
SHRINK = 0.004
"""[m] Skin under cloth steps back this far."""
HAIR_OVER_CLOTH = 0.004
"""[m] Long hair lies this far above the clothes."""
ARM_CLEARANCE = 0.022
"""[m] Air that the forearms and hands keep from trunk and thighs."""


@dataclass(frozen=True)
class Look:
    """Everything that colors a person."""

    marks: Landmarks
    complexion: Complexion
    hair: HairStyle
    fabrics: dict[str, Fabric]
    shoes: np.ndarray  # (3, 3) upper, sole, laces


class PersonAppearance:
    """Colors evaluated where rays hit, from what the surface was before the pose: no texture, any resolution.

    Attributes:
        kinds: "skin", "eyes", "hair", a garment or a shoe, for every part.
        piece: (F,) the part of every face, an index into kinds.
    """

    def __init__(self, parts: list[Piece], look: Look) -> None:
        self.kinds = [part.kind for part in parts]
        self.piece = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
        offsets = np.cumsum([0] + [len(part.points) for part in parts])
        self._faces = np.concatenate([part.faces + k for part, k in zip(parts, offsets[:-1], strict=True)])
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
        if kind in look.fabrics:
            return fabric_color(kind, look.fabrics[kind], chart, edge, look.marks)
        return shoe_color(kind, look.shoes, chart, edge, look.marks.unit)


def make_person(seed: int) -> Scan:
    """The clothed person of a seed: a pure function, the same bits every time.

    Returns:
        A scan in metres with its 31 joints, about 200k faces, facing +Z.
    """
    model = load_body_model()
    rng_body, rng_pose, rng_clothes, rng_look = (np.random.default_rng((seed, k)) for k in range(4))
    figure = sample_figure(model, rng_body)
    feminine = figure.phenotypes["gender"] > 0.5
    rest = model.rest(figure)
    posed = _pose_clear(model, rest, int(rng_pose.integers(2**63)))
    chart, marks = chart_body(model, rest)
    outfit = sample_outfit(marks, rng_clothes, feminine)
    shoes = sample_shoes(rng_clothes)
    style = sample_hair(rng_look, feminine, figure.years)
    complexion = sample_complexion(figure, rng_look, style.beard > 0)
    fabrics = {garment.kind: sample_fabric(garment.kind, garment.collar, rng_look) for garment in outfit}
    kinds = [garment.kind for garment in outfit]
    if feminine and kinds[1:2] == ["skirt"] and rng_look.random() < 0.6:
        fabrics[kinds[0]] = fabrics["skirt"]  # tucked and of one fabric: a dress
    shoe_colors = np.stack([sample_color("shoe", rng_look) for _ in range(3)])
    seeds = [int(value) for value in rng_clothes.integers(2**31, size=4)]

    parts, clothes = _dress(model, rest, posed, chart, marks, outfit, shoes, style, seeds)
    for hair in make_hair(style, model, rest, posed, marks, chart.rows, seeds[3]):
        parts.append(replace(hair, points=clothes.push_out(hair.points, HAIR_OVER_CLOTH * marks.unit)))
    look = Look(marks, complexion, style, fabrics, shoe_colors)
    return _scan(f"synthetic_{seed:06d}", parts, look, posed)


def _scan(name: str, parts: list[Piece], look: Look, posed: PosedBody) -> Scan:
    offsets = np.cumsum([0] + [len(part.points) for part in parts])
    faces = np.concatenate([part.faces + k for part, k in zip(parts, offsets[:-1], strict=True)])
    return Scan(
        name=name,
        mesh=Mesh(np.concatenate([part.points for part in parts]), faces),
        appearance=PersonAppearance(parts, look),
        joints=posed.joints,
        joints_present=np.ones(31, dtype=bool),
    )


def _pose_clear(model: BodyModel, rest: RestBody, seed: int) -> PosedBody:
    """A random pose whose arms are moved aside until they are outside trunk and legs."""
    opened = {"L": 0.0, "R": 0.0}
    faces = model.faces["body"]
    arm = {side: model.bone_weight("lowerarm", "wrist", "finger", "metacarpal", side=side) for side in "LR"}
    any_arm = model.bone_weight("clavicle", "shoulder", "upperarm", "lowerarm", "wrist", "finger", "metacarpal")
    trunk = faces[(any_arm[faces] < 0.35).all(1)]
    used = np.zeros(len(model.template), bool)
    used[np.unique(faces)] = True
    for _ in range(6):
        posed = model.pose(rest, sample_pose(model, rest, np.random.default_rng(seed), opened))
        obstacle = Obstacle([(posed.vertices, trunk)])
        deepest = {}
        for side in "LR":
            points = posed.vertices[used & (arm[side] > 0.8)][::4]
            nearest, normal, _ = obstacle.planes(points)
            height = ((points - nearest) * normal).sum(1)
            deepest[side] = float(np.max(np.where(height < ARM_CLEARANCE, ARM_CLEARANCE - height, 0)))
            opened[side] += 1.2 * deepest[side]
        if max(deepest.values()) < 0.004:
            break
    return posed


def _dress(
    model: BodyModel,
    rest: RestBody,
    posed: PosedBody,
    chart: Chart,
    marks: Landmarks,
    outfit: list[Garment],
    shoes: ShoeStyle | None,
    style: HairStyle,
    seeds: list[int],
) -> tuple[list[Piece], Obstacle]:
    """Skin, eyes, shoes and clothes without what clothes hide; and the clothes' outer surfaces, without collars."""
    pair = [make_shoe(shoes, side, model, rest, posed, chart, marks) for side in "LR"] if shoes else []
    if shoes and shoes.shaft > LOW_SHAFT:
        shaft = make_shaft(shoes, rest, posed, chart, marks)
        if shaft:
            pair.append(shaft)
    below = [(posed.vertices, model.faces["body"])] + [(part.points, part.faces) for part in pair]
    draped: list[Piece] = []
    for garment, seed in zip(outfit, seeds, strict=False):
        part = drape(garment, chart.rows, marks, rest.vertices, posed.skinning, Obstacle(below), seed)
        draped.append(part)
        below.append((part.points, part.faces))
    neck = posed.heads[model.bones["head"]] - posed.heads[model.bones["neck01"]]
    neck = neck / np.linalg.norm(neck)
    clothes = []
    for k, (garment, part) in enumerate(zip(outfit, draped, strict=True)):
        dropped = _unseen(part, outfit[k + 1 :], draped[k + 1 :], marks)
        clothes.append(with_lining(part, garment.material.thickness * marks.unit, dropped))
        # Long hair would hang through a collar that stands or folds.
        sewn = "rib" if garment.collar and style.curtain > 0.3 else garment.collar
        collar = make_collar(part, sewn, marks, neck) if sewn else None
        if collar is not None:
            clothes.append(with_lining(collar, 0.002 * marks.unit, np.zeros(len(collar.faces), bool)))
    skin = _skin(rest, posed, chart, marks, outfit)
    skin = without_faces(skin, _unseen(skin, outfit, draped, marks) | _in_shoes(skin, model, rest, marks, shoes))
    skin = replace(skin, edge=scalp_field(skin.rows[:, :3], model, rest, marks, style, seeds[3]))
    return [skin, _eyes(rest, posed, chart), *pair, *clothes], Obstacle([(part.points, part.faces) for part in draped])


def _unseen(part: Piece, outfit: list[Garment], draped: list[Piece], marks: Landmarks) -> np.ndarray:
    """(F,) bool: faces deep under outer garments, or come through them."""
    chart = Chart(part.rows)
    deep, under = np.zeros(len(part.points), bool), np.zeros(len(part.points), bool)
    for garment in outfit:
        depth = garment.covers(chart) / marks.unit
        deep |= depth > (HIDDEN_BELOW_SKIRT if garment.kind == "skirt" else HIDDEN_BELOW)
        under |= depth > 0.003
    dropped = deep[part.faces].all(1)
    return dropped | poking(part, under & ~deep, draped)


def _in_shoes(skin: Piece, model: BodyModel, rest: RestBody, marks: Landmarks, shoes: ShoeStyle | None) -> np.ndarray:
    """(F,) bool: skin inside shoes."""
    if shoes is None:
        return np.zeros(len(skin.faces), bool)
    chart, ankle = Chart(skin.rows), rest.heads[model.bones["foot.L"]][1]
    inside = (chart.foot + chart.leg > 0.8) & (chart.y < ankle + (shoes.shaft - 0.02) * marks.unit)
    return inside[skin.faces].all(1)


def _skin(rest: RestBody, posed: PosedBody, chart: Chart, marks: Landmarks, outfit: list[Garment]) -> Piece:
    """The body, a little slimmer under cloth."""
    body = surface("body")
    rows = body.weights @ chart.rows
    cover = np.max([garment.covers(Chart(rows)) for garment in outfit], axis=0)
    points = body.weights @ rest.vertices
    normals = Mesh(points, body.faces).vertex_normals()
    step_back = SHRINK * marks.unit * np.clip(cover / (0.02 * marks.unit), 0, 1)
    points = skinned(body.weights, posed.skinning, points - normals * step_back[:, None])
    return Piece("skin", points, body.faces, rows, np.zeros(len(rows)))


def _eyes(rest: RestBody, posed: PosedBody, chart: Chart) -> Piece:
    eyes = surface("eyes")
    points = skinned(eyes.weights, posed.skinning, eyes.weights @ rest.vertices)
    return Piece("eyes", points, eyes.faces, eyes.weights @ chart.rows, np.zeros(len(points)))
