"""Oriented points to one closed, colored mesh: screened Poisson reconstruction. Only home of Open3D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import open3d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geometry.point_cloud import PointCloud

OCTREE_DEPTH = 10
"""Finest cells of 1/1024 of the bounding cube: 1.7 px of a standing person on the 2048 px canvas."""
FAR_LEVEL = 5.0
"""Octree level of the points around a vertex. Where cells of 1/32 of the bounding cube (4 % of the height) hold no
points, the solver invents; a closed cloud of a body has no vertex below level 6."""
SPARSEST_LEVELS = 2.0
"""Such a vertex is also this far below the median, or a cloud that is sparse everywhere would lose everything."""


@dataclass(frozen=True)
class Mesh:
    """Triangles with colors; in the frame of the cloud."""

    vertices: np.ndarray  # (V, 3) float64
    faces: np.ndarray  # (F, 3) int32, counter-clockwise seen from outside
    normals: np.ndarray  # (V, 3) float64, unit length, outwards
    colors: np.ndarray  # (V, 3) uint8 RGB


def reconstruct_surface(cloud: PointCloud, depth: int = OCTREE_DEPTH, threads: int = -1) -> Mesh:
    """The largest connected surface through the points, without the bubbles that the solver blows into empty space.

    Whole vertices are trimmed only where they are far from every point, so a body stays as closed as its cloud is.

    Args:
        cloud: points with outward normals.
        depth: of the octree; its finest cells are 1 / 2^depth of the bounding cube.
        threads: for the solver; -1 takes all cores.

    Raises:
        ValueError: the points have no extent, or no surface runs through them.
    """
    if np.ptp(cloud.points, axis=0).max() <= 0:
        raise ValueError(f"{len(cloud)} points at one place, expected a surface")
    mesh, levels = open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        _to_open3d(cloud), depth=depth, n_threads=threads
    )
    levels, faces = np.asarray(levels), np.asarray(mesh.triangles)
    near = levels >= min(FAR_LEVEL, np.median(levels) - SPARSEST_LEVELS)
    faces = faces[near[faces].all(axis=1)]
    if not len(faces):
        raise ValueError(f"no surface runs through the {len(cloud)} points")
    kept, faces = _largest_body(faces, len(levels))
    body = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(np.asarray(mesh.vertices)[kept]), open3d.utility.Vector3iVector(faces)
    )
    body.compute_vertex_normals()
    colors = np.clip(np.round(np.asarray(mesh.vertex_colors)[kept] * 255), 0, 255).astype(np.uint8)
    return Mesh(np.array(body.vertices), faces, np.array(body.vertex_normals), colors)


def _largest_body(faces: np.ndarray, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """The connected piece with the most triangles.

    Returns:
        (K,) indices of its vertices, and (F', 3) int32 faces that count along these.
    """
    edges = coo_array(
        (np.ones(2 * len(faces), bool), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), (vertices,) * 2
    )
    _, piece = connected_components(edges, directed=False)
    piece_of_face = piece[faces[:, 0]]
    largest = np.bincount(piece_of_face).argmax()
    kept = np.nonzero(piece == largest)[0]
    new_index = np.zeros(vertices, np.int32)
    new_index[kept] = np.arange(len(kept))
    return kept, new_index[faces[piece_of_face == largest]]


def _to_open3d(cloud: PointCloud) -> open3d.geometry.PointCloud:
    converted = open3d.geometry.PointCloud()
    converted.points = open3d.utility.Vector3dVector(cloud.points)
    converted.normals = open3d.utility.Vector3dVector(cloud.normals.astype(np.float64))
    converted.colors = open3d.utility.Vector3dVector(cloud.colors / 255.0)
    return converted
