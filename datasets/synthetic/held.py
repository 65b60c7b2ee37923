"""Things that hands hold: balls, cups, phones, bags, sticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.cloth import Obstacle
from datasets.synthetic.gestures import Gesture
from datasets.synthetic.pieces import Piece
from datasets.synthetic.rig import Rig, turn_about, unit
from datasets.synthetic.solids import Solid, ball, box, merged, shade_of, sweep
from datasets.synthetic.wearer import Wearer

SINKS = 0.015
"""[m] A thing that would be deeper than this in body or clothes is not held."""
TILTS = (0, 8, 16, 24, 32)
"""[deg] How far a bag may swing out beside the leg."""


@dataclass(frozen=True)
class Hand:
    """A posed hand [m]."""

    palm: np.ndarray  # (3,) middle of the palm
    facing: np.ndarray  # (3,) direction that it faces
    across: np.ndarray  # (3,) from the forefinger to the little finger
    along: np.ndarray  # (3,) from the wrist to the fingers
    outward: np.ndarray  # (3,) away from the body's middle

    def frame(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(3, 3) rows: an even frame whose first row is x and whose second is closest to y."""
        x = unit(x)
        y = unit(y - x * (x @ y))
        return np.stack([x, y, np.cross(x, y)])


def hand_of(wearer: Wearer, side: str) -> Hand:
    """Where the posed hand of a side is."""
    facing, across = Rig(wearer.model, wearer.rest).palm(side)
    wrist, first, last = (wearer.head_of(f"{bone}.{side}") for bone in ("wrist", "finger2-1", "finger5-1"))
    knuckles = (first + last) / 2
    bone = f"wrist.{side}"
    outward = np.array([1.0 if side == "L" else -1.0, 0, 0])
    facing = wearer.turned(bone, facing)
    middle = 0.3 * wrist + 0.7 * knuckles + 0.012 * wearer.unit * facing
    return Hand(middle, facing, wearer.turned(bone, across), unit(knuckles - wrist), outward)


def make_held(wearer: Wearer, gesture: Gesture, obstacle: Obstacle, seed: int) -> list[Piece]:
    """What the hands hold, where there is room for it; `edge` is below 0.5 on the first color and above on the second.

    Args:
        obstacle: body and clothes without the hands.
    """
    rng = np.random.default_rng(seed)
    pieces = []
    for side, kind in gesture.held.items():
        hand = hand_of(wearer, side)
        made = None
        if kind == "big_ball":
            made = _big_ball(hand, hand_of(wearer, "R"))
        elif kind == "bag":
            made = _bag(hand, wearer.unit, obstacle, rng)
        else:
            shape, shade = SMALL[kind](hand, wearer.unit, rng)
            if _sinks(shape, obstacle) < SINKS:
                made = shape, shade
        if made is not None:
            (points, faces), shade = made
            pieces.append(Piece(f"held_{side}", points, faces, wearer.bare_rows(points), shade))
    return pieces


def _sinks(shape: Solid, obstacle: Obstacle) -> float:
    """How deep the deepest point of a shape is in the obstacle [m]."""
    points = shape[0][::3]
    nearest, normal, square = obstacle.planes(points)
    return float(np.max(np.where(square, -((points - nearest) * normal).sum(1), 0)))


def _ball(hand: Hand, unit_length: float, rng: np.random.Generator) -> tuple[Solid, np.ndarray]:
    """A ball in the palm, with a band."""
    radius = rng.uniform(0.032, 0.1) * unit_length
    shape = ball(hand.palm + hand.facing * radius + hand.along * 0.35 * radius, np.full(3, radius))
    aside = np.abs((shape[0] - shape[0].mean(0)) @ unit(rng.normal(size=3)))
    return shape, shade_of(0.3 * radius - aside)


def _big_ball(left: Hand, right: Hand) -> tuple[Solid, np.ndarray] | None:
    """A ball or a box between two palms."""
    span = left.palm - right.palm
    radius = float(np.linalg.norm(span)) / 2
    if not 0.06 < radius < 0.17:
        return None
    forward = unit(left.along + right.along)
    shape = ball((left.palm + right.palm) / 2 + forward * 0.3 * radius, np.full(3, radius))
    panels = np.sin(5 * (shape[0] - shape[0].mean(0)) / radius).sum(1) - 0.7
    return shape, shade_of(0.1 * panels)


