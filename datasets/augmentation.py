"""What makes every training photo different: light, background, camera, framing (SPEC 8, and more where wanted).

All randomness comes from the generator that is handed in, so a sample is a function of its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.transforms.v2 import functional as adjust

from datasets.preprocess import TEST_DIMMING
from geometry.camera import Camera
from geometry.depth import decode_network, distance_from_network, network_from_distance
from utils.errors import InputError
from utils.files import read_photo

INDOOR_FOLDER = "IndoorCVPR09"
INDOOR_ENLARGED = 2.0
"""Indoor photos are enlarged by this on the canvas of 2048 px."""


@dataclass(frozen=True)
class AugmentationConfig:
    """Ranges of the randomisation. The defaults are the paper's (SPEC 8): everything below `indoor` is off."""

    brightness: tuple[float, ...] = (0.7, 1.0)  # factors, low and high
    contrast: tuple[float, ...] = (0.7, 1.0)
    saturation: tuple[float, ...] = (0.7, 1.0)
    indoor: float = 0.9  # share of the photos before an indoor photo
    invented: float = 0.0  # share before made-up shapes and colours; what is left stands before black
    cut_out: float = 0.0  # share of all photos whose background is then removed with an imprecise mask, as at test
    cut_out_error: float = 0.0  # how far that mask strays [share of the canvas]
    gamma: float = 0.0  # exponent e^+-this
    colour_cast: float = 0.0  # each channel times 1 +- this
    side_light: float = 0.0  # brightness changes by +- this across the photo
    blur: float = 0.0  # up to this standard deviation [share of the canvas]
    noise: float = 0.0  # up to this standard deviation [of 255]
    jpeg: tuple[float, ...] = ()  # quality, low and high
    scale: tuple[float, ...] = (1.0, 1.0)  # size of the person, low and high
    shift: float = 0.0  # up to this in x and y [share of the canvas]
    joint_noise: float = 0.0  # standard deviation [share of the canvas]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and (len(value) not in (0, 2) or list(value) != sorted(value)):
                raise ValueError(f"augmentation.{field.name} is {list(value)}, expected [low, high]")
        if self.indoor + self.invented > 1:
            raise ValueError(f"augmentation: indoor {self.indoor} + invented {self.invented}, expected at most 1")


@dataclass(frozen=True)
class View:
    """A person before the background is added."""

    rgb: np.ndarray  # (R, R, 3) uint8
    depth: np.ndarray  # (2, R, R) float32 network depth of front and back, 0 where nobody is
    joints: np.ndarray  # (31, 2) [px]

    @property
    def person(self) -> np.ndarray:
        """(R, R) bool."""
        return self.depth[0] > 0


def indoor_photos(root: Path) -> list[Path]:
    """The background photos of a data folder, in order.

    Raises:
        InputError: there are none.
    """
    folder = root / INDOOR_FOLDER
    photos = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not photos:
        raise InputError(f"{folder}: no photos, expected the MIT indoor scenes (or --set augmentation.indoor=0)")
    return photos


def view_of(rgb: np.ndarray, depth_files: tuple[np.ndarray, np.ndarray], joints: np.ndarray) -> View:
    """A view from file values: rgb (R, R, 3) uint8, depths (R, R) uint16 each, joints (31, 2) [px]."""
    return View(rgb, np.stack([decode_network(values, len(values)) for values in depth_files]), joints)


def reframed(view: View, scale: float, shift: tuple[float, float]) -> View:
    """The person `scale` times as large about the world's origin, then moved in the picture.

    Depth along the axis scales with the person. The change of perspective is left out: a few pixels at scale 1.1.

    Args:
        shift: right and down [px].
    """
    size = len(view.rgb)
    middle = (size - 1) / 2
    move = np.array([[scale, 0, middle * (1 - scale) + shift[0]], [0, scale, middle * (1 - scale) + shift[1]]])
    warp = lambda image: cv2.warpAffine(image, move, (size, size), flags=cv2.INTER_LINEAR)  # noqa: E731
    # Cosine between each pixel's ray and the camera's axis: along the ray t, along the axis t cos.
    cosine = -Camera(size).rays()[..., 2]
    cover = warp(view.person.astype(np.float64))
    present = cover > 0.5
    depth = []
    for side in view.depth:
        height = np.where(view.person, 1 - distance_from_network(side.astype(np.float64)) * cosine, 0)
        moved = scale * warp(height) / np.maximum(cover, 1e-6)
        depth.append(np.where(present, network_from_distance((1 - moved) / cosine), 0))
    joints = scale * (view.joints - size / 2) + size / 2 + shift
    return View(warp(view.rgb), np.stack(depth).astype(np.float32), joints)


