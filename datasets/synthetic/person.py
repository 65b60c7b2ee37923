"""One seed, one person: body, pose, clothes, shoes, hair, things worn and held, colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datasets.rendering.scan import Scan
from datasets.synthetic.bags import make_bag, sample_bag
from datasets.synthetic.body import load_body_model, sample_figure
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.dressing import Clothing, dress
from datasets.synthetic.fabrics import sample_color, sample_fabric, sample_thing
from datasets.synthetic.garments import Garment
from datasets.synthetic.gestures import Gesture, sample_gesture
from datasets.synthetic.hair import make_hair
from datasets.synthetic.hair_tails import make_tails
from datasets.synthetic.haircut import HairStyle, sample_hair
from datasets.synthetic.headwear import make_headwear, sample_headwear
from datasets.synthetic.held import make_held
from datasets.synthetic.outfits import sample_outfit
from datasets.synthetic.person_colors import Look, PersonAppearance
from datasets.synthetic.pieces import Piece, joined_faces
from datasets.synthetic.poses import pose_clear
from datasets.synthetic.shoes import sample_shoes
from datasets.synthetic.skin import Complexion, sample_complexion
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

HAIR_OVER_CLOTH = 0.004
"""[m] Long hair lies this far above the clothes."""
ONE_FABRIC = 0.6
"""How many skirts are the lower half of a dress."""
THINGS = ("hat", "frame", "lens", "bag", "held_L", "held_R")


def make_person(seed: int) -> Scan:
    """The clothed person of a seed: a pure function, the same bits every time.

    Returns:
        A scan in metres with its 31 joints, about 200k faces, facing +Z.
    """
    model = load_body_model()
    rng_body, rng_pose, rng_clothes, rng_look, rng_worn = (np.random.default_rng((seed, k)) for k in range(5))
    figure = sample_figure(model, rng_body)
    feminine = figure.phenotypes["gender"] > 0.5
    rest = model.rest(figure)
    gesture = sample_gesture(rng_pose)
    wearer = Wearer.of(model, rest, pose_clear(model, rest, gesture, int(rng_pose.integers(2**63))))
    outfit = sample_outfit(wearer.marks, rng_clothes, feminine)
    shoes = sample_shoes(rng_clothes)
    worn, style = sample_headwear(rng_worn, sample_hair(rng_look, feminine, figure.years))
    look = _sample_look(rng_look, wearer, outfit, style, sample_complexion(figure, rng_look, style.beard > 0))
    hair_seed, *seeds = _seeds(rng_worn, 4)
    clothing = Clothing(outfit, shoes, _seeds(rng_clothes, len(outfit)), hair_seed, gesture)
    parts, draped = dress(wearer, clothing, style)
    parts = [
        *parts,
        *_hair(style, wearer, draped, hair_seed),
        *make_headwear(worn, wearer, seeds[0]),
        *_things(sample_bag(rng_worn), gesture, wearer, draped, seeds[1:]),
    ]
    return Scan(
        name=f"synthetic_{seed:06d}",
        mesh=Mesh(np.concatenate([part.points for part in parts]), joined_faces(parts)),
        appearance=PersonAppearance(parts, look),
        joints=wearer.posed.joints,
        joints_present=np.ones(31, dtype=bool),
    )


def _seeds(rng: np.random.Generator, count: int) -> list[int]:
    return [int(value) for value in rng.integers(2**31, size=count)]


def _sample_look(
    rng: np.random.Generator, wearer: Wearer, outfit: list[Garment], style: HairStyle, complexion: Complexion
) -> Look:
    """Fabrics and colors."""
    fabrics = {garment.kind: sample_fabric(garment.kind, garment.collar, rng) for garment in outfit}
    kinds = [garment.kind for garment in outfit]
    if kinds[1:2] == ["skirt"] and rng.random() < ONE_FABRIC:
        fabrics[kinds[0]] = fabrics["skirt"]  # tucked and of one fabric: a dress
    shoes = np.stack([sample_color("shoe", rng) for _ in range(3)])
    things = {kind: sample_thing(kind, rng) for kind in THINGS}
    return Look(wearer.marks, complexion, style, fabrics, shoes=shoes, things=things)


def _hair(style: HairStyle, wearer: Wearer, draped: list[Piece], seed: int) -> list[Piece]:
    """Hair outside the clothes that it falls on."""
    cloth, body = (
        Obstacle([(part.points, part.faces) for part in draped]),
        Obstacle([(wearer.posed.vertices, wearer.model.faces["body"])]),
    )
    grown = make_hair(style, wearer, seed)
    grown = [replace(part, points=cloth.push_out(part.points, HAIR_OVER_CLOTH * wearer.unit)) for part in grown]
    return [*grown, *make_tails(style, wearer, [body, cloth], seed)]


def _things(bag: str, gesture: Gesture, wearer: Wearer, draped: list[Piece], seeds: list[int]) -> list[Piece]:
    """A bag on the shoulders and what the hands hold."""
    if not bag and not gesture.held:
        return []
    solid = Obstacle([*((part.points, part.faces) for part in draped), wearer.without_hands])
    pieces = make_held(wearer, gesture, solid, seeds[0])
    if bag:
        pieces += make_bag(bag, wearer, draped, solid, seeds[1])
    return pieces
