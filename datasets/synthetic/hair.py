"""Hair: a cap grown from the scalp, a curtain, a bun or a tail, and beards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.body import BodyModel, PosedBody, RestBody
from datasets.synthetic.chart import Landmarks
from datasets.synthetic.fabrics import choose
from datasets.synthetic.mesh_editing import clip_where_negative, neighbour_mean, smooth
from datasets.synthetic.noise import noise
from datasets.synthetic.shoes import ball
from datasets.synthetic.surfaces import skinned, surface
from datasets.synthetic.wardrobe import Piece
from geometry.mesh import Mesh


@dataclass(frozen=True)
class HairStyle:
    """One haircut; lengths in metres for a 1.7 m person."""

    kind: str  # bald, buzz, short, curly, afro, bob, long, bun, ponytail
    volume: float  # thickness of the cap
    nape: float  # how low the hairline runs at the back, in head heights below the eyes
    fringe: float  # how far the hairline comes down at the front, in head heights
    part_side: float  # -1, 0, 1
    curtain: float  # share of the long-hair surface kept, 0: none
    texture: float  # how coarse its locks are
    temples: float  # how far the hairline recedes there, in head heights
    beard: float  # thickness, 0: none


def sample_hair(rng: np.random.Generator, feminine: bool, years: float) -> HairStyle:
    """A haircut that fits the person."""
    if feminine:
        kinds = {"short": 0.12, "curly": 0.08, "afro": 0.06, "bob": 0.2, "long": 0.28, "bun": 0.12, "ponytail": 0.14}
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
    return HairStyle(
        kind, float(volume), 0.78 if kind in ("buzz", "short", "bun", "ponytail") else 1.0, float(fringe),
        float(rng.choice([-1, 0, 1])), float(curtain), float(rng.uniform(0, 1)),
        float(rng.uniform(0.0, 0.9 if years > 30 and not feminine else 0.4)), float(beard),
    )  # fmt: skip


class _Head:
    """Sizes of one head in the rest pose."""

    def __init__(self, rest: RestBody, marks: Landmarks, model: BodyModel) -> None:
        body = rest.vertices[np.unique(model.faces["body"])]
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


def _locks(points: np.ndarray, head: _Head, style: HairStyle, seed: int) -> np.ndarray:
    """Relief of strands, about unit variance: long along the hair, narrow across."""
    angle, height = head.polar(points)
    if style.kind in ("curly", "afro"):
        scale = 90 if style.kind == "curly" else 160
        return 0.7 * noise(points, scale, seed) + 0.4 * noise(points, 2.2 * scale, seed + 1)
    around = np.stack([np.cos(angle), np.sin(angle), 0.25 * height], 1)
    wide = noise(around, (9, 9, 3), seed)
    fine = noise(around, (30, 30, 4), seed + 1)
    finer = noise(around, (80, 80, 6), seed + 2)
    return (0.3 + 0.5 * style.texture) * wide + 0.45 * fine + 0.25 * finer


def _hairline(points: np.ndarray, head: _Head, style: HairStyle, seed: int, unit: float) -> np.ndarray:
    """Positive where hair grows, in head heights."""
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


def scalp_field(
    points: np.ndarray, model: BodyModel, rest: RestBody, marks: Landmarks, style: HairStyle, seed: int
) -> np.ndarray:
    """(N,) positive where head hair grows, for rest-pose points of the skin."""
    if style.kind == "bald":
        return np.full(len(points), -1.0)
    return _hairline(points, _Head(rest, marks, model), style, seed + 5, marks.unit)


def _cap(
    style: HairStyle, head: _Head, rest: RestBody, posed: PosedBody, unit: float, seed: int, rows: np.ndarray
) -> Piece:
    """The scalp's hair as one closed-looking shell."""
    scalp = surface("scalp")
    field = _hairline(scalp.weights @ rest.vertices, head, style, seed + 5, unit)
    patch = scalp.then(*clip_where_negative(scalp.faces, field))
    points = patch.weights @ rest.vertices
    mean = neighbour_mean(patch.faces, len(points))
    grown = np.clip(smooth(_hairline(points, head, style, seed + 5, unit)[:, None], mean, 2)[:, 0], 0, 1)
    smoothed = smooth(points, mean, 12)
    normals = smooth(Mesh(smoothed, patch.faces).vertex_normals(), mean, 12)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    _, height = head.polar(points)
    ramp = np.clip(grown * {"buzz": 5, "short": 2.6}.get(style.kind, 3.4), 0, 1) ** 0.8
    on_top = 1 + (0.7 if style.kind == "short" else 0.25) * np.clip(height, 0, 1)
    sides = 0.25 + 0.75 * np.clip(height * 1.6 + 0.1, 0, 1) if style.kind == "short" else 1.0
    relief = {"buzz": 0.0004, "afro": 0.006, "curly": 0.005}.get(style.kind, 0.0032)
    angle = np.arctan2(points[:, 0] + 0.35 * style.part_side * head.half_width, 0.05)
    parting = (
        np.exp(-((angle / 0.35) ** 2))
        * (height > 0.3)
        * (style.part_side != 0)
        * (style.kind in ("short", "bob", "long"))
    )
    if style.curtain > 0:  # below the eyes the curtain takes over
        sides = np.clip(height + 1, 0.15, 1)
    thickness = style.volume * ramp * on_top * sides * (1 - 0.45 * parting)
    thickness = (thickness + relief * ramp * _locks(points, head, style, seed)) * unit + 0.0012 * unit
    points = smoothed * ramp[:, None] + points * (1 - ramp[:, None]) + normals * thickness[:, None]
    return Piece("hair", skinned(patch.weights, posed.skinning, points), patch.faces, patch.weights @ rows, ramp)


