"""Augmentation of training photos: light, background, camera, framing (METHOD.md 8.2, and more where wanted).

All randomness comes from the generator that is handed in, so a sample is a function of its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from datasets.pairs.backgrounds import composite, open_backgrounds
from datasets.people.square_canvas import cut_out, dimmed
from geometry.camera import Camera
from geometry.coarse_grid import coarse_pixels
from geometry.depth import decode_network, distance_from_network, network_from_distance
from geometry.keypoints import INDEX, MIRRORED

WAIST = 0.7
"""Of the way from the shoulders to the hips."""
LARGEST_CUT, HEAD_ROOM = 1.8, 0.95
"""Of people cut at their waist or legs: how much they are enlarged at most, and how high they stand in the picture."""


@dataclass(frozen=True)
class AugmentationConfig:
    """Ranges of the randomisation. The defaults are the paper's (METHOD.md 8.2): all below the background is off."""

    brightness: tuple[float, ...] = (0.7, 1.0)  # factors, low and high
    contrast: tuple[float, ...] = (0.7, 1.0)
    saturation: tuple[float, ...] = (0.7, 1.0)
    background: float = 0.9  # fraction of the photos with a background; the others stay black
    background_photos: str | None = "IndoorCVPR09"  # folder in the data folder; None: painted rooms
    cut_out: float = 0.0  # fraction of all photos whose background is then removed with an imprecise mask, as at test
    cut_out_error: float = 0.0  # how far that mask strays [fraction of the canvas]
    gamma: float = 0.0  # exponent e^+-this
    color_cast: float = 0.0  # each channel times 1 +- this
    side_light: float = 0.0  # brightness changes by +- this across the photo
    blur: float = 0.0  # up to this standard deviation [fraction of the canvas]
    noise: float = 0.0  # up to this standard deviation [of 255]
    jpeg: tuple[float, ...] = ()  # quality, low and high
    scale: tuple[float, ...] = (1.0, 1.0)  # size of the person, low and high
    shift: float = 0.0  # up to this in x and y [fraction of the canvas]
    joint_noise: float = 0.0  # standard deviation [fraction of the canvas]
    cut: float = 0.0  # fraction of the photos that end above the feet, anywhere from the waist to the ankles
    mirror: float = 0.0  # fraction of the photos that are mirrored

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            lengths = (0, 2) if field.default == () else (2,)
            if isinstance(value, tuple) and (len(value) not in lengths or list(value) != sorted(value)):
                raise ValueError(f"augmentation.{field.name} is {list(value)}, expected [low, high]")
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not 0 <= number < np.inf for number in numbers):
                raise ValueError(f"augmentation.{field.name} is {value}, expected 0 or more")
        if self.scale[0] <= 0:
            raise ValueError(f"augmentation.scale is {list(self.scale)}, expected more than 0")
        if max(self.jpeg, default=0) > 100:
            raise ValueError(f"augmentation.jpeg is {list(self.jpeg)}, expected qualities up to 100")
        for name in ("background", "cut_out", "cut", "mirror"):
            if getattr(self, name) > 1:
                raise ValueError(f"augmentation.{name} is {getattr(self, name)}, expected a fraction of the photos")


@dataclass(frozen=True)
class View:
    """A person before the background is added."""

    rgb: np.ndarray  # (R, R, 3) uint8
    depth: np.ndarray  # (2, R, R) of front and back, 0 on the background: uint16 file values, or float32 network depth
    joints: np.ndarray  # (31, 2) [px]

    @property
    def person(self) -> np.ndarray:
        """(R, R) bool."""
        return self.depth[0] > 0

    @property
    def network_depth(self) -> np.ndarray:
        """(2, R, R) float32 of a view that is not thinned."""
        return self.depth if self.depth.dtype == np.float32 else decode_network(self.depth, len(self.rgb))


def view_of(rgb: np.ndarray, depth_files: tuple[np.ndarray, np.ndarray], joints: np.ndarray) -> View:
    """A view from file values: rgb (R, R, 3) uint8, depths (R, R) uint16 each, joints (31, 2) [px]."""
    return View(rgb, np.stack(depth_files), joints)


