"""Oriented points to one closed, colored mesh: screened Poisson reconstruction (Open3D's)."""

from __future__ import annotations

import numpy as np
import open3d

from geometry.mesh import Mesh
from geometry.point_cloud import PointCloud

OCTREE_DEPTH = 10
"""Finest cells of 1/1024 of the bounding cube: 1.7 px of a standing person on the 2048 px canvas."""
FAR_LEVEL = 5.0
"""Octree level of the points around a vertex. Where cells of 1/32 of the bounding cube (4 % of the height) hold no
points, the solver invents; a closed cloud of a body has no vertex below level 6."""
SPARSEST_LEVELS = 2.0
"""Such a vertex is also this far below the median, or a cloud that is sparse everywhere would lose everything."""


def reconstruct_surface(cloud: PointCloud, depth: int = OCTREE_DEPTH, threads: int = -1) -> Mesh:
    """The largest connected surface through the points, without the bubbles that the solver blows into empty space.

    Whole vertices are trimmed only where they are far from every point, so a body stays as closed as its cloud is.

    Args:
        cloud: points with outward normals.
        depth: of the octree; its finest cells are 1 / 2^depth of the bounding cube.
        threads: for the solver; -1 takes all cores.

    Returns:
        A mesh with colors in the frame of the cloud, faces outwards.

    Raises:
        ValueError: the points have no extent, or no surface runs through them.
    """
    if np.ptp(cloud.points, axis=0).max() <= 0:
        raise ValueError(f"{len(cloud)} points at one place, expected a surface")
    solved, levels_found = open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        _to_open3d(cloud), depth=depth, n_threads=threads
    )
    levels, faces = np.asarray(levels_found), np.asarray(solved.triangles)
    near = levels >= min(FAR_LEVEL, np.median(levels) - SPARSEST_LEVELS)
    faces = faces[near[faces].all(axis=1)]
    if not len(faces):
        raise ValueError(f"no surface runs through the {len(cloud)} points")
    colors = np.clip(np.round(np.asarray(solved.vertex_colors) * 255), 0, 255).astype(np.uint8)
    return Mesh(np.asarray(solved.vertices), faces, colors).largest_component()


def points_inwards(cloud: PointCloud) -> bool:
    """Whether most normals point into the body: the volume that points and normals enclose is negative.

    Divergence theorem, every point standing for the same area: volume ~ sum of (point - mean) . normal.
    """
    from_middle = cloud.points - cloud.points.mean(axis=0)
    return float(np.einsum("nc,nc->", from_middle, cloud.normals.astype(np.float64))) < 0


def _to_open3d(cloud: PointCloud) -> open3d.geometry.PointCloud:
    converted = open3d.geometry.PointCloud()
    converted.points = open3d.utility.Vector3dVector(cloud.points)
    converted.normals = open3d.utility.Vector3dVector(cloud.normals.astype(np.float64))
    converted.colors = open3d.utility.Vector3dVector(cloud.colors / 255.0)
    return converted
