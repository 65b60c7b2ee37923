"""Operators on triangle meshes. New vertices are sparse combinations of old ones, so any attribute follows along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from geometry.mesh import Mesh


@dataclass(frozen=True)
class Patch:
    """Faces, and how their vertices are combined from the vertices of a base mesh."""

    weights: sp.csr_matrix  # (V, base vertices), rows sum to 1
    faces: np.ndarray  # (F, 3) int64

    @classmethod
    def of_faces(cls, faces: np.ndarray, base_vertices: int) -> Patch:
        """The vertices that `faces` use, as they are."""
        used, renumbered = np.unique(faces, return_inverse=True)
        rows = np.arange(len(used))
        weights = sp.csr_matrix((np.ones(len(used)), (rows, used)), shape=(len(used), base_vertices))
        return cls(weights, renumbered.reshape(-1, 3))

    def then(self, operator: sp.spmatrix, faces: np.ndarray) -> Patch:
        """The patch after an operator (new V, V) that made `faces`."""
        return Patch((operator @ self.weights).tocsr(), faces)


def edges_of(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Undirected edges (E, 2), the edge of each half-edge (3 F) in the order 01, 12, 20, and each edge's face count."""
    half = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    base = faces.max() + 1
    key, edge, count = np.unique(half[:, 0] * base + half[:, 1], return_inverse=True, return_counts=True)
    return np.stack([key // base, key % base], axis=1), edge.reshape(-1), count


def adjacency(edges: np.ndarray, vertices: int) -> sp.csr_matrix:
    """(V, V) symmetric 0/1 matrix."""
    rows, columns = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(vertices, vertices))


def neighbour_mean(faces: np.ndarray, vertices: int) -> sp.csr_matrix:
    """(V, V) mean of the neighbours; on the boundary of its two boundary neighbours only, so that hems stay hems."""
    edges, _, count = edges_of(faces)
    inner, rim = adjacency(edges, vertices), adjacency(edges[count == 1], vertices)
    on_rim = np.asarray(rim.sum(1)).ravel() > 0
    matrix = sp.diags((~on_rim).astype(float)) @ inner + rim
    return (sp.diags(1 / np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)) @ matrix).tocsr()


def smooth(points: np.ndarray, mean: sp.csr_matrix, rounds: int, strength: float | np.ndarray = 0.5) -> np.ndarray:
    """Move every vertex towards the mean of its neighbours, `rounds` times; strength is a number or (V, 1)."""
    for _ in range(rounds):
        points = points + strength * (mean @ points - points)
    return points


def loop_subdivide(faces: np.ndarray, vertices: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """Loop's scheme: a (V + E, V) operator and four faces for each face.

    On the boundary the edge masks are those of cubic B-splines, so open meshes keep smooth hems.
    """
    edges, edge, count = edges_of(faces)
    n_edges = len(edges)
    inner = count == 2
    ends = np.where(inner, 3 / 8, 1 / 2)
    inner_half = inner[edge]
    opposite = faces[:, [2, 0, 1]].reshape(-1)
    rows = np.r_[np.arange(n_edges), np.arange(n_edges), edge[inner_half]]
    columns = np.r_[edges[:, 0], edges[:, 1], opposite[inner_half]]
    values = np.r_[ends, ends, np.full(inner_half.sum(), 1 / 8)]
    on_edges = sp.csr_matrix((values, (rows, columns)), shape=(n_edges, vertices))

    all_edges, rim = adjacency(edges, vertices), adjacency(edges[count == 1], vertices)
    on_rim = np.zeros(vertices, bool)
    on_rim[edges[~inner].ravel()] = True
    regular_rim = np.asarray(rim.sum(1)).ravel() == 2
    valence = np.maximum(np.asarray(all_edges.sum(1)).ravel(), 1)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * valence))
    own = np.where(on_rim, np.where(regular_rim, 3 / 4, 1.0), 1 - valence * beta)
    on_vertices = sp.diags(own) + sp.diags(np.where(on_rim, 0, beta)) @ all_edges + sp.diags(regular_rim / 8.0) @ rim
    middle = edge.reshape(-1, 3) + vertices
    a, b, c = faces.T
    ab, bc, ca = middle.T
    quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    finer = np.concatenate([np.stack(corners, axis=1) for corners in quarters])
    return sp.vstack([on_vertices, on_edges]).tocsr(), finer