@lru_cache(maxsize=1)
def _cosine_to_axis(size: int) -> np.ndarray:
    """(size, size) float32 cosine of each ray with the camera's axis: the depth t is t cos along the axis."""
    return -Camera(size).rays()[..., 2].astype(np.float32)


def reframed(view: View, scale: float, shift: tuple[float, float], pixels: np.ndarray | None = None) -> View:
    """The person `scale` times as large about the world's origin, then moved in the picture.

    Depth along the axis scales with the person. The change of perspective is left out: a few pixels at scale 1.1.

    Args:
        shift: right and down [px].
        pixels: rows, and columns, of the new picture that are made; all when None. Joints stay those of the whole.
    """
    size = len(view.rgb)
    middle = (size - 1) / 2
    pixels = np.arange(size) if pixels is None else pixels
    across, down = (((pixels - middle - move) / scale + middle).astype(np.float32) for move in shift)
    sources = np.meshgrid(across, down)

    def warp(image: np.ndarray) -> np.ndarray:
        return cv2.remap(image, *sources, interpolation=cv2.INTER_LINEAR)

    cosine = _cosine_to_axis(size)
    made = cosine[np.ix_(pixels, pixels)]
    cover = warp(view.person.astype(np.float32))
    present = cover > 0.5
    depth = []
    for side in view.network_depth:
        height = np.where(view.person, 1 - distance_from_network(side) * cosine, 0)
        moved = scale * warp(height) / np.maximum(cover, 1e-6)
        depth.append(np.where(present, network_from_distance((1 - moved) / made), 0))
    joints = scale * (view.joints - size / 2) + size / 2 + shift
    return View(warp(view.rgb), np.stack(depth).astype(np.float32), joints)


def ending_above_the_feet(view: View, rng: np.random.Generator) -> tuple[float, tuple[float, float]]:
    """Scale and shift [px] for `reframed` that put the picture's end between waist and ankles; the person grows."""
    size = len(view.rgb)
    shoulders, hips, ankles = (
        view.joints[[INDEX[f"left_{name}"], INDEX[f"right_{name}"]], 1].mean() for name in ("shoulder", "hip", "ankle")
    )
    waist = shoulders + WAIST * (hips - shoulders)
    end, top = rng.uniform(waist, max(ankles, waist)), np.flatnonzero(view.person.any(1))[0]
    largest = min(LARGEST_CUT, HEAD_ROOM * size / max(end - top, 1))
    scale = float(rng.uniform(min(1.0, largest), largest))
    middle = (size - 1) / 2
    return scale, (float(rng.uniform(-0.1, 0.1) * size), float(size - 1 - middle - scale * (end - middle)))


def mirrored(view: View) -> View:
    """The person as a mirror shows it: left becomes right, in the picture, in the depth and in the joints' names."""
    joints = view.joints[list(MIRRORED)] * (-1, 1) + (len(view.rgb), 0)
    # cv2.flip is several times as fast as a copy of a reversed array.
    return View(cv2.flip(view.rgb, 1), np.stack([cv2.flip(side, 1) for side in view.depth]), joints)


def thinned(view: View) -> View:
    """What the coarse networks see of a view, a sixteenth of its pixels (`coarse_pixels`); joints stay as they are.

    Nothing that they learn from is lost, and everything that is done to a photo costs a sixteenth.
    """
    kept = coarse_pixels(len(view.rgb))
    rows, columns = np.ix_(kept, kept)
    return View(view.rgb[rows, columns], view.depth[:, rows, columns], view.joints)


def _between(limits: tuple[float, ...], rng: np.random.Generator) -> float:
    low, high = limits
    return rng.uniform(low, high)


