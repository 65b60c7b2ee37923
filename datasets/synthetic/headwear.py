"""Hats and glasses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.synthetic.fabrics import choose
from datasets.synthetic.haircut import HairStyle, Head
from datasets.synthetic.mesh_editing import clip_where_negative, neighbour_mean, smooth, with_inner_wall
from datasets.synthetic.noise import noise
from datasets.synthetic.pieces import Piece
from datasets.synthetic.solids import Solid, merged, shade_of, sweep
from datasets.synthetic.surfaces import surface
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

HATS = {"": 0.8, "cap": 0.075, "beanie": 0.06, "brim": 0.055, "hood": 0.01}
GLASSES = {"": 0.76, "glasses": 0.16, "sunglasses": 0.08}
UNDER_A_HAT = 0.004
"""[m] Thickness of hair that a hat presses down."""
CROWN_UNDER_A_HAT = 0.12
"""Above this, in head heights above the eyes, hair is in the hat."""
TALL_HAIR = ("afro", "bun")
"""Hair that no hat goes over."""


@dataclass(frozen=True)
class Headwear:
    """What is worn on a head; sizes in metres for a 1.7 m person."""

    hat: str  # a key of HATS
    glasses: str  # a key of GLASSES
    depth: float  # how far down the forehead a hat comes, in [0, 1]
    height: float  # air above the crown
    brim: float  # width of the brim or length of the visor
    lens: tuple[float, float]  # half width and half height of one glass
    roundness: float  # of the glasses: 2 an ellipse, more a rectangle
    backwards: bool  # a cap with its visor at the back


def sample_headwear(rng: np.random.Generator, style: HairStyle) -> tuple[Headwear, HairStyle]:
    """Headwear that goes with a haircut, and the haircut as it is under it."""
    hat = choose(rng, HATS) if style.kind not in TALL_HAIR else ""
    worn = Headwear(
        hat=hat,
        glasses=choose(rng, GLASSES),
        depth=float(rng.uniform(0, 1)),
        height=float(rng.uniform(0.004, 0.03)),
        brim=float(rng.uniform(0.05, 0.11)),
        lens=(float(rng.uniform(0.021, 0.027)), float(rng.uniform(0.014, 0.023))),
        roundness=float(rng.uniform(2.0, 6.0)),
        backwards=bool(rng.random() < 0.12),
    )
    if hat:
        style = replace(
            style, volume=min(style.volume, UNDER_A_HAT), fringe=min(style.fringe, 0.0), crown=CROWN_UNDER_A_HAT
        )
    return worn, style


def make_headwear(worn: Headwear, wearer: Wearer, seed: int) -> list[Piece]:
    """The pieces of a hat ("hat") and of glasses ("frame", "lens")."""
    head = Head(wearer)
    pieces = []
    if worn.hat:
        pieces += _hat(worn, head, wearer, seed)
    if worn.glasses:
        pieces += _glasses(worn, head, wearer)
    return pieces


def _piece(kind: str, solid: Solid, wearer: Wearer, shade: np.ndarray | float) -> Piece:
    """A rigid thing on the head, made in the rest pose."""
    points, faces = solid
    return Piece(
        kind, wearer.carried("head", points), faces, wearer.bare_rows(points), np.broadcast_to(shade, len(points)) * 1.0
    )


def _hat(worn: Headwear, head: Head, wearer: Wearer, seed: int) -> list[Piece]:
    """A dome over the scalp, and a brim or a visor."""
    u = wearer.unit
    scalp = surface("scalp")
    points = wearer.at_rest(scalp)
    rim = _rim_height(worn, head, points)
    operator, faces = clip_where_negative(scalp.faces, points[:, 1] - rim)
    points = operator @ points
    mean = neighbour_mean(faces, len(points))
    points = smooth(points, mean, 30)
    normals = smooth(Mesh(points, faces).vertex_normals(), mean, 20)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    _, height = head.polar(points)
    air = 0.012 + worn.height * np.clip(height, 0, 1) ** 2
    if worn.hat in ("beanie", "hood"):
        knit = 0.0012 * noise(points / u, (160, 30, 160), seed) + 0.002 * noise(points / u, 30.0, seed + 1)
        air = air + knit + 0.006 * (points[:, 1] < _rim_height(worn, head, points) + 0.045 * u)
    points = points + normals * (air * u)[:, None]
    edge = points[:, 1] - _rim_height(worn, head, points)
    closed, faces, owner = with_inner_wall(points, faces, np.full(len(points), 0.004 * u), np.ones(len(faces), bool))
    dome = _piece("hat", (closed, faces), wearer, shade_of(0.03 * u - edge[owner]))
    if worn.hat not in ("cap", "brim"):
        return [dome]
    return [dome, _piece("hat", _brim(worn, head, points, u), wearer, 0.0)]


def _rim_height(worn: Headwear, head: Head, points: np.ndarray) -> np.ndarray:
    """(N,) rest height of a hat's rim [m]: above the brows in front, over or behind the ears, low at the back."""
    forward = np.clip((points[:, 2] - head.middle_z) / head.half_depth, -1, 1)
    front, back = {"beanie": (0.38, -0.25), "hood": (0.45, -0.7)}.get(worn.hat, (0.42, 0.02))
    ahead = 0.5 + 0.5 * forward
    level = back + (front - back) * ahead + 0.12 * (0.5 - worn.depth)
    return head.eye_y + level * head.height