def clip_where_negative(faces: np.ndarray, field: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Keep the part of a mesh where a scalar field is positive, cutting triangles along its zero line.

    Args:
        faces: (F, 3).
        field: (V,) at the vertices.

    Returns:
        (new V, V) operator and the new faces.
    """
    inside = field > 0
    n_inside = inside[faces].sum(1)
    cut = faces[(n_inside == 1) | (n_inside == 2)]
    lonely_inside = inside[cut].sum(1) == 1
    lonely = np.where(lonely_inside, inside[cut].argmax(1), (~inside[cut]).argmax(1))
    cut = np.take_along_axis(cut, (lonely[:, None] + np.arange(3)) % 3, axis=1)  # the lonely corner comes first
    crossed = np.sort(np.concatenate([cut[:, [0, 1]], cut[:, [0, 2]]]), axis=1)
    pairs, which = np.unique(crossed, axis=0, return_inverse=True)
    which = which.reshape(-1)
    vertices, first, second = len(field), which[: len(cut)] + len(field), which[len(cut) :] + len(field)
    way = field[pairs[:, 0]] / (field[pairs[:, 0]] - field[pairs[:, 1]])
    way = np.clip(way, 0.03, 0.97)  # no slivers of zero area
    rows = np.arange(len(pairs))
    on_line = sp.csr_matrix(
        (np.r_[1 - way, way], (np.r_[rows, rows], np.r_[pairs[:, 0], pairs[:, 1]])), shape=(len(pairs), vertices)
    )
    one, two = lonely_inside, ~lonely_inside
    kept = [
        faces[n_inside == 3],
        np.stack([cut[:, 0], first, second], axis=1)[one],
        np.stack([first, cut[:, 1], cut[:, 2]], axis=1)[two],
        np.stack([first, cut[:, 2], second], axis=1)[two],
    ]
    return compact(sp.vstack([sp.eye(vertices), on_line]).tocsr(), np.concatenate(kept))


def compact(operator: sp.csr_matrix, faces: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Drop the rows of an operator that no face uses."""
    used, renumbered = np.unique(faces, return_inverse=True)
    return operator[used], renumbered.reshape(-1, 3)


def with_inner_wall(
    points: np.ndarray, faces: np.ndarray, thickness: np.ndarray, walled: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give an open shell a rim and, near its openings, an inside.

    Args:
        points: (V, 3) outer surface.
        faces: (F, 3).
        thickness: (V,) distance of the inner wall [m].
        walled: (F,) bool, faces that get an inner copy.

    Returns:
        Points (V + inner, 3), faces, and the outer vertex of every point.
    """
    inner_faces = faces[walled]
    owner, renumbered = np.unique(inner_faces, return_inverse=True)
    inner = points[owner] - Mesh(points, faces).vertex_normals()[owner] * thickness[owner, None]
    inner_of = np.full(len(points), -1)
    inner_of[owner] = np.arange(len(owner)) + len(points)
    _, edge, count = edges_of(faces)
    half = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)[count[edge] == 1]
    half = half[(inner_of[half] >= 0).all(1)]
    a, b = half.T
    rim = np.concatenate([np.stack([b, a, inner_of[a]], 1), np.stack([b, inner_of[a], inner_of[b]], 1)])
    flipped = renumbered.reshape(-1, 3)[:, ::-1] + len(points)
    return np.concatenate([points, inner]), np.concatenate([faces, flipped, rim]), np.r_[np.arange(len(points)), owner]
