"""Colors of surfaces: plain, per vertex, per corner, from a texture, or one of these per material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from datasets.rendering.scan import Appearance

REMAP_WIDTH = 4096
"""cv2.remap takes pictures, not lists, of less than 32768 px a side: a list of points is folded into rows this long."""


@dataclass(frozen=True)
class PlainColor:
    """The same color everywhere."""

    rgb: tuple[float, float, float]  # sRGB in [0, 1]

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        return np.full((len(faces), 3), self.rgb, dtype=np.float32)


@dataclass(frozen=True)
class VertexColor:
    """Colors of the corners, interpolated."""

    faces: np.ndarray  # (F, 3) int64
    rgb: np.ndarray  # (V, 3) uint8 or float sRGB; floats in [0, 1]

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        return _interpolated(self.rgb[self.faces[faces]], barycentric)


@dataclass(frozen=True)
class CornerColor:
    """Colors of every triangle's own corners, interpolated."""

    rgb: np.ndarray  # (F, 3, 3) uint8 or float sRGB; floats in [0, 1]

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        return _interpolated(self.rgb[faces], barycentric)


def _interpolated(corners: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
    """(N, 3) float32 in [0, 1] of colors (N, 3 corners, 3) and weights (N, 3)."""
    top = 255.0 if corners.dtype == np.uint8 else 1.0
    return np.einsum("nkc,nk->nc", corners.astype(np.float32), (barycentric / top).astype(np.float32))


@dataclass(frozen=True)
class TextureColor:
    """A picture wrapped around the mesh, bilinear between its pixels, repeated outside [0, 1]."""

    picture: np.ndarray  # (h, w, 3) uint8 sRGB, row 0 on top, which is v = 1
    uv: np.ndarray  # (F, 3, 2) float32 texture coordinates of every triangle's corners

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        if not len(faces):
            return np.zeros((0, 3), dtype=np.float32)
        uv = np.einsum("nkc,nk->nc", self.uv[faces].astype(np.float64), barycentric)
        height, width = self.picture.shape[:2]
        # u = 1 is the picture's right edge, not its left one: only what lies outside [0, 1] repeats.
        uv = np.where((uv < 0) | (uv > 1), uv - np.floor(uv), uv)
        x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
        return _sampled(self.picture, x, y).astype(np.float32) / 255


def _sampled(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colors of a picture at (x, y) [px, pixel centres at whole numbers], wrapped around."""
    rows = -(-len(x) // REMAP_WIDTH)
    points = np.zeros((2, rows * REMAP_WIDTH), dtype=np.float32)
    points[0, : len(x)], points[1, : len(x)] = x, y
    map_x, map_y = points.reshape(2, rows, REMAP_WIDTH)
    sampled = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return sampled.reshape(-1, 3)[: len(x)]


@dataclass(frozen=True)
class MaterialColor:
    """Several materials on one mesh."""

    material: np.ndarray  # (F,) index into `materials`
    materials: Sequence[Appearance]

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """See datasets.rendering.scan.Appearance."""
        rgb = np.zeros((len(faces), 3), dtype=np.float32)
        material = self.material[faces]
        for index in np.unique(material):
            here = material == index
            rgb[here] = self.materials[index].albedo(faces[here], barycentric[here])
        return rgb