def _brim(worn: Headwear, head: Head, dome: np.ndarray, u: float) -> Solid:
    """A brim all around, or a visor in front, that starts inside the dome's rim."""
    rings, sides = 12, 96
    angle = np.arange(sides) * 2 * np.pi / sides  # 0 front
    low = dome[dome[:, 1] < _rim_height(worn, head, dome) + 0.02 * u]
    around = np.arctan2(low[:, 0], low[:, 2] - head.middle_z)
    reach = np.hypot(low[:, 0], low[:, 2] - head.middle_z)
    order = np.argsort(around)
    radius = np.interp(angle, around[order], reach[order], period=2 * np.pi)
    level = np.interp(angle, around[order], low[order, 1], period=2 * np.pi)
    radius, level = _round(radius), _round(level)
    if worn.hat == "cap":
        ahead = np.pi if worn.backwards else 0.0
        off = np.abs((angle - ahead + np.pi) % (2 * np.pi) - np.pi)
        width = worn.brim * np.sqrt(np.clip(1 - (off / 1.05) ** 2, 0, 1))
        fall = 0.25 + 0.5 * (off / 1.05) ** 2
    else:
        width, fall = np.full(sides, worn.brim), np.full(sides, 0.12)
    outward = np.linspace(-0.12, 1, rings)[:, None]
    out = radius + outward * width * u - 0.004 * u
    drop = level - np.clip(outward, 0, 1) * width * fall * u
    upper = np.stack([out * np.sin(angle), drop, head.middle_z + out * np.cos(angle)], -1).reshape(-1, 3)
    first = np.arange((rings - 1) * sides)
    on = first - first % sides + (first + 1) % sides
    faces = np.concatenate([np.stack([first, first + sides, on], 1), np.stack([on, first + sides, on + sides], 1)])
    kept = (width[faces % sides] > 0.004).any(1)
    points, faces, _ = with_inner_wall(upper, faces[kept], np.full(len(upper), 0.003 * u), np.ones(kept.sum(), bool))
    used, renumbered = np.unique(faces, return_inverse=True)
    return points[used], renumbered.reshape(-1, 3)


def _round(values: np.ndarray) -> np.ndarray:
    """Values around a circle without their noise."""
    for _ in range(20):
        values = 0.5 * values + 0.25 * (np.roll(values, 1) + np.roll(values, -1))
    return values


def _glasses(worn: Headwear, head: Head, wearer: Wearer) -> list[Piece]:
    """Two rims, a bridge and two bows that rest on nose and ears; sunglasses have lenses that show."""
    u, eye, face = wearer.unit, wearer.marks.eye, wearer.marks.face
    half = np.array(worn.lens) * u
    front_z = max(eye[2] + 0.028 * u, face["nose"][2] - 0.022 * u)
    t = np.arange(49) * 2 * np.pi / 48
    squircle = (np.abs(np.cos(t)) ** worn.roundness + np.abs(np.sin(t)) ** worn.roundness) ** (-1 / worn.roundness)
    ring = np.stack([half[0] * np.cos(t) * squircle, half[1] * np.sin(t) * squircle, np.zeros_like(t)], 1)
    ring[:, 2] = -0.25 * np.abs(ring[:, 0]) ** 2 / half[0]
    wire = 0.0022 * u
    solids, lenses = [], []
    for sign in (1.0, -1.0):
        centre = np.array([sign * (abs(eye[0]) + 0.001), eye[1] - 0.003 * u, front_z])
        rim = centre + ring
        solids.append(sweep(rim, np.full((49, 2), wire), np.array([0, 0, 1.0]), 8))
        hinge = centre + [sign * half[0], 0.5 * half[1], -0.004 * u]
        ear = face["left_ear"] * [sign, 1, 1] + [sign * 0.004 * u, 0.012 * u, 0.012 * u]
        wide = max(abs(hinge[0]), abs(ear[0]), head.half_width * 0.96) * sign
        middle = np.array([wide, (hinge[1] + ear[1]) / 2, (hinge[2] + ear[2]) / 2])
        s = np.linspace(0, 1, 15)[:, None]
        bow = (1 - s) ** 2 * hinge + 2 * s * (1 - s) * middle + s**2 * ear
        solids.append(sweep(bow, np.full((15, 2), wire), np.array([1.0, 0, 0]), 8))
        lens = np.concatenate([rim[:-1], centre[None]])
        k = np.arange(48)
        fan = np.stack([k, (k + 1) % 48, np.full(48, 48)], 1)
        lenses.append(with_inner_wall(lens, fan, np.full(49, 0.001 * u), np.ones(48, bool))[:2])
    s = np.linspace(-1, 1, 11)
    gap = abs(eye[0]) - half[0] + 0.002 * u
    bridge = np.stack([gap * s, eye[1] + 0.004 * u * (1 - s**2), front_z + 0.004 * u * (1 - s**2)], 1)
    solids.append(sweep(bridge, np.full((11, 2), wire), np.array([0, 0, 1.0]), 8))
    pieces = [_piece("frame", merged(solids), wearer, 0.0)]
    if worn.glasses == "sunglasses":
        pieces.append(_piece("lens", merged(lenses), wearer, 0.0))
    return pieces