def composite(rgb: np.ndarray, person: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Put the person before a background; the silhouette's rim of one pixel is smoothed (SPEC 8).

    Args:
        rgb, background: (R, R, 3) uint8.
        person: (R, R) bool.
    """
    pasted = np.where(person[..., None], rgb, background)
    blurred = cv2.GaussianBlur(person.astype(np.float32), (3, 3), 0)
    rim = (blurred > 0.2) & (blurred < 0.8)
    smooth = cv2.GaussianBlur(cv2.medianBlur(pasted, 3), (5, 5), 0)
    return np.where(rim[..., None], smooth, pasted)


class Augmentation:
    """Turns a rendered view into a photo.

    Args:
        config: ranges.
        indoor: background photos; needed where `config.indoor` is above 0.
    """

    def __init__(self, config: AugmentationConfig, indoor: list[Path]) -> None:
        self.config = config
        self.indoor = indoor

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Raises InputError when a background photo cannot be read."""
        config, size = self.config, len(view.rgb)
        if config.shift or set(config.scale) != {1.0}:
            shift = rng.uniform(-config.shift, config.shift, 2) * size
            view = reframed(view, rng.uniform(*config.scale), tuple(shift))
        joints = view.joints + rng.normal(0, 1, view.joints.shape) * config.joint_noise * size
        background = self._background(size, rng)
        if rng.random() < config.cut_out:
            rgb = composite(view.rgb, view.person, background)
            rgb = self._through_camera(rgb, rng)
            rgb = np.where(self._imprecise(view.person, rng)[..., None], rgb, 0)
            rgb = self._dimmed(rgb, rng)
        else:
            rgb = composite(self._dimmed(view.rgb, rng), view.person, background)
            rgb = self._through_camera(rgb, rng)
        return View(rgb, view.depth, joints)

    def _dimmed(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        planes = torch.from_numpy(rgb).permute(2, 0, 1)
        for change in ("brightness", "contrast", "saturation"):
            factor = rng.uniform(*getattr(self.config, change))
            planes = getattr(adjust, f"adjust_{change}")(planes, factor)
        return planes.permute(1, 2, 0).numpy()

    def _background(self, size: int, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < self.config.indoor:
            return self._indoor(size, rng)
        if kind < self.config.indoor + self.config.invented:
            return _invented(size, rng)
        return np.zeros((size, size, 3), np.uint8)

    def _indoor(self, size: int, rng: np.random.Generator) -> np.ndarray:
        photo = read_photo(self.indoor[rng.integers(len(self.indoor))])[0]
        factor = max(INDOOR_ENLARGED * size / 2048, size / min(photo.shape[:2]))
        photo = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        # Rounding may leave a pixel short of the canvas.
        photo = cv2.copyMakeBorder(photo, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
        top, left = (rng.integers(side - size + 1) for side in photo.shape[:2])
        return photo[top : top + size, left : left + size]

    def _imprecise(self, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The mask moved in and out along its border by a smooth random field."""
        reach = self.config.cut_out_error * len(person)
        outside = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 3)
        inside = cv2.distanceTransform(person.astype(np.uint8), cv2.DIST_L2, 3)
        field = cv2.resize(rng.normal(0, 1, (16, 16)).astype(np.float32), person.shape, interpolation=cv2.INTER_CUBIC)
        return inside - outside > field * reach

    def _through_camera(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Light, lens, sensor and file of a photo."""
        config, size = self.config, len(rgb)
        image = rgb.astype(np.float32)
        if config.gamma:
            image = 255 * (image / 255) ** np.exp(rng.uniform(-config.gamma, config.gamma))
        if config.colour_cast:
            image = image * rng.uniform(1 - config.colour_cast, 1 + config.colour_cast, 3).astype(np.float32)
        if config.side_light:
            angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, config.side_light)
            ramp = np.linspace(-1, 1, size, dtype=np.float32)
            image = image * (1 + strength * (np.cos(angle) * ramp + np.sin(angle) * ramp[:, None]))[..., None]
        if config.blur:
            sigma = rng.uniform(0, config.blur) * size
            image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.2 else image
        if config.noise:
            sigma = rng.uniform(0, config.noise)
            image = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        image = np.clip(np.round(image), 0, 255).astype(np.uint8)
        if config.jpeg and rng.random() < 0.5:
            quality = int(rng.uniform(*config.jpeg))
            image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        return image


def _invented(size: int, rng: np.random.Generator) -> np.ndarray:
    """Clouds of colour at two scales, and a few rectangles and discs: nothing that looks like a person."""
    image = np.zeros((size, size, 3), np.float32)
    for cells, strength in ((3, 70), (24, 25)):
        clouds = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(clouds, (size, size), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + rng.uniform(0, 255, 3).astype(np.float32), 0, 255).astype(np.uint8)
    for _ in range(rng.integers(0, 12)):
        x, y = (int(value) for value in rng.integers(0, size, 2))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            far = tuple(int(value) for value in rng.integers(0, size, 2))
            cv2.rectangle(image, (x, y), far, colour, -1)
        else:
            cv2.circle(image, (x, y), int(rng.integers(2, size // 4)), colour, -1)
    return image


def as_at_test(view: View) -> View:
    """The person cut out and dimmed as at test, without any randomness."""
    rgb = torch.from_numpy(np.where(view.person[..., None], view.rgb, 0)).permute(2, 0, 1)
    for change in (adjust.adjust_brightness, adjust.adjust_contrast, adjust.adjust_saturation):
        rgb = change(rgb, TEST_DIMMING)
    return View(rgb.permute(1, 2, 0).numpy(), view.depth, view.joints)
