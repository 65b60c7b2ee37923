"""Meshes as pictures by numpy alone: which triangle every pixel sees, and what it looks like there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.mesh import Mesh, unit

TO_KEY_LIGHT = np.array([0.40, 0.52, 0.76])
"""Unit direction to the main light, in the viewer's frame: from above his right shoulder."""
AMBIENT, KEY, RIM_SHADE = 0.34, 0.66, 0.25
"""Light from everywhere, from the main light, and how much darker a surface is that is seen edge on."""
CLAY = np.array([226.0, 222.0, 216.0])
"""RGB of an untextured surface in full light."""


@dataclass(frozen=True)
class Viewer:
    """Somebody who walks around a point on the level and looks at it along parallel rays."""

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
    turned = (mesh.vertices - viewer.centre) @ viewer.rotation().T * viewer.pixels_per_unit * (1, -1, 1)
    turned = (turned + (viewer.width / 2 - 0.5, viewer.height / 2 - 0.5, 0)).astype(np.float32)
    faces, twice_area = _facing(turned, mesh.faces)
    corners = turned[faces]
    low = np.maximum(np.ceil(corners[..., :2].min(1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners[..., :2].max(1)), (viewer.width - 1, viewer.height - 1)).astype(np.int64)
    across, down = np.maximum(high - low + 1, 0).T
    face, column, row = _candidates(across, across * down)
    column, row = column + low[face, 0], row + low[face, 1]
    weights = _barycentric(corners, twice_area, face, np.stack([column, row], -1))
    inside = np.flatnonzero((weights >= -1e-5).all(-1))
    face, weights = face[inside], weights[inside]
    pixel = row[inside] * viewer.width + column[inside]
    height = np.einsum("nk,nk->n", weights, corners[..., 2][face])
    # Later ones overwrite earlier ones: the nearest is written last.
    order = np.argsort(height, kind="stable")
    last = np.full(viewer.height * viewer.width, -1, np.int64)
    last[pixel[order]] = order
    seen = np.flatnonzero(last >= 0)
    chosen = last[seen]
    return Seen(viewer.height, viewer.width, seen, faces[face[chosen]], weights[chosen])


def _facing(turned: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces (F, 3) that show their front on the picture, and twice their area there [px^2], positive."""
    x, y = np.ascontiguousarray(turned[:, 0]), np.ascontiguousarray(turned[:, 1])
    (xa, xb, xc), (ya, yb, yc) = x[faces.T], y[faces.T]
    twice_area = (xc - xa) * (yb - ya) - (xb - xa) * (yc - ya)  # Y runs downwards on the picture
    front = twice_area > 1e-9
    return faces[front], twice_area[front]


def _candidates(across: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, column and row of every pixel in the triangles' boxes, `across` wide and with `count` pixels."""
    face = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    width = across[face]
    row = place // np.maximum(width, 1)
    return face, place - row * width, row


def _barycentric(corners: np.ndarray, twice_area: np.ndarray, face: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(N, 3) float32 weights of the corners of triangle `face` (N,) at places (N, 2) of the picture."""
    offset = [corners[:, corner, :2][face] - at for corner in range(3)]
    weights = np.empty((len(face), 3), np.float32)
    for corner in range(3):
        (x1, y1), (x2, y2) = offset[(corner + 1) % 3].T, offset[(corner + 2) % 3].T
        weights[:, corner] = (x2 * y1 - x1 * y2) / twice_area[face]
    return weights


def light_on(normals: np.ndarray, viewer: Viewer) -> np.ndarray:
    """(N, 1) float32 light that unit normals (N, 3) of the world send to a viewer, about 0.2 to 1."""
    turned = normals @ viewer.rotation().T.astype(np.float32)
    key = np.clip(turned @ TO_KEY_LIGHT.astype(np.float32), 0, 1)
    edge_on = 1 - np.clip(turned[:, 2], 0, 1)
    return ((AMBIENT + KEY * key) * (1 - RIM_SHADE * edge_on**2))[:, None]


def seen_normals(seen: Seen, normals: np.ndarray) -> np.ndarray:
    """(N, 3) float32 unit normals between those of the vertices, (V, 3)."""
    return unit(seen.interpolate(normals))


def sampled(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 colors of a texture (h, w, 3) at places (N, 2); (0, 0) is its top left corner, (1, 1) the other."""
    at = (uv * (texture.shape[1], texture.shape[0]) - 0.5).astype(np.float32)
    # OpenCV's pictures have at most 32767 rows.
    parts = np.array_split(at, len(at) // 30_000 + 1)
    edge = {"borderMode": cv2.BORDER_REPLICATE}
    return np.concatenate(
        [cv2.remap(texture, x[None], y[None], cv2.INTER_LINEAR, **edge)[0] for x, y in (p.T for p in parts)]
    )
