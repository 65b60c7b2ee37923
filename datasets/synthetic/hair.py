"""Hair as surfaces: a cap grown from the scalp, a curtain, and beards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.haircut import HairStyle, Head, beard_field, hairline, locks
from datasets.synthetic.mesh_editing import clip_where_negative, neighbour_mean, smooth
from datasets.synthetic.noise import noise
from datasets.synthetic.pieces import Piece
from datasets.synthetic.surfaces import surface
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

UNDERLAYER_TURN = 0.16
"""[rad] The hair surface is cut into strips; a second layer, turned by half a strip, closes the gaps."""


@dataclass(frozen=True)
class _Haircut:
    """One style on one head."""

    style: HairStyle
    wearer: Wearer
    head: Head
    seed: int


def _cap(cut: _Haircut) -> Piece:
    """The scalp's hair as one closed-looking shell."""
    style, head, wearer, seed, unit = cut.style, cut.head, cut.wearer, cut.seed, cut.wearer.unit
    scalp = surface("scalp")
    field = hairline(wearer.at_rest(scalp), head, style, seed + 5)
    patch = scalp.then(*clip_where_negative(scalp.faces, field))
    points = wearer.at_rest(patch)
    mean = neighbour_mean(patch.faces, len(points))
    grown = np.clip(smooth(hairline(points, head, style, seed + 5)[:, None], mean, 2)[:, 0], 0, 1)
    smoothed = smooth(points, mean, 12)
    normals = smooth(Mesh(smoothed, patch.faces).vertex_normals(), mean, 12)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    _, height = head.polar(points)
    ramp = np.clip(grown * {"buzz": 5, "short": 2.6}.get(style.kind, 3.4), 0, 1) ** 0.8
    on_top = 1 + (0.7 if style.kind == "short" else 0.25) * np.clip(height, 0, 1)
    sides = 0.25 + 0.75 * np.clip(height * 1.6 + 0.1, 0, 1) if style.kind == "short" else 1.0
    relief = {"buzz": 0.0004, "afro": 0.006, "curly": 0.005}.get(style.kind, min(0.0032, 0.4 * style.volume))
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
    thickness = (thickness + relief * ramp * locks(points, head, style, seed)) * unit + 0.0012 * unit
    points = smoothed * ramp[:, None] + points * (1 - ramp[:, None]) + normals * thickness[:, None]
    return Piece("hair", wearer.skinned(patch, points), patch.faces, wearer.rows(patch), ramp)


def _curtain(cut: _Haircut) -> Piece:
    """Hair that falls over neck and shoulders, in two layers."""
    style, head, wearer, seed, unit = cut.style, cut.head, cut.wearer, cut.seed, cut.wearer.unit
    base = surface("hair")
    points = wearer.at_rest(base)
    angle, height = head.polar(points)
    ends = points[:, 1].max() - style.curtain * np.ptp(points[:, 1])
    ends = ends + 0.012 * unit * noise(np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1), 14.0, seed + 9)
    behind = head.middle_z + 0.35 * head.half_depth - points[:, 2]
    below_crown = (style.crown - height) * head.height  # the cap covers the rest
    field = np.minimum(np.minimum(points[:, 1] - ends, behind), below_crown)
    patch = base.then(*clip_where_negative(base.faces, field))
    points = wearer.at_rest(patch)
    angle, height = head.polar(points)
    sideways = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], 1)
    beside_cap = np.clip((0.75 - height) / 0.5, 0, 1) * np.clip(1.5 + height, 0.3, 1)
    over = (0.7 * style.volume * beside_cap + 0.003 * locks(points, head, style, seed)) * unit
    under = (0.7 * style.volume * beside_cap - 0.004) * unit
    centre = np.array([0, 0, head.middle_z])
    cosine, sine = np.cos(UNDERLAYER_TURN), np.sin(UNDERLAYER_TURN)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    layers = [points + sideways * over[:, None]]
    layers.append((points + sideways * under[:, None] - centre) @ turn.T + centre)
    posed_layers = [wearer.skinned(patch, layer) for layer in layers]
    hair_rows = np.tile(wearer.rows(patch), (2, 1))
    faces = np.concatenate([patch.faces, patch.faces + len(points)])
    return Piece("hair", np.concatenate(posed_layers), faces, hair_rows, np.ones(len(hair_rows)))


def _beard(cut: _Haircut) -> Piece | None:
    """A beard along jaw, chin and upper lip."""
    wearer, marks, seed, unit = cut.wearer, cut.wearer.marks, cut.seed, cut.wearer.unit
    scalp = surface("scalp")
    points = wearer.at_rest(scalp)
    field = beard_field(points, marks) + 0.08 * noise(points / unit, 60.0, seed + 3)
    patch = scalp.then(*clip_where_negative(scalp.faces, field))
    if len(patch.faces) < 100:
        return None
    points = wearer.at_rest(patch)
    mean = neighbour_mean(patch.faces, len(points))
    ramp = np.clip(beard_field(points, marks) * 3, 0, 1)
    grain = 0.6 * noise(points / unit, 150.0, seed) + 0.4 * noise(points / unit, (200, 60, 200), seed + 1)
    normals = smooth(Mesh(points, patch.faces).vertex_normals(), mean, 6)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = points + normals * ((cut.style.beard * ramp + 0.0012 * grain * ramp + 0.0006) * unit)[:, None]
    return Piece("hair", wearer.skinned(patch, points), patch.faces, wearer.rows(patch), ramp)


def make_hair(style: HairStyle, wearer: Wearer, seed: int) -> list[Piece]:
    """The hair of a posed person: none, or cap, curtain and beard as the style has them."""
    cut = _Haircut(style, wearer, Head(wearer), seed)
    parts: list[Piece | None] = []
    if style.kind != "bald":
        parts.append(_cap(cut))
    if style.curtain > 0:
        parts.append(_curtain(cut))
    if style.beard > 0:
        parts.append(_beard(cut))
    return [part for part in parts if part is not None]
