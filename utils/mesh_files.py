"""Colored meshes as OBJ, PLY and binary glTF (GLB) files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from geometry.mesh import Mesh
from geometry.textured_mesh import TexturedMesh
from utils.atomic_file import atomic_path
from utils.glb_file import write_glb
from utils.ply import COLOR, NORMAL, POSITION, vertex_header, vertex_table

LINES_AT_A_TIME = 100_000


def write_mesh(path: Path | str, mesh: Mesh | TexturedMesh) -> None:
    """Write a mesh with its vertex colors, if it has any (PLY and GLB: and normals), in the format of the suffix.

    A textured mesh can only be a GLB.

    The file appears whole or not at all.

    Raises:
        ValueError: the suffix is not one of `WRITERS`, or the mesh is textured and it is not .glb.
    """
    suffix = Path(path).suffix
    if suffix not in WRITERS:
        raise ValueError(f"{path}: suffix {suffix!r}, expected one of {', '.join(WRITERS)}")
    if isinstance(mesh, TexturedMesh) and suffix != ".glb":
        raise ValueError(f"{path}: a textured mesh, expected .glb")
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        WRITERS[suffix](file, mesh)


def _write_ply(file: BinaryIO, mesh: Mesh) -> None:
    columns = [(POSITION, "f4", mesh.vertices), (NORMAL, "f4", mesh.vertex_normals())]
    vertices = vertex_table(*columns, *([] if mesh.colors is None else [(COLOR, "u1", mesh.colors)]))
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    header = f"{vertex_header(vertices)}element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    file.write(f"ply\nformat binary_little_endian 1.0\n{header}end_header\n".encode())
    file.write(vertices.data)
    file.write(faces.data)


def _write_obj(file: BinaryIO, mesh: Mesh) -> None:
    """Vertices as `v x y z r g b` with colors in [0, 1]; normals would add a third to the file."""
    place, color = "v %.7f %.7f %.7f", " %.4f %.4f %.4f"
    if mesh.colors is None:
        blocks = [(f"{place}\n", mesh.vertices)]
    else:
        blocks = [(f"{place}{color}\n", np.concatenate([mesh.vertices, mesh.colors / 255.0], axis=1))]
    for line, rows in (*blocks, ("f %d %d %d\n", mesh.faces + 1)):
        for start in range(0, len(rows), LINES_AT_A_TIME):
            some = rows[start : start + LINES_AT_A_TIME]
            file.write(((line * len(some)) % tuple(some.ravel().tolist())).encode())


WRITERS: dict[str, Callable[[BinaryIO, Any], None]] = {".obj": _write_obj, ".ply": _write_ply, ".glb": write_glb}
