"""Pictures of a textured person from any side, with its texture or as clay; and a turntable of both."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from PIL import Image

from geometry.mesh import unit
from geometry.textured_mesh import TexturedMesh
from utils.rasterizer import CLAY, Seen, Viewer, light_on, look_at, sampled

FILL = 0.94
"""Fraction of the picture's height that the person fills."""
TEXTURE_LIGHT = (0.62, 0.46)
"""Light on the texture, of which photos have much of their own: steady, and by the surface's direction."""
FRAMES, FRAME_HEIGHT, FRAME_MS = 24, 512, 90
"""Of a turntable: pictures for a full turn, their height [px], how long each is shown."""
TURNTABLE_BACKGROUND = 236
WEBP_QUALITY = 70


def around(surface: TexturedMesh, height: int, turn_deg: float, width: int | None = None) -> Viewer:
    """A viewer who sees all of a surface in a picture of a height, at the same scale from every side.

    Args:
        height, width: of the picture [px]; without a width, as wide as the surface needs from this side.
    """
    vertices = surface.mesh.vertices
    low, high = vertices.min(0), vertices.max(0)
    viewer = Viewer((low + high) / 2, FILL * height / max(high[1] - low[1], 1e-9), height, width or 0, turn_deg)
    if width is not None:
        return viewer
    across = (vertices - viewer.centre) @ viewer.rotation()[0]
    needed = 2 * float(abs(across).max()) * viewer.pixels_per_unit + (1 - FILL) * height
    return Viewer(viewer.centre, viewer.pixels_per_unit, height, int(np.ceil(needed)), turn_deg)


@dataclass(frozen=True)
class Portrait:
    """What a viewer sees of a textured surface."""

    surface: TexturedMesh
    seen: Seen
    light: np.ndarray  # (N, 1) on every pixel that is seen

    @classmethod
    def of(cls, surface: TexturedMesh, viewer: Viewer) -> Portrait:
        """Look at a surface and light it."""
        seen = look_at(surface.mesh, viewer)
        return cls(surface, seen, light_on(unit(seen.interpolate(surface.normals)), viewer))

    def clay(self, background: int) -> np.ndarray:
        """(h, w, 3) uint8: the surface in one color."""
        return self.seen.picture(CLAY * self.light, background)

    def textured(self, background: int) -> np.ndarray:
        """(h, w, 3) uint8: the surface in the colors of its picture."""
        colors = sampled(shrunk(self.surface.picture, self.seen.height), self.seen.interpolate(self.surface.uv))
        steady, directed = TEXTURE_LIGHT
        return self.seen.picture(colors * (steady + directed * self.light), background)


def shrunk(picture: np.ndarray, height: int) -> np.ndarray:
    """A texture with about as many pixels as it gets on a picture of that height, or it would flicker."""
    scale = height / len(picture)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture


def turntable_frames(surface: TexturedMesh) -> Iterator[np.ndarray]:
    """A full turn in FRAMES pictures (FRAME_HEIGHT, w, 3) uint8: the textured person, and the clay one beside it."""
    vertices = surface.mesh.vertices
    offset = vertices - (vertices.min(0) + vertices.max(0)) / 2
    viewer = around(surface, FRAME_HEIGHT, 0, 0)
    width = 2 * int(np.ceil(np.hypot(offset[:, 0], offset[:, 2]).max() * viewer.pixels_per_unit * 1.03))
    surface = replace(surface, picture=shrunk(surface.picture, FRAME_HEIGHT))
    for frame in range(FRAMES):
        portrait = Portrait.of(surface, around(surface, FRAME_HEIGHT, 360 * frame / FRAMES, width))
        yield np.hstack([portrait.textured(TURNTABLE_BACKGROUND), portrait.clay(TURNTABLE_BACKGROUND)])


def turntable(surface: TexturedMesh) -> bytes:
    """An endless animated WebP file of a full turn."""
    pictures = [Image.fromarray(frame) for frame in turntable_frames(surface)]
    file = io.BytesIO()
    pictures[0].save(
        file, "WEBP", save_all=True, append_images=pictures[1:], duration=FRAME_MS, loop=0,
        quality=WEBP_QUALITY, method=0, minimize_size=False,
    )  # fmt: skip
    return file.getvalue()
