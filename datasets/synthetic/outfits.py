"""Outfits: what goes with what; jackets and coats."""

from __future__ import annotations

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.fabrics import choose
from datasets.synthetic.garments import (
    COAT,
    FAR,
    SKIRT_OF_COAT,
    Garment,
    skirt,
    step,
    trousers,
    upper,
    upper_field,
    widened,
)

JACKETS, COATS = 0.24, 0.09
"""How many people wear them."""


def _jacket(marks: Landmarks, rng: np.random.Generator) -> Garment:
    """A jacket, closed or open."""
    u = marks.unit
    loose = rng.uniform(0.1, 1.0)
    hem_y = marks.hip[1] + rng.uniform(-0.1, 0.07) * u
    gap = (rng.uniform(0.008, 0.05) * u, rng.uniform(0.005, 0.14) * u)
    if rng.random() < 0.35:
        gap = (0.004 * u, 0.004 * u)

    def stands_off(chart: Chart) -> np.ndarray:
        trunk = 1 - step(chart.arm, 0.3, 0.8)
        low = step(marks.neck[1] - chart.y, 0.12 * u, 0.42 * u)
        body = 0.018 + 0.006 * loose + (0.006 + 0.02 * loose) * low
        return (trunk * body + (1 - trunk) * (0.014 + 0.008 * loose)) * u

    collar = choose(rng, {"": 0.25, "stand": 0.4, "fold": 0.35})
    neck = "crew" if collar == "" else "collar"
    return Garment(
        kind="jacket",
        mesh="tights",
        material=COAT,
        covers=upper_field(marks, hem_y, rng.uniform(0.95, 1.04), neck, rng.uniform(0.0, 0.6), front_gap=gap),
        stands_off=stands_off,
        collar=collar,
        folds=rng.uniform(0.7, 1.5),
        smoothing=12,
    )


def _coat(marks: Landmarks, rng: np.random.Generator) -> list[Garment]:
    """A coat: its skirt, then its body with sleeves, which overlaps the skirt's top."""
    u, loose, folds = marks.unit, rng.uniform(0.2, 1.0), rng.uniform(0.5, 1.2)
    at_neck, at_hem = (0.004 * u, 0.004 * u)
    if rng.random() < 0.6:
        at_neck, at_hem = rng.uniform(0.004, 0.05) * u, rng.uniform(0.004, 0.1) * u
    at_waist = at_neck + 0.4 * (at_hem - at_neck)

    def stands_off(chart: Chart) -> np.ndarray:
        trunk = 1 - step(chart.arm, 0.3, 0.8)
        low = step(marks.neck[1] - chart.y, 0.12 * u, 0.42 * u)
        body = 0.022 + 0.006 * loose + (0.004 + 0.014 * loose) * low
        return (trunk * body + (1 - trunk) * (0.016 + 0.008 * loose)) * u

    sleeve, wide = rng.uniform(0.97, 1.04), rng.uniform(0, 0.6)
    hem_y = marks.hip[1] + 0.055 * u
    body = Garment(
        kind="coat",
        mesh="tights",
        material=COAT,
        covers=upper_field(marks, hem_y, sleeve, "collar", wide, front_gap=(at_neck, at_waist)),
        stands_off=stands_off,
        collar=choose(rng, {"stand": 0.4, "fold": 0.6}),
        folds=folds,
        smoothing=12,
    )
    return [_skirt_of_coat(marks, rng, (at_waist, at_hem), folds), body]


def _skirt_of_coat(marks: Landmarks, rng: np.random.Generator, opening: tuple[float, float], folds: float) -> Garment:
    """The part of a coat below the waist, open in front by half widths at waist and hem [m]."""
    u, flare = marks.unit, rng.uniform(-0.2, 0.25)
    top_y, hem_y = marks.hip[1] + 0.15 * u, marks.hip[1] - rng.uniform(0.35, 0.85) * 0.78 * marks.leg_length

    def covers(chart: Chart) -> np.ndarray:
        down = np.clip((top_y - chart.y) / (top_y - hem_y), 0, 1)
        open_by = np.abs(chart.x) - (opening[0] + (opening[1] - opening[0]) * down)
        field = np.minimum(chart.y - hem_y, top_y - chart.y)
        field = np.where(chart.z > marks.hip[2], np.minimum(field, open_by), field)
        return np.where(chart.arm > 0.3, -FAR, field)

    def shape(chart: Chart, points: np.ndarray) -> np.ndarray:
        return widened(points, marks, 1.06 + flare * step(top_y - chart.y, 0.05 * u, 0.5 * u))

    return Garment(
        kind="coat",
        mesh="skirt",
        material=SKIRT_OF_COAT,
        covers=covers,
        stands_off=lambda chart: np.full(len(chart.y), 0.012 * u),
        collar="",
        folds=folds,
        smoothing=12,
        shape=shape,
    )


def sample_outfit(marks: Landmarks, rng: np.random.Generator, feminine: bool) -> list[Garment]:
    """What one person wears, inner layers first. A shirt under a skirt of the same fabric makes a dress."""
    skirts = 0.36 if feminine else 0.01
    lower = choose(
        rng, {"trousers": 0.62, "cropped": 0.07, "shorts": 0.17, "leggings": 0.07 * feminine, "skirt": skirts}
    )
    kind = choose(rng, {"tshirt": 0.42, "long": 0.22, "pullover": 0.18, "threequarter": 0.08, "tank": 0.1})
    waist_y = marks.hip[1] + rng.uniform(0.08, 0.14) * marks.unit
    bottom = skirt(marks, rng, waist_y) if lower == "skirt" else trousers(marks, rng, lower, waist_y)
    tucked = rng.random() < {"skirt": 0.65, "leggings": 0.0}.get(lower, 0.18) and kind != "pullover"
    top = upper(marks, rng, kind, waist_y if tucked else None)
    outfit = [top, bottom] if tucked else [bottom, top]
    over = choose(rng, {"jacket": JACKETS, "coat": COATS, "": 1 - JACKETS - COATS})
    if over == "jacket":
        outfit.append(_jacket(marks, rng))
    if over == "coat" and lower not in ("skirt", "shorts"):
        outfit += _coat(marks, rng)
    return outfit