class Augmentation:
    """Turns a rendered view into a photo.

    Args:
        config: ranges.
        root: data folder, where the background photos are.
        backdrop: of the model (datasets.people.square_canvas.cut_out).
        thin: for the coarse networks alone (`thinned`).

    Raises:
        InputError: there are no background photos.
    """

    def __init__(
        self, config: AugmentationConfig, root: Path, backdrop: tuple[int, ...] = (), thin: bool = False
    ) -> None:
        self.config = config
        self.backdrop = backdrop
        self.thin = thin
        photos = root / config.background_photos if config.background > 0 and config.background_photos else None
        self.backgrounds = open_backgrounds(photos)

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Raises InputError when no background photo can be read."""
        config, size = self.config, len(view.rgb)
        if config.mirror and rng.random() < config.mirror:
            view = mirrored(view)
        pixels = coarse_pixels(size) if self.thin else None
        if config.cut and rng.random() < config.cut:
            view = reframed(view, *ending_above_the_feet(view, rng), pixels)
        elif config.shift or set(config.scale) != {1.0}:
            shift = rng.uniform(-config.shift, config.shift, 2) * size
            view = reframed(view, _between(config.scale, rng), (shift[0], shift[1]), pixels)
        elif self.thin:
            view = thinned(view)
        joints = view.joints + rng.normal(0, 1, view.joints.shape) * config.joint_noise * size
        background = np.zeros_like(view.rgb)
        if rng.random() < config.background:
            background = self.backgrounds.background(len(view.rgb), rng)
        dimming = (
            _between(config.brightness, rng),
            _between(config.contrast, rng),
            _between(config.saturation, rng),
        )
        if rng.random() < config.cut_out:
            rgb = self._through_camera(composite(view.rgb, view.person, background), rng)
            rgb = cut_out(rgb, self._imprecise(view.person, rng), self.backdrop, dimming)
        else:
            rgb = self._through_camera(composite(dimmed(view.rgb, *dimming), view.person, background), rng)
        return View(rgb, view.depth, joints)

    def _imprecise(self, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The mask moved in and out along its border by a smooth random field."""
        reach = self.config.cut_out_error * len(person)
        outside = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 3)
        inside = cv2.distanceTransform(person.astype(np.uint8), cv2.DIST_L2, 3)
        field = cv2.resize(rng.normal(0, 1, (16, 16)).astype(np.float32), person.shape, interpolation=cv2.INTER_CUBIC)
        return inside - outside > field * reach

    def _through_camera(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Light, lens, sensor and file of a photo."""
        config = self.config
        if config.gamma:
            levels = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(-config.gamma, config.gamma))
            rgb = cv2.LUT(rgb, np.round(levels).astype(np.uint8))
        changed = bool(config.color_cast or config.side_light or config.blur or config.noise)
        image = self._through_lens(rgb, rng) if changed else rgb
        if config.jpeg and rng.random() < 0.5:
            quality = int(_between(config.jpeg, rng))
            decoded = cv2.imdecode(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
            )
            assert decoded is not None  # it has just been encoded
            return decoded
        return image

    def _through_lens(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Light, lens and sensor: all that is computed between 8 bits and 8 bits."""
        config, size = self.config, len(rgb)
        image: np.ndarray = rgb.astype(np.float32)
        if config.color_cast:
            image = image * rng.uniform(1 - config.color_cast, 1 + config.color_cast, 3).astype(np.float32)
        if config.side_light:
            angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, config.side_light)
            ramp = np.linspace(-1, 1, size, dtype=np.float32)
            image = image * (1 + strength * (np.cos(angle) * ramp + np.sin(angle) * ramp[:, None]))[..., None]
        if config.blur:
            sigma = rng.uniform(0, config.blur) * size
            image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image
        if config.noise:
            sigma = rng.uniform(0, config.noise)
            # One plane of noise for all channels, each shifted: a third of the time.
            grain = sigma * rng.standard_normal((size, size), dtype=np.float32)
            image = image + np.stack([grain, np.roll(grain, 97, 0), np.roll(grain, 89, 1)], axis=2)
        np.clip(np.round(image, out=image), 0, 255, out=image)
        return image.astype(np.uint8)
