"""Backgrounds that need no photos: rooms in perspective, studio sweeps, open air; seeded and a little out of focus.

Everything is painted on a small canvas with the standing person's horizon in mind and enlarged: a background is blurred
by depth of field anyway, and a 2048 px canvas costs a few hundredths of a second.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

PAINTED = 512
"""Side of the canvas that is painted [px]; the finest detail of any background."""


def procedural_background(size: int, rng: np.random.Generator) -> np.ndarray:
    """A background for a size x size canvas.

    Returns:
        (size, size, 3) uint8 RGB; the same generator state gives the same bits.
    """
    paint = (_room, _studio, _open_air)[int(rng.choice(3, p=[0.65, 0.15, 0.2]))]
    picture = _lit(paint(rng), rng)
    sigma = rng.uniform(0.4, 4.0)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma)
    picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    # One tile of grain, repeated: noise for every pixel would take longer than all the rest.
    grain = rng.normal(0, rng.uniform(0.5, 2.5), size=(256, 256)).astype(np.float32)
    picture += np.tile(grain, (-(-size // 256), -(-size // 256)))[:size, :size, None]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _color(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
    """(3,) float32 in [0, 255]; warm hues, which rooms have, are more likely than cold ones."""
    hue = rng.normal(0.09, 0.06) if rng.random() < 0.6 else rng.random()
    return np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(*saturation), rng.uniform(*value)), np.float32) * 255


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> np.ndarray:
    """`shape` float32 in about [-1, 1], changing over the picture's height / cells[0] and width / cells[1]."""
    coarse = rng.uniform(-1, 1, size=(cells[0] + 3, cells[1] + 3)).astype(np.float32)
    large = cv2.resize(coarse, None, fx=shape[1] / cells[1], fy=shape[0] / cells[0], interpolation=cv2.INTER_CUBIC)
    return large[: shape[0], : shape[1]]


