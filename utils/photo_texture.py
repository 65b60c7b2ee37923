"""The photo as the texture of a person: front and back side by side, cut to the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from geometry.canvas import scaled_count
from geometry.mesh import Mesh
from geometry.photo_projection import PhotoProjection, ProjectedMesh
from geometry.pixel_sets import eroded
from geometry.point_cloud import Sides
from geometry.textured_mesh import TexturedMesh
from geometry.window import Window
from utils.back_of_trunk import TrunkJoints, back_of_garment
from utils.fold_fill import folded_over
from utils.head_fill import with_back_of_head, with_smooth_face
from utils.head_hair import HeadJoints, hair_on, head_area

LONGEST_SIDE = 4096
"""Of a texture [px]: what every graphics card takes."""
INSET_AT_2048 = 6
"""The person's outermost pixels are mixed with the background: they take colors from this far inside [px]."""
AIR_AT_2048 = 16
"""Room around the person [px], so that a shrunk texture does not mix both halves."""


@dataclass(frozen=True)
class Texture:
    """Front and back of a person, side by side."""

    picture: np.ndarray  # (h, 2 w, 3) uint8 RGB, each half a picture of the window
    window: Window  # of the canvas of the maps

    def on(self, mesh: Mesh, projection: PhotoProjection, joints: HeadJoints | None) -> TexturedMesh:
        """Lay the texture on a mesh that is near the maps, with the projection and joints of those it was made of."""
        flat = None if joints is None else head_area(joints, projection.sides.size)
        projected = projection.on(mesh, flat)
        normals = mesh.vertex_normals()[projected.source]
        return TexturedMesh(projected.mesh, normals, self._coordinates(projected), self.picture)

    def _coordinates(self, projected: ProjectedMesh) -> np.ndarray:
        """(V', 2) float32 places on the picture."""
        corner, extent = (self.window.left, self.window.top), (self.window.width, self.window.height)
        uv = np.clip((projected.places - corner) / extent, 0, 1)
        uv[:, 0] = (uv[:, 0] + projected.on_back) / 2
        return uv.astype(np.float32)


def texture_window(sides: Sides) -> Window:
    """The part of the canvas that a texture shows: it follows from the maps."""
    return sides.window.grown(scaled_count(AIR_AT_2048, sides.size), sides.size)


def texture_size(photo_side: int, sides: Sides) -> int:
    """Side [px] of the square photo to make a texture from: its own, unless the texture became too large."""
    window = texture_window(sides)
    longest = max(window.height, 2 * window.width) / sides.size
    return max(sides.size, min(photo_side, int(LONGEST_SIDE / longest)))


def photo_texture(
    photo: np.ndarray,
    person: np.ndarray,
    sides: Sides,
    head: HeadJoints | None = None,
    trunk: TrunkJoints | None = None,
) -> Texture:
    """Make the texture.

    Args:
        photo: (T, T, 3) uint8, the same square as the maps' canvas, in any resolution.
        person: (R, R) bool on the canvas of the maps, where the photo shows the person.
        sides: the maps.
        head, trunk: joints on the canvas of the maps [px]; None: the back of the head shows the face, the back of the
            garment its print.
    """
    window, scale = texture_window(sides), len(photo) / sides.size
    top, bottom, left, right = (round(edge * scale) for edge in (window.top, window.bottom, window.left, window.right))
    cut = np.ascontiguousarray(photo[top:bottom, left:right])
    body = np.zeros((sides.size, sides.size), bool)
    body[sides.window.slices] = sides.silhouette
    shown = (body & person if (body & person).any() else body)[window.slices].astype(np.float32)
    shown = cv2.resize(shown, cut.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    inner = eroded(shown, scaled_count(INSET_AT_2048, len(photo)))
    inner = inner if inner.any() else shown
    thick = cv2.resize(_thickness(sides)[window.slices], cut.shape[1::-1])
    moved = scale, (left, top)
    head, trunk = head and head.moved(*moved), trunk and trunk.moved(*moved)
    hair = np.zeros(inner.shape, bool) if head is None else hair_on(cut, inner, head)
    back = cut if trunk is None else back_of_garment(cut, inner, thick, trunk, hair)
    back = back if head is None else with_back_of_head(back, cut, inner, hair, head)
    reach = 2 * scaled_count(AIR_AT_2048, len(photo))
    front, back = _filled((cut, back), inner, reach)
    front = front if head is None else with_smooth_face(front, inner, hair, head, reach)
    return Texture(np.hstack([front, back]), window)


def _thickness(sides: Sides) -> np.ndarray:
    """(R, R) float32 from the front to the back map, on the canvas; 0 beside the body."""
    thickness = np.zeros((sides.size, sides.size), np.float32)
    thickness[sides.window.slices] = np.where(sides.silhouette, sides.back.distance - sides.front.distance, 0)
    return thickness


def _filled(pictures: Sequence[np.ndarray], inner: np.ndarray, reach: int) -> list[np.ndarray]:
    """Pictures (h, w, 3) folded over at the edge of `inner` (h, w).

    Where the fold meets nothing, the nearest pixel's color; farther than `reach` [px] away the mean color, which costs
    no bytes in a file.
    """
    near = ~inner & ~eroded(~inner, reach, outside=True)
    source, known = folded_over(inner, near), inner.view(np.uint8)
    filled = []
    for picture in pictures:
        result = np.empty_like(picture)
        result[:] = np.array(cv2.mean(picture, known)[:3], np.uint8)
        cv2.copyTo(picture, known, result)
        result[near] = picture[source]
        filled.append(result)
    return filled
