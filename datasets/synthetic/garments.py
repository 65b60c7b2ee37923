"""Patterns: which part of the body a garment covers, how far it stands off, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.cloth import Material
from datasets.synthetic.fabrics import choose

Field = Callable[[Chart], np.ndarray]
"""One number for every point of a chart."""
WIDE_SKIRTS = 0.45
"""How many skirts swing wide."""
FAR = 1.0
"""A field value that never limits [m]."""

KNIT = Material(ease=0.07, bending=0.018, gravity=0.0008, thickness=0.0025)
SHIRTING = Material(ease=0.09, bending=0.014, gravity=0.0007, thickness=0.002)
SWEAT = Material(ease=0.08, bending=0.035, gravity=0.0008, thickness=0.004)
DENIM = Material(ease=0.07, bending=0.022, gravity=0.0004, thickness=0.003)
FALLING = Material(ease=0.02, bending=0.11, gravity=0.0012, thickness=0.002)
SKIRT_OF_COAT = Material(ease=0.02, bending=0.13, gravity=0.0008, thickness=0.005)
DRAPE = Material(ease=0.07, bending=0.016, gravity=0.001, thickness=0.002)
COAT = Material(ease=0.07, bending=0.045, gravity=0.0005, thickness=0.005)
STRETCH = Material(ease=0.005, bending=0.05, gravity=0.0, thickness=0.0015)


@dataclass(frozen=True)
class Garment:
    """One piece of clothing. `covers` is positive inside it and about the distance to its nearest edge [m]."""

    kind: str
    mesh: str  # "tights" or "skirt": the base surface it is cut from
    material: Material
    covers: Field
    stands_off: Field  # distance from the base surface [m]
    collar: str  # a key of collar.PROFILES, "" for none
    folds: float  # how strongly folds are seeded, 1 = normal
    smoothing: int  # rounds that bridge details of the body in the rest shape
    shape: Callable[[Chart, np.ndarray], np.ndarray] | None = None  # last change to the rest shape


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def widened(points: np.ndarray, marks: Landmarks, factor: np.ndarray) -> np.ndarray:
    """(N, 3) points at rest [m], drawn away from the vertical axis through the hips by (N,) factors."""
    axis = np.array([0.0, 0.0, marks.hip[2]])
    return (points - axis) * np.stack([factor, np.ones_like(factor), factor], 1) + axis


def neckline(chart: Chart, marks: Landmarks, style: str, size: float) -> np.ndarray:
    """Positive outside the neck hole [m]. Style is crew, v, scoop, collar or high; size in [0, 1] opens it."""
    u = marks.unit
    x, y, z = chart.x, chart.y - marks.neck[1], chart.z - marks.neck[2]
    rise = {"high": 0.045, "collar": 0.022, "crew": 0.012, "v": 0.01, "scoop": 0.004}[style] - 0.018 * size * (
        style != "high"
    )
    above = rise * u - (0.88 * y + 0.47 * (z - 0.02 * u))  # a plane that falls to the front, as collars do
    radius = (0.082 + 0.02 * size) * u
    aside = np.hypot(x, 0.8 * z) - radius
    field = np.maximum(above, np.where(y > 0.05 * u, above, aside))
    front = z > 0.0
    if style in ("v", "scoop"):
        depth, width = (0.06 + 0.08 * size) * u, (0.055 + 0.02 * size) * u
        down = (0.5 * rise * u - y) / depth
        opening = (
            np.abs(x) / width - (1 - down) if style == "v" else np.hypot(np.abs(x) / width, np.maximum(down, 0)) - 1
        )
        field = np.where(front, np.minimum(field, opening * width), field)
    return field


def _on_arm(chart: Chart) -> np.ndarray:
    return chart.arm > 0.5


def upper_field(
    marks: Landmarks,
    hem_y: float,
    sleeve: float | None,
    style: str,
    size: float,
    front_gap: tuple[float, float] | None = None,
) -> Field:
    """Covers of a shirt, pullover or jacket.

    Args:
        hem_y: rest height of the hem [m].
        sleeve: where sleeves end, as a fraction of the arm; None: no sleeves.
        front_gap: (half width at the neck, half width at the hem) of an open front [m], None: closed.
    """

    def covers(chart: Chart) -> np.ndarray:
        u = marks.unit
        hem = np.where(_on_arm(chart), FAR, chart.y - hem_y)
        if sleeve is None:
            arm = (0.45 - chart.arm) * 0.12 * u
        else:
            arm = np.where(chart.arm > 0.15, (sleeve - chart.arm_along) * marks.arm_length, FAR)
        field = np.minimum(np.minimum(hem, arm), np.where(_on_arm(chart), FAR, neckline(chart, marks, style, size)))
        if front_gap is not None:
            down = np.clip((marks.neck[1] - chart.y) / (marks.neck[1] - hem_y), 0, 1)
            gap = front_gap[0] + (front_gap[1] - front_gap[0]) * down
            front = (chart.z > marks.neck[2] + 0.01 * u) & (chart.arm < 0.3)
            field = np.where(front, np.minimum(field, np.abs(chart.x) - gap), field)
        return np.where(chart.head > 0.5, -FAR, np.where(chart.hand > 0.6, -FAR, field))

    return covers


def lower_field(marks: Landmarks, waist_y: float, leg_end: float) -> Field:
    """Covers of trousers and shorts; `leg_end` is a fraction of the leg."""

    def covers(chart: Chart) -> np.ndarray:
        leg = np.where(chart.leg > 0.2, (leg_end - chart.leg_along) * marks.leg_length, FAR)
        ankle = (0.4 - chart.foot) * 0.1 * marks.unit
        return np.where(chart.arm > 0.3, -FAR, np.minimum(np.minimum(waist_y - chart.y, leg), ankle))

    return covers


def upper(marks: Landmarks, rng: np.random.Generator, kind: str, tucked_at: float | None) -> Garment:
    """A shirt, pullover or top; `tucked_at`: rest height [m] of the waist where it is tucked in; None: it hangs out."""
    u = marks.unit
    loose = rng.uniform(0.0, 1.0) ** 1.3
    sleeve = {
        "tank": None, "tshirt": rng.uniform(0.2, 0.42), "long": rng.uniform(0.93, 1.0),
        "pullover": rng.uniform(0.94, 1.02),
        "threequarter": rng.uniform(0.5, 0.75),
    }[kind]  # fmt: skip
    style = str(rng.choice(["crew", "v", "scoop", "high"], p=[0.66, 0.14, 0.12, 0.08]))
    size = rng.uniform(0.0, 1.0)
    hem_y = marks.hip[1] + rng.uniform(-0.075, 0.05) * u
    if tucked_at is not None:
        hem_y = tucked_at - 0.035 * u
    collar = ""
    if kind in ("tshirt", "pullover", "long") and style in ("crew", "high"):
        collar = choose(rng, {"rib": 0.7, "": 0.2, "fold": 0.1 if kind == "tshirt" else 0.0})
    if kind in ("long", "threequarter") and rng.random() < 0.6:
        collar = "fold"
    if collar == "fold":
        style, size = "collar", 0.2 * size
    cuff = rng.uniform(0, 1) if kind in ("long", "pullover", "threequarter") else 0.0
    flare = {"tshirt": rng.uniform(0.002, 0.022), "tank": 0.0}.get(kind, rng.uniform(0.002, 0.016))
    base = {"tank": 0.008, "pullover": 0.016}.get(kind, 0.011)

    def stands_off(chart: Chart) -> np.ndarray:
        trunk = 1 - step(chart.arm, 0.3, 0.8)
        low = step(marks.neck[1] - chart.y, 0.12 * u, 0.42 * u)
        body = base + 0.006 * loose + (0.004 + 0.022 * loose) * low
        along = np.clip(chart.arm_along, 0, 1)
        arm = base + 0.006 * loose + flare * np.clip(along / 0.35, 0, 1) * (1 - 0.5 * along)
        if sleeve is not None and sleeve > 0.85:
            arm = arm * (1 - 0.75 * cuff * step(along, 0.84, 0.95)) + 0.003
        return (trunk * body + (1 - trunk) * arm) * u

    return Garment(
        kind=kind,
        mesh="tights",
        material={"pullover": SWEAT, "long": SHIRTING, "threequarter": SHIRTING}.get(kind, KNIT),
        covers=upper_field(marks, hem_y, sleeve, style, size),
        stands_off=stands_off,
        collar=collar,
        folds=rng.uniform(0.6, 1.5),
        smoothing=14,
    )


def trousers(marks: Landmarks, rng: np.random.Generator, kind: str, waist_y: float) -> Garment:
    """Trousers, shorts or leggings up to a rest height [m]."""
    u = marks.unit
    cut = str(rng.choice(["slim", "straight", "wide"], p=[0.4, 0.45, 0.15]))
    end = {"trousers": rng.uniform(0.97, 1.05), "cropped": rng.uniform(0.72, 0.9), "shorts": rng.uniform(0.28, 0.5),
           "leggings": rng.uniform(0.9, 1.0)}[kind]  # fmt: skip
    top, bottom = {"slim": (0.007, 0.010), "straight": (0.012, 0.026), "wide": (0.018, 0.055)}[cut]
    if kind == "leggings":
        top, bottom = 0.003, 0.003
    if kind == "shorts":
        bottom = top + rng.uniform(0.005, 0.05)
    cuffed = kind == "trousers" and rng.random() < 0.2

    def stands_off(chart: Chart) -> np.ndarray:
        along = np.clip(chart.leg_along / end, 0, 1)
        leg = top + (bottom - top) * along
        if cuffed:
            leg = leg * (1 - 0.7 * step(chart.leg_along, 0.88, 0.95)) + 0.003
        near_waist = step(waist_y - chart.y, 0.0, 0.1 * u)
        return (0.005 + (leg - 0.005) * near_waist) * u

    return Garment(
        kind=kind,
        mesh="tights",
        material=STRETCH if kind == "leggings" else (DENIM if rng.random() < 0.6 else DRAPE),
        covers=lower_field(marks, waist_y, end),
        stands_off=stands_off,
        collar="",
        folds=0.15 if kind == "leggings" else rng.uniform(0.6, 1.5),
        smoothing=6,
    )


def skirt(marks: Landmarks, rng: np.random.Generator, waist_y: float) -> Garment:
    """A skirt up to a rest height [m]."""
    u = marks.unit
    length = rng.uniform(0.38, 0.95) if rng.random() < 0.75 else rng.uniform(0.25, 0.4)
    hem_y = marks.hip[1] - length * 0.78 * marks.leg_length
    flare, pleats, depth = rng.uniform(-0.25, 0.25), int(rng.integers(7, 18)), rng.uniform(0.0, 0.02)
    if rng.random() < WIDE_SKIRTS:
        flare, depth = rng.uniform(0.3, 1.1), rng.uniform(0.01, 0.035)
    phase = rng.uniform(0, 2 * np.pi)

    def covers(chart: Chart) -> np.ndarray:
        return np.where(chart.arm > 0.3, -FAR, np.minimum(chart.y - hem_y, waist_y - chart.y))

    def fall(chart: Chart) -> np.ndarray:
        return step(waist_y - chart.y, 0.06 * u, 0.5 * u)

    def stands_off(chart: Chart) -> np.ndarray:
        angle = np.arctan2(chart.x, chart.z - marks.hip[2])
        return (0.006 + 0.006 * fall(chart) + depth * fall(chart) * np.sin(pleats * angle + phase)) * u

    def shape(chart: Chart, points: np.ndarray) -> np.ndarray:
        return widened(points, marks, 1 + flare * fall(chart))

    return Garment(
        kind="skirt",
        mesh="skirt",
        material=FALLING,
        covers=covers,
        stands_off=stands_off,
        collar="",
        folds=rng.uniform(0.3, 1.0),
        smoothing=10,
        shape=shape,
    )