def _lit(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off from one place, as from a window or a lamp."""
    y, x = np.mgrid[0:PAINTED, 0:PAINTED].astype(np.float32) / PAINTED
    distance = (x - rng.uniform(-0.2, 1.2)) ** 2 + (y - rng.uniform(-0.3, 0.6)) ** 2
    light = rng.uniform(0.55, 0.95) + rng.uniform(0.1, 0.7) * np.exp(-distance / rng.uniform(0.1, 0.9))
    tint = 1 + rng.uniform(-0.07, 0.07) * np.array([1, 0, -1], np.float32)
    return picture * light[..., None] * tint


def _floor(picture: np.ndarray, horizon: int, vanishing: int, rng: np.random.Generator) -> None:
    """Planks, tiles or carpet below the horizon, in perspective."""
    rows, columns = np.mgrid[horizon:PAINTED, 0:PAINTED].astype(np.float32)
    eye = rng.uniform(0.5, 1.5) * (horizon - rng.uniform(0.25, 0.5) * PAINTED)
    depth = PAINTED / (rows - horizon + max(eye, 60.0))
    across, along = (columns - vanishing) / PAINTED * depth * 4, depth * 14
    color, other = _color(rng, (0.05, 0.5), (0.2, 0.75)), _color(rng, (0.0, 0.4), (0.2, 0.8))
    kind = rng.integers(3)
    if kind == 0:  # planks: each its own shade, dark joints between them
        board = np.floor(across * rng.uniform(2, 5))
        shade = np.mod(np.sin(board * 12.9898 + np.floor(along / 3 + board * 0.37) * 78.233) * 43758.5, 1.0)
        texture = 0.85 + 0.25 * shade
    elif kind == 1:  # tiles
        side = rng.uniform(0.7, 2.0)
        joint = (np.mod(across / side, 1) < 0.05) | (np.mod(along / side, 1) < 0.05)
        checked = np.mod(np.floor(across / side) + np.floor(along / side), 2) if rng.random() < 0.4 else joint
        texture = np.where(joint, 0.75, 1.0)
        color = color + (other - color) * 0.5 * checked[..., None]
    else:  # carpet
        texture = 1 + 0.08 * _smooth_noise(rng, rows.shape, (40, 120))
    fade = 0.8 + 0.3 * (rows - horizon) / max(PAINTED - horizon, 1)
    picture[horizon:] = color * (texture * fade)[..., None]


def _wall(picture: np.ndarray, top: int, bottom: int, rng: np.random.Generator) -> None:
    """One color or wallpaper, with a skirting board, and perhaps panels below."""
    wall = _color(rng, (0.02, 0.35), (0.45, 0.95))
    picture[top:bottom] = wall * (1 + 0.03 * _smooth_noise(rng, (bottom - top, PAINTED), (6, 6)))[..., None]
    if rng.random() < 0.3:
        stripes = np.sin(np.arange(PAINTED) * rng.uniform(0.1, 0.6)) > rng.uniform(-0.3, 0.6)
        picture[top:bottom, stripes] *= rng.uniform(0.86, 0.97)
    if rng.random() < 0.2:  # bricks
        rows, columns = np.mgrid[top:bottom, 0:PAINTED]
        high = int(rng.integers(8, 18))
        course = rows // high
        shift = columns + (course % 2) * high
        shade = np.mod(np.sin(course * 12.9 + shift // (2 * high) * 78.2) * 43758.5, 1.0)
        joint = (rows % high < 2) | (shift % (2 * high) < 2)
        picture[top:bottom] *= np.where(joint, 1.15, 0.8 + 0.3 * shade)[..., None]
    if rng.random() < 0.7:
        high = int(rng.integers(4, 16))
        picture[bottom - high : bottom] = _color(rng, (0.0, 0.3), (0.2, 0.95))


def _box(picture: np.ndarray, corners: tuple[int, int, int, int], fill: np.ndarray, rng: np.random.Generator) -> None:
    """A framed rectangle (left, top, right, bottom): a picture, a window, a door, a board."""
    left, top, right, bottom = corners
    cv2.rectangle(picture, (left, top), (right, bottom), _color(rng, (0, 0.4), (0.1, 0.9)).tolist(), -1)
    frame = int(rng.integers(2, 7))
    inner = picture[top + frame : bottom - frame, left + frame : right - frame]
    if inner.size:
        noise = _smooth_noise(rng, inner.shape[:2], (int(rng.integers(1, 6)), int(rng.integers(1, 6))))
        inner[...] = fill * (1 + rng.uniform(0.0, 0.5) * noise)[..., None]


def _shelf(picture: np.ndarray, corners: tuple[int, int, int, int], rng: np.random.Generator) -> None:
    """Boards full of books and boxes in a rectangle (left, top, right, bottom)."""
    left, top, right, bottom = corners
    picture[top:bottom, left:right] = _color(rng, (0.1, 0.5), (0.1, 0.5))
    high = int(rng.integers(24, 48))
    for board in range(bottom, top + high, -high):
        x = left + 3
        while x < right - 6:
            wide, tall = int(rng.integers(3, 14)), int(high * rng.uniform(0.45, 0.9))
            picture[board - tall : board - 2, x : min(x + wide, right - 3)] = _color(rng, (0.1, 0.8), (0.1, 0.9))
            x += wide + int(rng.integers(0, 3))
        picture[board - 2 : board, left:right] = _color(rng, (0.1, 0.4), (0.3, 0.7))


def _furnish(picture: np.ndarray, horizon: int, rng: np.random.Generator) -> None:
    """Things on the wall, then things before it."""
    for _ in range(rng.integers(1, 6)):
        wide, tall = (int(value) for value in rng.integers(30, 150, size=2))
        left, top = int(rng.integers(-40, PAINTED - 20)), int(rng.integers(0, max(horizon - 60, 1)))
        corners = (max(left, 0), top, min(left + wide, PAINTED - 1), min(top + tall, horizon - 20))
        if corners[2] - corners[0] > 12 and corners[3] - corners[1] > 12:
            window = rng.random() < 0.35
            fill = np.array([225, 235, 250], np.float32) if window else _color(rng, (0.1, 0.7), (0.2, 0.9))
            _box(picture, corners, fill, rng)
    if rng.random() < 0.45:
        left = int(rng.integers(0, PAINTED - 80))
        top = int(rng.integers(40, 200))
        _shelf(picture, (left, top, min(left + int(rng.integers(60, 220)), PAINTED), horizon), rng)
    for _ in range(rng.integers(0, 5)):  # sofas, boxes, plants: round or square, standing on the floor
        centre, foot = int(rng.integers(0, PAINTED)), horizon + int(rng.integers(0, 50))
        wide, tall = int(rng.integers(20, 110)), int(rng.integers(30, 160))
        color = _color(rng, (0.1, 0.7), (0.1, 0.8)).tolist()
        reach = int(0.6 * wide)
        picture[foot - 4 : foot + 8, max(centre - reach, 0) : centre + reach] *= 0.6  # its shadow
        if rng.random() < 0.5:
            cv2.rectangle(picture, (centre - wide // 2, foot - tall), (centre + wide // 2, foot), color, -1)
        else:
            cv2.ellipse(picture, (centre, foot - tall // 2), (wide // 2, tall // 2), 0, 0, 360, color, -1)


def _room(rng: np.random.Generator) -> np.ndarray:
    """A wall with things on it, a floor, perhaps a side wall."""
    picture = np.zeros((PAINTED, PAINTED, 3), dtype=np.float32)
    horizon, vanishing = int(rng.uniform(0.62, 0.85) * PAINTED), int(rng.uniform(0.2, 0.8) * PAINTED)
    _floor(picture, horizon, vanishing, rng)
    _wall(picture, 0, horizon, rng)
    _furnish(picture, horizon, rng)
    if rng.random() < 0.4:
        corner = int(rng.uniform(0.1, 0.35) * PAINTED)
        side = np.array([[0, 0], [corner, 0], [corner, horizon], [0, PAINTED]])
        cv2.fillPoly(picture, [side], _color(rng, (0.02, 0.3), (0.35, 0.85)).tolist())
    return picture if rng.random() < 0.5 else picture[:, ::-1].copy()


def _studio(rng: np.random.Generator) -> np.ndarray:
    """A paper sweep: one color, brighter behind the person, the floor rounding into the wall."""
    y, x = np.mgrid[0:PAINTED, 0:PAINTED].astype(np.float32) / PAINTED
    glow = np.exp(-((x - 0.5) ** 2 + (y - rng.uniform(0.3, 0.6)) ** 2) / rng.uniform(0.08, 0.5))
    bend = 1 / (1 + np.exp(-(y - rng.uniform(0.7, 0.85)) * rng.uniform(15, 60)))
    shade = rng.uniform(0.5, 0.9) + rng.uniform(0.1, 0.4) * glow + rng.uniform(-0.15, 0.1) * bend
    return _color(rng, (0.0, 0.5), (0.2, 1.0)) * shade[..., None]


def _tree(
    picture: np.ndarray, centre: tuple[int, int], radii: tuple[int, int], green: np.ndarray, rng: np.random.Generator
) -> None:
    """A crown of overlapping clumps, lighter towards the top."""
    for _ in range(24):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * 0.8
        x, y = (int(c + r * reach * f(angle)) for c, r, f in zip(centre, radii, (np.cos, np.sin), strict=True))
        shade = rng.uniform(0.75, 1.1) - 0.25 * (y - centre[1]) / radii[1]
        cv2.circle(picture, (x, y), max(min(radii) // 3, 3), (green * shade).tolist(), -1)


def _open_air(rng: np.random.Generator) -> np.ndarray:
    """Sky, something green or built along the horizon, ground."""
    y = np.linspace(0, 1, PAINTED, dtype=np.float32)[:, None, None]
    sky, haze = np.array([110, 160, 220], np.float32) * rng.uniform(0.7, 1.1), np.array([225, 228, 230], np.float32)
    picture = np.broadcast_to(sky + (haze - sky) * y * rng.uniform(0.8, 1.3), (PAINTED, PAINTED, 3)).copy()
    picture += 18 * _smooth_noise(rng, (PAINTED, PAINTED), (6, 4))[..., None]
    horizon = int(rng.uniform(0.5, 0.75) * PAINTED)
    for _ in range(rng.integers(6, 28)):
        x, wide, tall = int(rng.integers(0, PAINTED)), int(rng.integers(20, 110)), int(rng.integers(30, 260))
        if rng.random() < 0.6:
            green = np.array([60, 90, 45], np.float32) * rng.uniform(0.5, 1.4)
            _tree(picture, (x, horizon - tall // 3), (wide // 2, tall // 2), green, rng)
        else:
            house = _color(rng, (0.02, 0.3), (0.4, 0.85)).tolist()
            cv2.rectangle(picture, (x - wide // 2, horizon - tall), (x + wide // 2, horizon), house, -1)
            for row in range(horizon - tall + 8, horizon - 10, 18):
                for column in range(x - wide // 2 + 6, x + wide // 2 - 8, 14):
                    cv2.rectangle(picture, (column, row), (column + 6, row + 9), (60, 70, 85), -1)
    ground = _color(rng, (0.02, 0.4), (0.3, 0.65)) if rng.random() < 0.6 else np.array([85, 110, 60], np.float32)
    below = (PAINTED - horizon, PAINTED)
    near = np.linspace(0.3, 1, PAINTED - horizon, dtype=np.float32)[:, None]
    texture = near * (0.05 * _smooth_noise(rng, below, (60, 90)) + 0.12 * _smooth_noise(rng, below, (8, 3)))
    picture[horizon:] = ground * (1 + texture)[..., None]
    return picture
