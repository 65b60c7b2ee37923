"""The one reader of mesh files, for rendering and for measuring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from utils.errors import InputError
from utils.file_kinds import LONGEST, stranger
from utils.mesh_formats.content import MeshContent
from utils.mesh_formats.gltf_mesh import read_gltf
from utils.mesh_formats.obj_file import read_obj
from utils.mesh_formats.off_file import read_off
from utils.mesh_formats.ply_mesh import read_ply_mesh
from utils.mesh_formats.stl_file import read_stl

READERS: dict[str, Callable[[Path], MeshContent]] = {
    ".obj": read_obj,
    ".ply": read_ply_mesh,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".stl": read_stl,
    ".off": read_off,
}
MESH_SUFFIXES = tuple(READERS)


def read_mesh_file(path: Path) -> MeshContent:
    """Read a mesh file in the format of its suffix.

    Raises:
        InputError: it is missing, empty, broken or of another kind, or has no faces.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown kind of mesh, expected {', '.join(MESH_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a mesh")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: cannot be read: empty file, 0 vertices and 0 faces, expected a mesh")
        with path.open("rb") as file:
            if what := stranger(file.read(LONGEST)):
                raise InputError(f"{path}: {what}, expected a mesh")
        return reader(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a mesh") from error
