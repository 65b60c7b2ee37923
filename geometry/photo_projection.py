"""Where on the photo every point of a surface takes its color.

The camera's own projection decides, for the front and for the back alike: the back shows the photo mirrored. On the
side that would smear the rim's pixels along the viewing rays, so there the photo is folded over: a point that lies so
far around the side takes the color from so far inside the rim. Where a limb is thicker than it is wide, what lies up to
its middle is drawn out over the side, rather than shown again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geometry.camera import CENTRE, Camera
from geometry.canvas import scaled_count
from geometry.limb_shape import limb_radius
from geometry.mesh import Mesh
from geometry.pixel_sets import nearest_in
from geometry.point_cloud import Sides
from geometry.side_gap import outline_directions

LONGEST_FOLD_AT_2048 = 96
"""How far inside the rim [px] the side may look for its colors."""
STRETCH = 0.2
"""How much of the way around its side a face gets of the photo."""


@dataclass(frozen=True)
class ProjectedMesh:
    """A mesh whose every vertex has a place on the canvas and a side; on the seam between the sides it is twice."""

    mesh: Mesh  # V' >= V vertices, the same faces in the same order
    source: np.ndarray  # (V',) int64, the vertex of the mesh that was given
    places: np.ndarray  # (V', 2) float64 (u, v) on the canvas [px], continuous
    on_back: np.ndarray  # (V',) bool


@dataclass(frozen=True)
class PhotoProjection:
    """The projection for a person's maps, and what follows from these alone: for any number of meshes."""

    sides: Sides
    inwards: np.ndarray  # (h, w, 2) unit directions (right, down) away from the outline, in the maps' window
    room: np.ndarray  # (h, w) how far that way the limb's middle is, about [px]

    @classmethod
    def of(cls, sides: Sides) -> PhotoProjection:
        """For the maps."""
        room = limb_radius(sides.silhouette, scaled_count(LONGEST_FOLD_AT_2048, sides.size))
        return cls(sides, outline_directions(sides)[..., :2] * (-1, 1), room)

    def on(self, mesh: Mesh, flat: np.ndarray | None = None) -> ProjectedMesh:
        """Give every vertex its place on the photo.

        Args:
            mesh: a surface in the camera's frame, near the maps.
            flat: (R, R) bool, where the front is not folded over but stretched: a face must not look out at its side.
        """
        sides, camera = self.sides, Camera(self.sides.size)
        places = camera.project(mesh.vertices)
        distance = np.linalg.norm(mesh.vertices - CENTRE, axis=1)
        pixels = _nearest_pixels(places, sides)
        behind_front = distance - sides.front.distance[pixels]
        before_back = sides.back.distance[pixels] - distance
        fold = np.maximum(np.minimum(behind_front, before_back), 0) * camera.focal / distance
        split, source, on_back = _split(mesh, (behind_front - before_back)[mesh.faces].sum(1) > 0)
        fold, pixels = fold[source], (pixels[0][source], pixels[1][source])
        if flat is not None:
            fold[~on_back & flat[sides.window.slices][pixels]] *= STRETCH
        return ProjectedMesh(split, source, places[source] + self._folded(fold, pixels), on_back)

    def _folded(self, fold: np.ndarray, pixels: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """(N, 2) steps [px] from the rim inwards, as long as `fold` (N,) says where the limb is wide enough for that.

        Elsewhere all of them are shortened alike, so that the middle of the side takes its color from the limb's
        middle.
        """
        front, back = self.sides.front.distance[pixels], self.sides.back.distance[pixels]
        longest = (back - front) / 2 * Camera(self.sides.size).focal / front
        return (fold * np.minimum(self.room[pixels] / np.maximum(longest, 1e-9), 1))[:, None] * self.inwards[pixels]


def _nearest_pixels(places: np.ndarray, sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Row and column in the window of the silhouette's pixel nearest to each place (N, 2)."""
    window = sides.window
    row = np.clip(places[:, 1].astype(np.int64) - window.top, 0, window.height - 1)
    column = np.clip(places[:, 0].astype(np.int64) - window.left, 0, window.width - 1)
    return nearest_in(sides.silhouette, (row, column))


def _split(mesh: Mesh, face_on_back: np.ndarray) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """Give vertices between a face of the front and one of the back a second copy, for the back.

    Returns:
        The mesh; (V',) the old vertex of each of its vertices; (V',) bool, whether it lies on the back.
    """
    count = len(mesh.vertices)
    used = np.zeros((2, count), bool)
    for side, chosen in enumerate((~face_on_back, face_on_back)):
        used[side, mesh.faces[chosen].ravel()] = True
    twice = np.flatnonzero(used.all(0))
    on_back_index = np.arange(count)
    on_back_index[twice] = count + np.arange(len(twice))
    faces = np.where(face_on_back[:, None], on_back_index[mesh.faces], mesh.faces).astype(np.int32)
    source = np.concatenate([np.arange(count), twice])
    on_back = np.concatenate([used[1] & ~used[0], np.ones(len(twice), bool)])
    colors = None if mesh.colors is None else mesh.colors[source]
    return Mesh(mesh.vertices[source], faces, colors), source, on_back
