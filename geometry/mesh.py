"""A triangle mesh: normals, areas, volume, connected parts, and points spread evenly over it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LARGEST_PLACE = 1e12
"""In any unit; what is farther away marks a point without a place, as the largest float does, and squares overflow."""


def are_places(points: np.ndarray) -> np.ndarray:
    """(N,) bool: which of (N, 3) points are somewhere; not those with NaN, infinity or numbers above LARGEST_PLACE."""
    return (np.abs(points) <= LARGEST_PLACE).all(axis=1)


@dataclass(frozen=True)
class SurfacePoints:
    """Points on the triangles of a mesh."""

    points: np.ndarray  # (N, 3) float64
    faces: np.ndarray  # (N,) int64, the face of each point


@dataclass(frozen=True)
class Mesh:
    """Triangles, counter-clockwise seen from outside; any frame and unit."""

    vertices: np.ndarray  # (V, 3) float64 or float32
    faces: np.ndarray  # (F, 3) integers from 0
    colors: np.ndarray | None = None  # (V, 3) uint8 RGB

    @property
    def corners(self) -> np.ndarray:
        """(F, 3, 3) the three vertices of every face, in the dtype of the vertices."""
        return self.vertices[self.faces]

    def corners_of(self, faces: np.ndarray) -> np.ndarray:
        """(N, 3, 3) the vertices of chosen faces, (N,) indices."""
        return self.vertices[self.faces[faces]]

    @property
    def height(self) -> float:
        """Extent along Y of the vertices that faces use."""
        return float(np.ptp(self.vertices[self.faces.ravel(), 1]))

    def area_vectors(self) -> np.ndarray:
        """(F, 3) outward vectors across every face, twice its area long."""
        return across(self.corners)

    def areas(self) -> np.ndarray:
        """(F,) [unit^2]."""
        return np.linalg.norm(self.area_vectors(), axis=1) / 2

    def face_normals(self) -> np.ndarray:
        """(F, 3) unit, outwards; 0 for a face without area."""
        return unit(self.area_vectors())

    def vertex_normals(self) -> np.ndarray:
        """(V, 3) unit, outwards: the mean of a vertex's faces, weighted by area.

        In the dtype of the vertices; 0 for a vertex without faces, or with faces that cancel out.
        """
        return unit(self.sum_at_vertices(self.area_vectors()).astype(self.vertices.dtype))

    def sum_at_vertices(self, values: np.ndarray) -> np.ndarray:
        """Sum over the faces around every vertex.

        Args:
            values: (F, C) or (F,), one row a face.

        Returns:
            (V, C) or (V,) float64.
        """
        corner = self.faces.T.ravel()
        columns = np.tile(values.reshape(len(values), -1), (3, 1)).T
        sums = [np.bincount(corner, column, minlength=len(self.vertices)) for column in columns]
        return np.stack(sums, axis=-1).reshape(len(self.vertices), *values.shape[1:])

    def signed_volume(self) -> float:
        """Volume between the faces and the mean of their corners [unit^3]; negative when most faces point inwards."""
        corners = self.corners - self.corners.mean((0, 1))
        return float(np.einsum("fc,fc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)

    def moved(self, vertices: np.ndarray) -> Mesh:
        """The same faces and colors on other vertices, (V, 3)."""
        return replace(self, vertices=np.asarray(vertices, dtype=np.float64))

    def with_faces(self, chosen: np.ndarray) -> Mesh:
        """Some of the faces, (F,) bool or (N,) indices, and only the vertices that they use, in their order."""
        faces = self.faces[chosen]
        used, renumbered = np.unique(faces, return_inverse=True)
        colors = None if self.colors is None else self.colors[used]
        return Mesh(self.vertices[used], renumbered.reshape(-1, 3).astype(self.faces.dtype), colors)

    def largest_component(self) -> Mesh:
        """The connected part with the most faces."""
        return self.with_faces(in_largest_component(self.faces))

    def sample(self, count: int, seed: int | tuple[int, ...], stratified: bool = True) -> SurfacePoints:
        """Draw points uniformly by area.

        Args:
            count: number of points N.
            seed: the same seed gives the same points.
            stratified: one draw from each of N equal parts of the area in the order of the faces, which is less noisy
                than N independent draws and just as uniform.

        Raises:
            ValueError: the mesh has no area.
        """
        random = np.random.default_rng(seed)
        upper = np.cumsum(np.linalg.norm(self.area_vectors(), axis=1))
        if not upper[-1] > 0:
            raise ValueError("the surface has no area")
        place = (np.arange(count) + random.random(count)) / count if stratified else random.random(count)
        faces = np.minimum(np.searchsorted(upper, place * upper[-1], side="right"), len(upper) - 1)
        sideways, along = np.sqrt(random.random(count)), random.random(count)
        weights = np.stack([1 - sideways, sideways * (1 - along), sideways * along], axis=1)
        return SurfacePoints(np.einsum("nk,nkc->nc", weights, self.corners_of(faces)), faces)


def across(corners: np.ndarray) -> np.ndarray:
    """(..., 3) vectors across triangles (..., 3, 3): outwards for counter-clockwise corners, twice the area long."""
    first = corners[..., 0, :]
    return np.cross(corners[..., 1, :] - first, corners[..., 2, :] - first)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) made one long; 0 where they have no length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def in_largest_component(faces: np.ndarray) -> np.ndarray:
    """(F,) bool: the faces (F, 3) of the connected part that has the most of them; the first one of equals."""
    vertices = int(faces.max()) + 1
    ends = (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())
    _, part = connected_components(coo_array((np.ones(len(ends[0]), bool), ends), (vertices,) * 2), directed=False)
    part_of_face = part[faces[:, 0]]
    return part_of_face == np.bincount(part_of_face).argmax()
