"""Skin, lips, brows, eyes and hair: colors of a head and of hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.body import Figure
from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.fabrics import sample_color, srgb
from datasets.synthetic.haircut import HairStyle, beard_field
from datasets.synthetic.noise import fractal_noise, noise

TONES = ("#e3bfa6", "#d8ad90", "#cc9c7d", "#bd8a6a", "#a87555", "#8d5f43", "#6f4833", "#543627", "#402a20")
"""Skin under even light, from fair to dark."""
HAIR = ("#14100e", "#1f1712", "#33241a", "#4a3321", "#6b4a2f", "#8c6a45", "#b3915f", "#6e3a22", "#8f4a2a")
IRIS = ("#3a2415", "#2a1a10", "#5a3d22", "#4d6a80", "#5b6b4a", "#6f7f86")


@dataclass(frozen=True)
class Complexion:
    """Colors of one person."""

    tone: np.ndarray  # (3,)
    hair: np.ndarray  # (3,)
    iris: np.ndarray  # (3,)
    lips: np.ndarray  # (3,) multiplies the tone
    brows: float  # how dark and wide
    stubble: float  # in [0, 1]
    blotches: float  # how uneven
    age: float  # 0 young, 1 old
    socks: np.ndarray | None  # (3,) None: bare ankles
    sock_top: float  # where socks end, as a fraction of the leg
    seed: int


def sample_complexion(figure: Figure, rng: np.random.Generator, bearded: bool) -> Complexion:
    """Colors that go with ancestry and age."""
    ancestry = {name: figure.phenotypes[name] for name in ("african", "asian", "caucasian")}
    total = sum(ancestry.values())
    mean = (6.6 * ancestry["african"] + 2.6 * ancestry["asian"] + 1.3 * ancestry["caucasian"]) / total
    place = float(np.clip(rng.normal(mean, 0.9), 0, len(TONES) - 1))
    tones = np.array([srgb(code) for code in TONES])
    tone = np.array([np.interp(place, np.arange(len(TONES)), tones[:, k]) for k in range(3)])
    tone = np.clip(tone * rng.normal(1, 0.02, 3), 0, 0.92)
    dark = place > 3.2 or rng.random() < ancestry["asian"] / total
    hair = srgb(str(rng.choice(HAIR[:3] if dark else HAIR)))
    grey = np.clip((figure.years - rng.uniform(35, 65)) / 20, 0, 1) if figure.years > 35 else 0.0
    hair = hair * (1 - grey) + grey * rng.uniform(0.45, 0.8)
    male = figure.phenotypes["gender"] < 0.5
    stubble = rng.uniform(0, 0.6) if male and figure.years > 18 and not bearded else 0.0
    made_up = not male and figure.years > 16 and rng.random() < 0.35
    lips = np.array([0.92, 0.62, 0.60]) if made_up else np.array([0.90, 0.74, 0.74])
    socks = sample_color("shoe", rng) if rng.random() < 0.7 else None
    return Complexion(
        tone=tone,
        hair=np.clip(hair, 0.03, 0.9),
        iris=srgb(str(rng.choice(IRIS[:2] if dark else IRIS))),
        lips=lips,
        brows=rng.uniform(0.6, 1.0),
        stubble=float(stubble),
        blotches=rng.uniform(0.5, 1.5),
        age=float(np.clip((figure.years - 40) / 35, 0, 1)),
        socks=socks,
        sock_top=float(rng.uniform(0.78, 0.93)),
        seed=int(rng.integers(2**31)),
    )


def _bump(square: np.ndarray) -> np.ndarray:
    return np.exp(-square)


def skin_color(
    complexion: Complexion, style: HairStyle, chart: Chart, scalp: np.ndarray, marks: Landmarks
) -> np.ndarray:
    """(N, 3) sRGB of points on the skin; `scalp` is positive where head hair grows."""
    p, seed = chart.position / marks.unit, complexion.seed
    uneven = 0.03 * fractal_noise(p, 18.0, seed, 3) + 0.012 * noise(p, 160.0, seed + 7)
    color = complexion.tone * (1 + complexion.blotches * uneven)[:, None]
    red = complexion.blotches * (0.02 * noise(p, 30.0, seed + 9) + 0.05 * (chart.hand > 0.5))
    color = color * (1 - np.clip(red, -0.1, 0.2)[:, None] * np.array([0.0, 0.7, 0.6]))
    head = chart.head > 0.5
    if head.any():
        color[head] = _face(complexion, style, chart.position[head], color[head], scalp=scalp[head], marks=marks)
    if complexion.socks is not None:
        sock = (chart.foot > 0.3) | (chart.leg_along > complexion.sock_top)
        knit = 1 + 0.05 * noise(p, (250, 40, 250), seed + 3)
        color = np.where((sock & (chart.leg + chart.foot > 0.5))[:, None], complexion.socks * knit[:, None], color)
    return np.clip(color, 0, 1)


def _face(
    complexion: Complexion, style: HairStyle, points: np.ndarray, color: np.ndarray, scalp: np.ndarray, marks: Landmarks
) -> np.ndarray:
    """Color of a head: cheeks, lips, brows, lids, stubble, and the shade of hair under a haircut."""
    nose, left_eye = marks.face["nose"], marks.face["left_eye"]
    size = (nose[2] - marks.face["left_ear"][2]) / 0.1  # 1 for an adult
    x, y, z = np.abs(points[:, 0]) / size, (points[:, 1] - nose[1]) / size, (points[:, 2] - nose[2]) / size
    front = np.clip((z + 0.085) / 0.03, 0, 1)
    eye_x, eye_y = abs(left_eye[0]) / size, (left_eye[1] - nose[1]) / size
    cheeks = _bump(((x - 1.3 * eye_x) / 0.02) ** 2 + ((y - 0.004) / 0.02) ** 2) + 0.8 * _bump(
        (x / 0.014) ** 2 + (y / 0.012) ** 2
    )
    color = color * (1 - front * cheeks)[:, None] + color * (front * cheeks)[:, None] * np.array([1.0, 0.95, 0.95])
    lids = _bump(((x - eye_x) / 0.02) ** 2 + ((y - eye_y) / 0.011) ** 2) * front
    color = color * (1 - (0.16 + 0.1 * complexion.age) * lids[:, None] * np.array([0.9, 1.0, 0.95]))
    lash = _bump(((np.hypot((x - eye_x) / 1.55, y - eye_y) - 0.0085) / 0.0016) ** 2) * front
    color = color * (1 - 0.45 * lash)[:, None]
    lips = np.clip(1.5 - ((x / 0.026) ** 2 + ((y + 0.037) / 0.0105) ** 2) * 1.1, 0, 1) * front
    color = color * (1 - lips[:, None] * (1 - complexion.lips))
    crease = _bump((x / 0.024) ** 4 + ((y + 0.0365) / 0.0012) ** 2) * front
    color = color * (1 - 0.4 * crease)[:, None]
    arch = eye_y + 0.0195 - 8.0 * (x - eye_x - 0.004) ** 2
    brow = np.clip(
        1.6 - ((x - eye_x - 0.001) / 0.020) ** 4 - ((y - arch) / (0.0032 + 0.0015 * complexion.brows)) ** 2, 0, 1
    )
    brow = brow * front * complexion.brows * (0.75 + 0.25 * np.clip(noise(points, (600, 250, 400), 3), -1, 1))
    color = color * (1 - 0.85 * brow)[:, None] + (0.85 * brow)[:, None] * complexion.hair * 0.75
    nostril = _bump(((x - 0.0085) / 0.004) ** 2 + ((y + 0.0115) / 0.003) ** 2) * (z > -0.03)
    color = color * (1 - 0.5 * nostril)[:, None]
    if complexion.stubble > 0:
        shade = np.clip(beard_field(points, marks) * 2, 0, 1) * complexion.stubble
        grain = 0.5 + 0.12 * noise(points, 1500.0, 4)
        color = color + (complexion.hair * 0.6 + 0.1 - color) * np.clip(shade * grain, 0, 0.6)[:, None]
    if style.kind != "bald":
        cover = np.clip(scalp * 8 + 0.2, 0, 0.9)
        color = color + (complexion.hair * 0.85 - color) * cover[:, None]
    return color


def eye_color(complexion: Complexion, points: np.ndarray, marks: Landmarks) -> np.ndarray:
    """(N, 3) sRGB of the eye balls at rest-pose points."""
    centre = marks.eye * np.where(points[:, :1] > 0, 1, [-1, 1, 1])
    across = np.hypot(points[:, 0] - centre[:, 0], points[:, 1] - centre[:, 1]) / marks.unit
    front = (points[:, 2] > centre[:, 2])[:, None]
    white = np.array([0.80, 0.77, 0.74]) * (1 - 0.25 * np.clip((across - 0.006) / 0.006, 0, 1))[:, None]
    iris = complexion.iris * (0.75 + 0.5 * np.clip(across / 0.0058, 0, 1))[:, None]
    color = np.where((across < 0.0059)[:, None] & front, iris, white)
    return np.where((across < 0.0026)[:, None] & front, 0.02, color)


def hair_color(
    complexion: Complexion, style: HairStyle, points: np.ndarray, ramp: np.ndarray, marks: Landmarks
) -> np.ndarray:
    """(N, 3) sRGB of hair at rest-pose points: strands, darker roots, the skin shining through at the hairline."""
    p = points / marks.unit
    centre = marks.face["left_ear"] * [0, 1, 1] / marks.unit
    angle = np.arctan2(p[:, 0], p[:, 2] - centre[2])
    around = np.stack([np.cos(angle), np.sin(angle), 0.5 * p[:, 1]], 1)
    if style.kind == "buzz":
        strands = 0.6 * noise(p, 1100.0, complexion.seed) + 0.3 * noise(p, 500.0, complexion.seed + 1)
    elif style.kind in ("afro", "curly"):
        strands = 0.5 * noise(p, 260.0, complexion.seed) + 0.3 * noise(p, 90.0, complexion.seed + 1)
    else:
        strands = 0.5 * noise(around, (60, 60, 6), complexion.seed) + 0.5 * noise(
            around, (170, 170, 9), complexion.seed + 1
        )
    color = complexion.hair * (1 + 0.16 * strands)[:, None]
    thin = np.clip(1 - 2.5 * ramp, 0, 0.55)[:, None]
    return np.clip(color + (complexion.tone - color) * thin, 0, 1)
