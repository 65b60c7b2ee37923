"""One seed, one person: body, pose, clothes, shoes, hair, colors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datasets.rendering.scan import Scan
from datasets.synthetic.body import BodyModel, PosedBody, RestBody, load_body_model, sample_figure
from datasets.synthetic.chart import ARM_BONES
from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.dressing import Clothing, dress
from datasets.synthetic.fabrics import sample_color, sample_fabric
from datasets.synthetic.garments import sample_outfit
from datasets.synthetic.hair import make_hair
from datasets.synthetic.haircut import sample_hair
from datasets.synthetic.person_colors import Look, PersonAppearance
from datasets.synthetic.pieces import joined_faces
from datasets.synthetic.poses import sample_pose
from datasets.synthetic.shoes import sample_shoes
from datasets.synthetic.skin import sample_complexion
from datasets.synthetic.wearer import Wearer
from geometry.mesh import Mesh

HAIR_OVER_CLOTH = 0.004
"""[m] Long hair lies this far above the clothes."""
ARM_CLEARANCE = 0.022
"""[m] Air that the forearms and hands keep from trunk and thighs."""


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
    wearer = Wearer.of(model, rest, _pose_clear(model, rest, int(rng_pose.integers(2**63))))
    outfit = sample_outfit(wearer.marks, rng_clothes, feminine)
    shoes = sample_shoes(rng_clothes)
    style = sample_hair(rng_look, feminine, figure.years)
    complexion = sample_complexion(figure, rng_look, style.beard > 0)
    fabrics = {garment.kind: sample_fabric(garment.kind, garment.collar, rng_look) for garment in outfit}
    kinds = [garment.kind for garment in outfit]
    if feminine and kinds[1:2] == ["skirt"] and rng_look.random() < 0.6:
        fabrics[kinds[0]] = fabrics["skirt"]  # tucked and of one fabric: a dress
    shoe_colors = np.stack([sample_color("shoe", rng_look) for _ in range(3)])
    seeds = [int(value) for value in rng_clothes.integers(2**31, size=4)]

    clothing = Clothing(outfit, shoes, seeds[: len(outfit)], hair_seed=seeds[3])
    parts, clothes = dress(wearer, clothing, style)
    for hair in make_hair(style, wearer, seeds[3]):
        parts.append(replace(hair, points=clothes.push_out(hair.points, HAIR_OVER_CLOTH * wearer.unit)))
    look = Look(wearer.marks, complexion, style, fabrics, shoe_colors)
    return Scan(
        name=f"synthetic_{seed:06d}",
        mesh=Mesh(np.concatenate([part.points for part in parts]), joined_faces(parts)),
        appearance=PersonAppearance(parts, look),
        joints=wearer.posed.joints,
        joints_present=np.ones(31, dtype=bool),
    )


def _pose_clear(model: BodyModel, rest: RestBody, seed: int) -> PosedBody:
    """A random pose whose arms are moved aside until they are outside trunk and legs."""
    opened = {"L": 0.0, "R": 0.0}
    faces = model.faces["body"]
    arm = {side: model.bone_weight("lowerarm", "wrist", "finger", "metacarpal", side=side) for side in "LR"}
    any_arm = model.bone_weight("clavicle", "shoulder", *ARM_BONES)
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