def _cup(hand: Hand, unit_length: float, rng: np.random.Generator) -> tuple[Solid, np.ndarray]:
    """A cup, a can or a bottle: upright in a hand with the thumb up."""
    height, radius = rng.uniform(0.09, 0.22) * unit_length, rng.uniform(0.027, 0.04) * unit_length
    t = np.linspace(-0.5, 0.5, 24)
    taper = rng.uniform(-0.15, 0.25)
    neck = np.where((t > 0.3) & (height > 0.17 * unit_length), 0.5, 1.0)
    centre = hand.palm + hand.facing * radius + hand.along * 0.2 * radius
    path = centre - hand.across * (t * height)[:, None]
    shape = sweep(path, np.tile((radius * (1 + taper * t) * neck)[:, None], (1, 2)), hand.facing, 24)
    along = (shape[0] - centre) @ -hand.across / height
    return shape, shade_of((along - 0.38) * height)


def _phone(hand: Hand, unit_length: float, rng: np.random.Generator) -> tuple[Solid, np.ndarray]:
    """A phone, a wallet or a book that lies in the palm; the second color is its screen."""
    size = np.array([0.074, 0.152, 0.010]) * rng.choice([1.0, 1.0, 1.5]) * unit_length
    points, faces = box(size, 12.0)
    frame = hand.frame(hand.across, hand.along)
    centre = hand.palm + hand.facing * (size[2] / 2) + hand.along * 0.25 * size[1] - hand.across * 0.1 * size[0]
    normal = frame[2] if frame[2] @ hand.facing > 0 else -frame[2]
    placed = points @ frame + centre
    inset = (np.abs(points[:, :2]) < 0.44 * size[:2]).all(1)
    return (placed, faces), (inset & ((placed - centre) @ normal > 0.2 * size[2])).astype(float)


def _stick(hand: Hand, unit_length: float, rng: np.random.Generator) -> tuple[Solid, np.ndarray]:
    """An umbrella, a rod or a microphone in a fist."""
    length, radius = rng.uniform(0.2, 0.75) * unit_length, rng.uniform(0.007, 0.016) * unit_length
    start = rng.uniform(0.08, 0.25) * length
    centre = hand.palm + hand.facing * (radius + 0.004 * unit_length) + hand.along * 0.02 * unit_length
    t = np.linspace(-start, length - start, 40)
    head = 1 + rng.uniform(0, 1.4) * (t > length - start - 0.09 * unit_length)
    shape = sweep(centre - hand.across * t[:, None], np.tile((radius * head)[:, None], (1, 2)), hand.facing, 16)
    return shape, ((shape[0] - centre) @ -hand.across > length - start - 0.09 * unit_length).astype(float)


SMALL = {"ball": _ball, "cup": _cup, "phone": _phone, "stick": _stick}
OBJECTS = (*SMALL, "bag", "big_ball")
"""What can be held; gestures.HELD says when."""


def _bag(
    hand: Hand, unit_length: float, obstacle: Obstacle, rng: np.random.Generator
) -> tuple[Solid, np.ndarray] | None:
    """A bag that hangs from the fingers by two handles, swung out as far as the leg needs."""
    size = np.array([rng.uniform(0.2, 0.4), rng.uniform(0.18, 0.4), rng.uniform(0.05, 0.13)]) * unit_length
    drop = rng.uniform(0.06, 0.2) * unit_length
    grip = hand.palm + 0.03 * unit_length * hand.along + 0.008 * unit_length * hand.facing
    body, faces = box(size, float(rng.uniform(5, 9)))
    belly = 1 + 0.25 * np.clip(-body[:, 1] / size[1], -0.5, 0.5)
    body = body * np.stack([np.ones_like(belly), np.ones_like(belly), belly], 1) - [0, drop + size[1] / 2, 0]
    t = np.linspace(0, np.pi, 21)
    handles = []
    for z in (-0.25, 0.25):
        arch = np.stack(
            [0.28 * size[0] * np.cos(t), (np.sin(t) ** 0.6 - 1) * (drop + 0.01), z * size[2] * (1 - np.sin(t))], 1
        )
        handles.append(sweep(arch, np.full((21, 2), 0.006 * unit_length), np.array([0, 0, 1.0]), 8))
    points, faces = merged([(body, faces), *handles])
    shade = np.concatenate([np.zeros(len(body)), np.ones(len(points) - len(body))])
    turned = points @ turn_about([0, 1, 0], 90 + float(rng.normal(0, 15))).T
    for tilt in TILTS:
        placed = turned @ turn_about(np.cross([0, -1, 0], hand.outward), tilt).T + grip
        if _sinks((placed[: len(body)], faces), obstacle) < SINKS:
            return (placed, faces), shade
    return None
