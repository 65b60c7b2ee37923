"""Meshes as pictures by numpy alone: which triangle every pixel sees, and what it looks like there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.mesh import Mesh

TO_KEY_LIGHT = np.array([0.40, 0.52, 0.76])
"""Unit direction to the main light, in the viewer's frame: from above his right shoulder."""
AMBIENT, KEY, RIM_SHADE = 0.34, 0.66, 0.25
"""Light from everywhere, from the main light, and how much darker a surface is that is seen edge on."""
CLAY = np.array([226.0, 222.0, 216.0])
"""RGB of an untextured surface in full light."""


@dataclass(frozen=True)
class Viewer:
    """Where an object is seen from: along parallel rays, level, from any side of a point."""

    centre: np.ndarray  # (3,) the point, in the middle of the picture
    pixels_per_unit: float
    height: int  # of the picture [px]
    width: int
    turn_deg: float = 0.0
    """How far the object is turned to its own left before it is seen along -Z; 90 shows its right side."""

    def rotation(self) -> np.ndarray:
        """(3, 3) viewer from world: X right, Y up, Z towards the viewer."""
        angle = np.radians(self.turn_deg)
        return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


@dataclass(frozen=True)
class Seen:
    """The N pixels of a picture at which a viewer sees a mesh."""

    height: int  # of the picture [px]
    width: int
    pixels: np.ndarray  # (N,) int64, row * width + column
    corners: np.ndarray  # (N, 3) vertices of the triangle that is seen there
    weights: np.ndarray  # (N, 3) float32, its barycentric coordinates there

    def interpolate(self, per_vertex: np.ndarray) -> np.ndarray:
        """(N, C) float32 values between those of the vertices, (V, C)."""
        return np.einsum("nk,nkc->nc", self.weights, per_vertex.astype(np.float32)[self.corners])

    def picture(self, colors: np.ndarray, background: int) -> np.ndarray:
        """(height, width, 3) uint8 picture of N colors (N, 3) in [0, 255]."""
        canvas = np.full((self.height * self.width, 3), background, np.uint8)
        canvas[self.pixels] = np.clip(colors, 0, 255).astype(np.uint8)
        return canvas.reshape(self.height, self.width, 3)


def look_at(mesh: Mesh, viewer: Viewer) -> Seen:
    """What a viewer sees of the front faces of a mesh: at every pixel's centre the nearest one."""
    faces, x, y, z = _facing(mesh, viewer)
    left, right = _pixels_between(x, viewer.width)
    top, bottom = _pixels_between(y, viewer.height)
    across = np.maximum(right - left + 1, 0)
    face, column, row = _candidates(across, across * np.maximum(bottom - top + 1, 0))
    column, row = column + left[face], row + top[face]
    weights = _barycentric(x, y, face, column, row)
    inside = np.flatnonzero(np.minimum(np.minimum(weights[0], weights[1]), weights[2]) >= -1e-5)
    face, weights = face[inside], weights[:, inside]
    pixel = row[inside] * viewer.width + column[inside]
    # Later ones overwrite earlier ones: the nearest is written last.
    order = np.argsort(weights[0] * z[0][face] + weights[1] * z[1][face] + weights[2] * z[2][face], kind="stable")
    last = np.full(viewer.height * viewer.width, -1, np.int64)
    last[pixel[order]] = order
    seen = np.flatnonzero(last >= 0)
    chosen = last[seen]
    return Seen(viewer.height, viewer.width, seen, faces[face[chosen]], np.ascontiguousarray(weights[:, chosen].T))


def _facing(mesh: Mesh, viewer: Viewer) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Faces that show their front, (F, 3), and their corners' x, y on the picture and nearness, (3, F) float32 [px].

    Whole x and y are pixels' centres.
    """
    turned = (mesh.vertices - viewer.centre) @ viewer.rotation().T * viewer.pixels_per_unit
    x = (turned[:, 0] + (viewer.width / 2 - 0.5)).astype(np.float32)
    y = (viewer.height / 2 - 0.5 - turned[:, 1]).astype(np.float32)
    corners = mesh.faces.T
    (xa, xb, xc), (ya, yb, yc) = x[corners], y[corners]
    front = (xc - xa) * (yb - ya) - (xb - xa) * (yc - ya) > 1e-9  # y runs downwards
    faces = mesh.faces[front]
    corners = faces.T
    return faces, x[corners], y[corners], turned[:, 2].astype(np.float32)[corners]


def _pixels_between(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel (F,) between the corners (3, F) of triangles along an axis of a picture of that size."""
    a, b, c = corners
    first = np.ceil(np.minimum(np.minimum(a, b), c)).astype(np.int64)
    last = np.floor(np.maximum(np.maximum(a, b), c)).astype(np.int64)
    return np.maximum(first, 0), np.minimum(last, size - 1)


def _candidates(across: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, column and row of every pixel in the triangles' boxes, `across` wide and with `count` pixels."""
    face = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    width = across[face]
    row = place // np.maximum(width, 1)
    return face, place - row * width, row


def _barycentric(x: np.ndarray, y: np.ndarray, face: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """(3, N) float32 weights of the corners, x and y (3, F), of triangles `face` (N,) at pixels (N,)."""
    (xa, xb, xc), (ya, yb, yc) = x, y
    twice_area = ((xc - xa) * (yb - ya) - (xb - xa) * (yc - ya))[face]
    (xa, xb, xc), (ya, yb, yc) = ([side[face] - at for side in axis] for axis, at in ((x, column), (y, row)))
    crossed = ((xc * yb - xb * yc), (xa * yc - xc * ya), (xb * ya - xa * yb))
    return np.stack([part / twice_area for part in crossed]).astype(np.float32)


def light_on(normals: np.ndarray, viewer: Viewer) -> np.ndarray:
    """(N, 1) float32 light that unit normals (N, 3) of the world send to a viewer, about 0.2 to 1."""
    turned = normals @ viewer.rotation().T.astype(np.float32)
    key = np.clip(turned @ TO_KEY_LIGHT.astype(np.float32), 0, 1)
    edge_on = 1 - np.clip(turned[:, 2], 0, 1)
    return ((AMBIENT + KEY * key) * (1 - RIM_SHADE * edge_on**2))[:, None]


def sampled(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colors of a texture (h, w, 3) at places (N, 2); (0, 0) is its top left corner, (1, 1) the other."""
    at = (uv * (texture.shape[1], texture.shape[0]) - 0.5).astype(np.float32)
    # OpenCV's pictures have at most 32767 rows.
    parts = np.array_split(at, len(at) // 30_000 + 1)
    colors = [
        cv2.remap(texture, part[:, 0][None], part[:, 1][None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        for part in parts
    ]
    return np.concatenate(colors)
