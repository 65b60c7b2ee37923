"""Meshes to measure: geometry only, checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geometry.mesh import Mesh, are_places
from utils.errors import InputError
from utils.mesh_formats.mesh_reader import read_mesh_file


def read_mesh(path: Path | str) -> Mesh:
    """Read a mesh's vertices and faces; colors and textures are not looked at, polygons become fans of triangles.

    Raises:
        InputError: the file is missing, broken or of another kind; it has no faces, a face that points nowhere, or a
            coordinate that is not finite.
    """
    path = Path(path)
    return checked_mesh(path, read_mesh_file(path).mesh)


def checked_mesh(path: Path, mesh: Mesh) -> Mesh:
    """A mesh that a file or a source gave.

    Args:
        path: its name in the error.

    Raises:
        InputError: no faces, a face that points nowhere, or a coordinate that is not finite.
    """
    vertices, faces = mesh.vertices, mesh.faces
    if len(vertices) == 0 or len(faces) == 0:
        raise InputError(f"{path}: {len(vertices)} vertices and {len(faces)} faces, expected a mesh with faces")
    broken = np.flatnonzero(~are_places(vertices))
    if len(broken):
        raise InputError(
            f"{path}: {len(broken)} of {len(vertices)} vertices are not finite or absurdly far away "
            f"(the first is vertex {broken[0] + 1}), expected finite coordinates"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names a vertex outside 1 to {len(vertices)}")
    return Mesh(np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64))
