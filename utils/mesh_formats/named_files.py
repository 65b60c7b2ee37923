"""The other files that a mesh file names: material libraries, textures, buffers."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from utils.errors import InputError
from utils.mesh_formats.content import beside
from utils.mesh_formats.gltf_file import GltfFile
from utils.mesh_formats.mtl_file import decoded, libraries, read_mtl
from utils.mesh_formats.ply_header import LONGEST_HEADER, read_header, texture_names

KEYWORD = b"mtllib"
BROKEN = (InputError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error)
"""What a file that is none of its kind may raise."""


def named_files(path: Path) -> list[Path]:
    """Where the files are, or would be, that a mesh file names; none for one that cannot be read."""
    namer = NAMERS.get(path.suffix.lower())
    try:
        return [] if namer is None else namer(path)
    except BROKEN:
        return []  # who reads the mesh says what is wrong


def _named_by_obj(path: Path) -> list[Path]:
    found = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(KEYWORD)
        while place >= 0:
            data.seek(place + len(KEYWORD))
            for library in libraries(path.parent, decoded(data.readline()).strip()):
                found.append(library)
                if library.is_file():
                    textures = (material.texture for material in read_mtl(library).values())
                    found += [one.source for one in textures if one is not None and isinstance(one.source, Path)]
            place = data.find(KEYWORD, data.tell())
    return found


def _named_by_gltf(path: Path) -> list[Path]:
    content = GltfFile(path).json
    uris = [one.get("uri") for table in ("buffers", "images") for one in content.get(table, [])]
    return [path.parent / unquote(uri) for uri in uris if isinstance(uri, str) and not uri.startswith("data:")]


def _named_by_ply(path: Path) -> list[Path]:
    with path.open("rb") as file:
        header = read_header(path, file.read(LONGEST_HEADER))
    return [beside(path.parent, name) for name in texture_names(header)]


NAMERS: dict[str, Callable[[Path], list[Path]]] = {
    ".obj": _named_by_obj,
    ".gltf": _named_by_gltf,
    ".glb": _named_by_gltf,
    ".ply": _named_by_ply,
}