UNDERLAYER_TURN = 0.16
"""[rad] The hair surface is cut into strips; a second layer, turned by half a strip, closes the gaps."""


def _curtain(
    style: HairStyle, head: _Head, rest: RestBody, posed: PosedBody, unit: float, seed: int, rows: np.ndarray
) -> Piece:
    """Hair that falls over neck and shoulders, in two layers."""
    base = surface("hair")
    points = base.weights @ rest.vertices
    angle, height = head.polar(points)
    ends = points[:, 1].max() - style.curtain * np.ptp(points[:, 1])
    ends = ends + 0.012 * unit * noise(np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1), 14.0, seed + 9)
    behind = head.middle_z + 0.35 * head.half_depth - points[:, 2]
    below_crown = (0.75 - height) * head.height  # the cap covers the rest
    field = np.minimum(np.minimum(points[:, 1] - ends, behind), below_crown)
    patch = base.then(*clip_where_negative(base.faces, field))
    points = patch.weights @ rest.vertices
    angle, height = head.polar(points)
    sideways = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], 1)
    beside_cap = np.clip((0.75 - height) / 0.5, 0, 1) * np.clip(1.5 + height, 0.3, 1)
    over = (0.7 * style.volume * beside_cap + 0.003 * _locks(points, head, style, seed)) * unit
    under = (0.7 * style.volume * beside_cap - 0.004) * unit
    centre = np.array([0, 0, head.middle_z])
    cosine, sine = np.cos(UNDERLAYER_TURN), np.sin(UNDERLAYER_TURN)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    layers = [points + sideways * over[:, None]]
    layers.append((points + sideways * under[:, None] - centre) @ turn.T + centre)
    posed_layers = [skinned(patch.weights, posed.skinning, layer) for layer in layers]
    hair_rows = np.tile(patch.weights @ rows, (2, 1))
    faces = np.concatenate([patch.faces, patch.faces + len(points)])
    return Piece("hair", np.concatenate(posed_layers), faces, hair_rows, np.ones(len(hair_rows)))


def _on_head(part_points: np.ndarray, model: BodyModel, rest: RestBody, posed: PosedBody) -> np.ndarray:
    """Rest-pose points carried along by the head."""
    bone = model.bones["head"]
    return (part_points - rest.heads[bone]) @ posed.rotations[bone].T + posed.heads[bone]


