"""Procedural fabrics: color as a function of where a point was before the person was posed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.synthetic.chart import Chart, Landmarks
from datasets.synthetic.noise import fractal_noise, noise

WARDROBE = {
    "plain": (
        "#e8e6e1", "#d9d4c8", "#1d1d20", "#2b2c30", "#4a4b50", "#7b7d80", "#a9aaab", "#1f2a44", "#2f4468", "#5a7391",
        "#8fa3b5", "#3b4a3a", "#5c6549", "#7d7f64", "#5b2a2f", "#7a3b36", "#a4605a", "#c9a9a0", "#b59a76", "#8a6b4d",
        "#5e4634", "#c2b59b", "#3d5a5c", "#8c8398", "#c4bfd0", "#b8860b", "#c0563f", "#345e8a", "#9db7a5",
    ),
    "denim": (
        "#1f2738", "#2a3446", "#3b485f", "#516179", "#728298", "#93a1b0", "#24262a", "#3b3d42",
    ),
    "bottom": (
        "#1b1b1e", "#2a2b2f", "#3d3e42", "#5b5c5f", "#232b3d", "#33405a", "#6e6350", "#8b7a5e", "#a8977a", "#b9ae99",
        "#4b4f3c", "#3e3028", "#5b4a3f", "#6f2f35",
    ),
    "jacket": (
        "#17181b", "#25272c", "#3a3d42", "#1e2638", "#2f3a2e", "#4a4c3a", "#5a4636", "#7a6248", "#84705a", "#59231f",
        "#3a4b63", "#777a7c", "#4c3a30",
    ),
    "shoe": (
        "#f0efec", "#dcdad5", "#1a1a1c", "#2b2b2d", "#4a4a4c", "#5a3f2c", "#3b2a20", "#7b5b3e", "#2a3550", "#8a2f2f",
    ),
}  # fmt: skip
"""Colors that clothes really have: mostly muted, a few warm."""
PATTERNS = {"plain": 0.52, "stripes": 0.13, "print": 0.17, "check": 0.08, "melange": 0.10}
OUTER_PATTERNS = {"plain": 0.8, "check": 0.08, "melange": 0.12}


def srgb(code: str) -> np.ndarray:
    """(3,) in [0, 1] of "#rrggbb"."""
    return np.array([int(code[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def sample_color(palette: str, rng: np.random.Generator) -> np.ndarray:
    """(3,) a color of the wardrobe, slightly off."""
    color = srgb(str(rng.choice(WARDROBE[palette])))
    return np.clip(color * rng.uniform(0.88, 1.1) + rng.normal(0, 0.012, 3), 0.03, 0.95)


def choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """A key, with probability in proportion to its weight."""
    weight = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=weight / weight.sum()))


@dataclass(frozen=True)
class Fabric:
    """What a garment looks like."""

    pattern: str
    colors: np.ndarray  # (3, 3) sRGB: ground, second, third
    period: float  # of stripes and checks [m for a 1.7 m person]
    duty: float  # fraction that has the second color
    seed: int
    belt: np.ndarray | None = None  # (3,) color of a belt at the waist
    buttons: bool = False  # a placket with buttons down the front


def sample_fabric(kind: str, collar: str, rng: np.random.Generator) -> Fabric:
    """A fabric that such a garment is made of; shirts with a folded collar have buttons."""
    belt = None
    if kind in ("trousers", "cropped", "shorts"):
        pattern = choose(rng, {"denim": 0.45, "plain": 0.45, "melange": 0.06, "check": 0.04})
        palette = "denim" if pattern == "denim" else "bottom"
        if rng.random() < 0.3:
            belt = sample_color("shoe", rng) * 0.7
    elif kind in ("skirt", "leggings"):
        pattern = choose(rng, {"plain": 0.7, "check": 0.12, "stripes": 0.06, "dots": 0.12})
        palette = "bottom" if rng.random() < 0.7 else "plain"
        pattern = "plain" if kind == "leggings" else pattern
    elif kind in ("jacket", "coat"):
        pattern, palette = choose(rng, OUTER_PATTERNS), "jacket"
        if rng.random() < 0.15:
            pattern, palette = "denim", "denim"
    else:
        pattern, palette = choose(rng, PATTERNS), "plain"
    colors = np.stack([sample_color(palette, rng), sample_color("plain", rng), sample_color("plain", rng)])
    if pattern in ("check", "melange"):
        colors[1] = np.clip(colors[0] * rng.uniform(0.5, 0.8) + rng.uniform(0, 0.15), 0, 1)
    return Fabric(
        pattern,
        colors,
        period=rng.uniform(0.015, 0.07),
        duty=rng.uniform(0.2, 0.55),
        seed=int(rng.integers(2**31)),
        belt=belt,
        buttons=collar == "fold" and kind not in ("jacket", "coat"),
    )


def _wraps(chart: Chart, marks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """Distances along and around the trunk or the limb a point is on [m for a 1.7 m person]."""
    u = marks.unit
    arm, leg = chart.arm > 0.5, (chart.leg > 0.5) & (chart.y < marks.crotch_y)
    along = np.where(arm, chart.arm_along * marks.arm_length, marks.neck[1] - chart.y) / u
    x, z = np.abs(chart.x) / u, (chart.z - marks.hip[2]) / u
    height = (chart.y - marks.shoulder[1]) / u
    from_axis = 0.76 * (x - marks.shoulder[0] / u) + 0.64 * height
    leg_x = chart.x / u - np.sign(chart.x) * (0.11 + 0.11 * np.clip(chart.leg_along, 0, 1))
    around = np.where(arm, 0.055 * np.arctan2(from_axis, z), 0.15 * np.arctan2(chart.x / u, z))
    return along, np.where(leg, 0.085 * np.arctan2(leg_x, z), around)


def _bands(distance: np.ndarray, period: float, duty: float) -> np.ndarray:
    return np.mod(distance / period, 1) < duty


def _print(chart: Chart, marks: Landmarks, fabric: Fabric) -> np.ndarray:
    """Where a chest print has ink: a block of letter-like bars, a ring or a badge."""
    u = marks.unit
    x, y = chart.x / u, (chart.y - (marks.neck[1] - 0.17 * u)) / u
    front = (chart.z > marks.hip[2]) & (chart.arm < 0.4)
    draw = fabric.seed % 3
    if draw == 0:
        cells = np.stack([np.floor(x * 70), np.floor(y * 28), np.zeros_like(x)], 1)
        ink = (noise(cells, (0.9, 0.9, 1), fabric.seed) > -0.2) & (np.abs(np.mod(y * 28, 1) - 0.5) < 0.36)
        return front & (np.abs(x) < 0.095) & (np.abs(y) < 0.055) & ink
    if draw == 1:
        r = np.hypot(x, y)
        return front & (((r < 0.075) & (r > 0.055)) | (r < 0.028))
    return front & (np.abs(x - 0.07) < 0.018) & (np.abs(y - 0.03) < 0.014)


def _seams(kind: str, chart: Chart, edge: np.ndarray, marks: Landmarks) -> np.ndarray:
    """(N,) darkening in [0, 1] of hems, flies, pockets, plackets and side seams."""
    u = marks.unit

    def line(distance: np.ndarray, width: float) -> np.ndarray:
        return np.exp(-((distance / (width * u)) ** 2))

    dark = 0.18 * line(edge - 0.018 * u, 0.0012) + 0.2 * line(edge, 0.003)
    if kind in ("trousers", "cropped", "shorts"):
        back = chart.z < marks.hip[2]
        x, low = np.abs(chart.x), marks.hip[1] + 0.10 * u - chart.y
        dark = dark + 0.45 * line(edge - 0.035 * u, 0.0015) * (chart.leg < 0.97)
        dark = dark + 0.5 * line(chart.x, 0.002) * (low < 0.16 * u) * (low > -0.1 * u)
        pocket = x - (0.075 * u + 0.45 * low)
        dark = dark + 0.5 * line(pocket, 0.002) * ~back * (low > 0) * (low < 0.12 * u)
        patch = np.maximum(np.abs(x - 0.085 * u) - 0.05 * u, np.abs(low - 0.1 * u) - 0.055 * u)
        dark = dark + 0.5 * line(patch, 0.002) * back
    if kind in ("jacket", "coat"):
        dark = dark + 0.15 * line(edge - 0.03 * u, 0.0015)
        pocket = np.maximum(
            np.abs(np.abs(chart.x) - 0.11 * u) - 0.004 * u, np.abs(chart.y - marks.hip[1] - 0.1 * u) - 0.06 * u
        )
        dark = dark + 0.35 * line(np.maximum(pocket, 0), 0.0015) * (chart.z > marks.hip[2]) * (chart.arm < 0.4)
    return np.clip(dark, 0, 0.7)


def fabric_color(kind: str, fabric: Fabric, chart: Chart, edge: np.ndarray, marks: Landmarks) -> np.ndarray:
    """(N, 3) sRGB of points on a garment.

    Args:
        edge: (N,) distance to the nearest hem [m].
    """
    p = chart.position / marks.unit
    along, around = _wraps(chart, marks)
    ground, second, third = fabric.colors
    color = np.repeat(ground[None], len(p), 0)
    period = fabric.period
    if fabric.pattern == "stripes":
        color = np.where(_bands(along, period, fabric.duty)[:, None], second, color)
    elif fabric.pattern == "check":
        weave = 0.5 * _bands(along, period, 0.5) + 0.5 * _bands(around, period, 0.5)
        color = ground + (second - ground) * weave[:, None]
        thin = _bands(along + period / 4, period, 0.07) | _bands(around + period / 4, period, 0.07)
        color = np.where(thin[:, None], third, color)
    elif fabric.pattern == "dots":
        i, j = np.mod(along / period, 1) - 0.5, np.mod(around / period, 1) - 0.5
        color = np.where((i * i + j * j < 0.05)[:, None], second, color)
    elif fabric.pattern == "print":
        color = np.where(_print(chart, marks, fabric)[:, None], second, color)
    elif fabric.pattern == "melange":
        speckle = np.clip(0.35 + 0.25 * fractal_noise(p, (900, 400, 900), fabric.seed, 2), 0, 1)
        color = ground + (second - ground) * speckle[:, None]
    shade = 0.02 * fractal_noise(p, 9.0, fabric.seed + 1, 3) + 0.018 * noise(p, 420.0, fabric.seed + 2)
    if fabric.pattern == "denim":
        twill = noise(np.stack([p[:, 0] + 0.6 * p[:, 1], p[:, 1], p[:, 2]], 1), (700, 250, 700), fabric.seed + 3)
        worn = np.exp(-(((chart.leg_along - 0.3) / 0.22) ** 2)) * np.clip((chart.z - marks.hip[2]) / 0.08, 0, 1)
        shade = shade + 0.025 * twill + 0.3 * fabric.duty * worn * chart.leg
    shade = shade - _seams(kind, chart, edge, marks)
    color = color * (1 + shade)[:, None]
    if fabric.buttons:
        u, front = marks.unit, (chart.z > marks.hip[2]) & (chart.arm < 0.3)
        fold = np.exp(-(((np.abs(chart.x) - 0.017 * u) / (0.0015 * u)) ** 2)) * front
        spot = np.hypot(chart.x / u, np.mod(along, 0.085) - 0.04) < 0.0055
        color = np.where((spot & front)[:, None], 0.25 * color + 0.75 * third, color * (1 - 0.3 * fold)[:, None])
    if fabric.belt is not None:
        at_waist = (edge < 0.034 * marks.unit) & (chart.y > marks.hip[1] + 0.02 * marks.unit)
        color = np.where(at_waist[:, None], fabric.belt * (1 + 0.05 * noise(p, 60.0, fabric.seed))[:, None], color)
        buckle = at_waist & (np.abs(chart.x) < 0.022 * marks.unit) & (chart.z > marks.hip[2]) & (edge > 0.006)
        color = np.where(buckle[:, None], np.array([0.62, 0.6, 0.55]), color)
    return np.clip(color, 0, 1)


def shoe_color(kind: str, colors: np.ndarray, chart: Chart, height: np.ndarray, unit: float) -> np.ndarray:
    """(N, 3) sRGB of a shoe; `height` above the top of its sole [m], colors: (3, 3) upper, sole, laces."""
    p = chart.position / unit
    upper, sole, accent = colors
    color = np.repeat(upper[None], len(p), 0)
    if kind == "sneaker":
        foot_z = p[:, 2]
        laces = (np.abs(np.abs(p[:, 0]) - 0.235) < 0.03) & (height / unit > 0.05) & (foot_z > 0.05)
        color = np.where((laces & _bands(foot_z, 0.013, 0.45))[:, None], accent, color)
        color = np.where((height / unit < 0.004)[:, None], sole, color)
    else:
        color = np.where((height / unit < -0.004)[:, None], sole * 0.4, color)
    return np.clip(color * (1 + 0.03 * fractal_noise(p, 50.0, 5, 2))[:, None], 0, 1)


def sample_thing(kind: str, rng: np.random.Generator) -> np.ndarray:
    """(2, 3) the colors of a thing that is worn or held."""
    colors = np.stack([sample_color("shoe" if rng.random() < 0.6 else "plain", rng) for _ in range(2)])
    if kind in ("frame", "lens"):
        colors = np.clip(colors * (0.15 if kind == "lens" else 0.5), 0.02, 1)
    if kind == "hat" and rng.random() < 0.6:
        colors[1] = colors[0]
    return colors


def thing_color(colors: np.ndarray, chart: Chart, shade: np.ndarray, unit: float) -> np.ndarray:
    """(N, 3) sRGB of a thing; `shade` above 0.5 takes its second color."""
    color = np.where((shade > 0.5)[:, None], colors[1], colors[0])
    return np.clip(color * (1 + 0.025 * fractal_noise(chart.position / unit, 60.0, 11, 2))[:, None], 0, 1)
