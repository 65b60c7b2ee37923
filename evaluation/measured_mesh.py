"""Triangle meshes to measure, from OBJ, PLY and GLB files: geometry only, checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.obj_file import read_obj

MESH_SUFFIXES = (".obj", ".ply", ".glb")


def read_mesh(path: Path | str) -> Mesh:
    """Read a mesh's vertices and faces; colors and textures are not read, polygons become fans of triangles.

    Raises:
        InputError: the file is missing, broken or of another kind; it has no faces, a face that points nowhere, or a
            coordinate that is not finite.
    """
    path = Path(path)
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{path}: is not a mesh, expected {', '.join(MESH_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a mesh")
    if path.suffix.lower() == ".obj":
        obj = read_obj(path)
        return checked_mesh(path, Mesh(obj.vertices, obj.faces))
    return checked_mesh(path, Mesh(*_read_with_open3d(path)))


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
    broken = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if len(broken):
        raise InputError(
            f"{path}: {len(broken)} of {len(vertices)} vertices are not finite (the first is vertex {broken[0] + 1}), "
            "expected finite coordinates"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names a vertex outside 1 to {len(vertices)}")
    return Mesh(np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64))


def _read_with_open3d(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh = o3d.io.read_triangle_mesh(str(path), enable_post_processing=False)
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.triangles, dtype=np.int64)
    vertices, faces = mesh.vertices, mesh.faces
    if len(vertices) == 0:
        raise InputError(f"{path}: cannot be read as a mesh, expected vertices and faces")
    return vertices, faces