def _knot(
    style: HairStyle,
    head: _Head,
    model: BodyModel,
    rest: RestBody,
    posed: PosedBody,
    unit: float,
    seed: int,
    width: int,
) -> Piece:
    """A bun or a ponytail at the back of the head."""
    rng = np.random.default_rng(seed)
    height = head.eye_y + rng.uniform(-0.1, 0.75) * head.height
    if style.kind == "bun":
        radius = rng.uniform(0.03, 0.045) * unit
        points, faces = ball(np.zeros(3), np.array([1.0, 0.9, 0.8]) * radius)
        points = points + np.array([0, height, head.back - 0.45 * radius])
        swirl = noise(points / unit, 60.0, seed) * 0.5 + noise(points / unit, 150.0, seed + 1) * 0.4
        points = points + Mesh(points, faces).vertex_normals() * (0.003 * unit * swirl)[:, None]
    else:
        length, radius = rng.uniform(0.15, 0.38) * unit, rng.uniform(0.02, 0.032) * unit
        points, faces = ball(np.zeros(3), np.ones(3))
        along = (1 - points[:, 1]) / 2  # 0 at the band, 1 at the tip
        girth = radius * np.sin(np.pi * np.clip(along, 0.001, 1) ** 0.6) ** 0.7 * (1 - 0.3 * along)
        ring = points[:, [0, 2]] / np.maximum(np.linalg.norm(points[:, [0, 2]], axis=1, keepdims=True), 1e-9)
        strands = noise(np.stack([ring[:, 0], ring[:, 1], 0.4 * along], 1), (16, 16, 4), seed)
        girth = girth * (1 + 0.10 * strands)
        out = 0.05 * unit * np.sin(np.pi * np.clip(along * 1.4, 0, 1)) + 0.01 * unit
        points = np.stack(
            [ring[:, 0] * girth, height + 0.02 * unit - length * along, head.back - out + ring[:, 1] * girth * 0.8], 1
        )
    rows = np.zeros((len(points), width))
    rows[:, :3] = points
    return Piece("hair", _on_head(points, model, rest, posed), faces, rows, np.ones(len(points)))


def _beard(
    style: HairStyle, marks: Landmarks, rest: RestBody, posed: PosedBody, unit: float, seed: int, rows: np.ndarray
) -> Piece | None:
    """A beard along jaw, chin and upper lip."""
    scalp = surface("scalp")
    points = scalp.weights @ rest.vertices
    field = beard_field(points, marks) + 0.08 * noise(points / unit, 60.0, seed + 3)
    patch = scalp.then(*clip_where_negative(scalp.faces, field))
    if len(patch.faces) < 100:
        return None
    points = patch.weights @ rest.vertices
    mean = neighbour_mean(patch.faces, len(points))
    ramp = np.clip(beard_field(points, marks) * 3, 0, 1)
    grain = 0.6 * noise(points / unit, 150.0, seed) + 0.4 * noise(points / unit, (200, 60, 200), seed + 1)
    normals = smooth(Mesh(points, patch.faces).vertex_normals(), mean, 6)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = points + normals * ((style.beard * ramp + 0.0012 * grain * ramp + 0.0006) * unit)[:, None]
    return Piece("hair", skinned(patch.weights, posed.skinning, points), patch.faces, patch.weights @ rows, ramp)


def beard_field(points: np.ndarray, marks: Landmarks) -> np.ndarray:
    """Positive where a beard grows; about 1 well inside it."""
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


def make_hair(
    style: HairStyle, model: BodyModel, rest: RestBody, posed: PosedBody, marks: Landmarks, rows: np.ndarray, seed: int
) -> list[Piece]:
    """The hair of a posed person."""
    head, unit = _Head(rest, marks, model), marks.unit
    parts: list[Piece | None] = []
    if style.kind != "bald":
        parts.append(_cap(style, head, rest, posed, unit, seed, rows))
    if style.curtain > 0:
        parts.append(_curtain(style, head, rest, posed, unit, seed, rows))
    if style.kind in ("bun", "ponytail"):
        parts.append(_knot(style, head, model, rest, posed, unit, seed, rows.shape[1]))
    if style.beard > 0:
        parts.append(_beard(style, marks, rest, posed, unit, seed, rows))
    return [part for part in parts if part is not None]
