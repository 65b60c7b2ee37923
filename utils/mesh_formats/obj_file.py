"""Wavefront OBJ: triangles, quads and polygons, negative indices, texture coordinates, colors, materials.

Our own reader: the common ones leave out faces that they cannot read, and take minutes for a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_formats.content import (
    MeshContent,
    SurfaceMaterial,
    fan,
    parse_numbers,
    unit_rgb,
)
from utils.mesh_formats.mtl_file import decoded, libraries, read_mtl

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _rows(path: Path, lines: list[bytes], what: str) -> np.ndarray:
    """Lines of equally many numbers as a float64 array."""
    if not lines:
        return np.zeros((0, 0))
    width = len(lines[0].split())
    numbers = parse_numbers(b" ".join(lines))
    if width == 0 or numbers.size != width * len(lines):
        raise InputError(f"{path}: {what} lines hold {numbers.size} numbers, expected {width} on each of {len(lines)}")
    return numbers.reshape(len(lines), width)


def _layouts(blob: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Face lines, each with a newline: (n,) corners, (n,) least and (n,) most slashes in a corner."""
    characters = np.frombuffer(blob, dtype=np.uint8)
    starts = characters > ord(" ")
    starts[1:] &= characters[:-1] <= ord(" ")
    line = np.concatenate([[0], np.flatnonzero(characters == ord("\n"))[:-1] + 1])
    corners = np.add.reduceat(starts.astype(np.int64), line)
    slashes = np.add.reduceat((characters == ord("/")).astype(np.int64), np.flatnonzero(starts))
    first = np.cumsum(corners) - corners
    return corners, np.minimum.reduceat(slashes, first), np.maximum.reduceat(slashes, first)


@dataclass
class _Corners:
    """Face corners of one layout: n polygons of k corners."""

    lines: np.ndarray  # (n,) which face line
    vertex: np.ndarray  # (n, k) as written: from 1, or negative
    uv: np.ndarray | None  # (n, k) the same for texture coordinates


def _parse_faces(path: Path, lines: list[bytes]) -> list[_Corners]:
    """Face lines, grouped by how many corners they have and what each corner names."""
    blob = b"\n".join([*lines, b""]).replace(b"//", b"/0/").replace(b"/ ", b"/0 ").replace(b"/\n", b"/0\n")
    lines = blob.split(b"\n")[:-1]
    corners, least, most = _layouts(blob)
    groups = []
    layouts = corners * (most.max() + 1) + most
    for layout in np.unique(layouts):
        chosen = np.flatnonzero(layouts == layout)
        number, named = int(corners[chosen[0]]), int(most[chosen[0]]) + 1
        text = b" ".join([lines[index] for index in chosen] if len(chosen) < len(lines) else lines)
        values = parse_numbers(text.replace(b"/", b" "), np.int64)
        if number < 3 or (least[chosen] < most[chosen]).any() or values.size != len(chosen) * number * named:
            raise InputError(
                f"{path}: face line 'f {decoded(lines[chosen[0]][:60])}' or one like it cannot be read, "
                "expected three or more corners v, v/vt, v//vn or v/vt/vn"
            )
        values = values.reshape(len(chosen), number, named)
        uv = values[..., 1] if named > 1 and (values[..., 1] != 0).all() else None
        groups.append(_Corners(chosen, values[..., 0], uv))
    return groups


def _absolute(path: Path, what: str, written: np.ndarray, before: np.ndarray, count: int) -> np.ndarray:
    """Indices from 0, out of indices from 1 or negative ones, which count back from the face's line."""
    index = np.where(written > 0, written - 1, before[:, None] + written)
    wrong = (index < 0) | (index >= count) | (written == 0)
    if wrong.any():
        raise InputError(f"{path}: a face names {what} {written[wrong][0]}, expected 1 to {count}")
    return index


class _Lines:
    """The lines of a file by their keyword."""

    def __init__(self, data: bytes) -> None:
        data = data.removeprefix(BYTE_ORDER_MARK).replace(b"\t", b" ").replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
        self.lines = [line.strip() for line in data.splitlines()]
        if b"#" in data:  # in names it may stand for itself
            self.lines = [line.partition(b"#")[0].rstrip() if line[:1] in (b"v", b"f") else line for line in self.lines]
        self.kinds = np.array([line[:2] for line in self.lines], dtype="S2")

    def where(self, keyword: str) -> np.ndarray:
        """Indices of the lines that begin with a keyword."""
        start = f"{keyword} ".encode()
        found = np.flatnonzero(self.kinds == start[:2])
        return found if len(start) <= 3 else found[[self.lines[k].startswith(start) for k in found]]

    def after(self, keyword: str) -> list[bytes]:
        """What stands behind a keyword, one entry a line."""
        return [self.lines[k].partition(b" ")[2] for k in self.where(keyword)]


def read_obj(path: Path) -> MeshContent:
    """Read an OBJ file and its material libraries.

    Raises:
        InputError: the file has no faces, or a line cannot be read.
    """
    file = _Lines(path.read_bytes())
    where = file.where("f")
    vertices = _rows(path, file.after("v"), "vertex")
    if not len(where) or not len(vertices):
        raise InputError(f"{path}: {len(vertices)} vertices and {len(where)} faces, expected a mesh")
    if vertices.shape[1] < 3:
        raise InputError(f"{path}: {vertices.shape[1]} numbers on a vertex line, expected x y z")
    uv = _rows(path, file.after("vt"), "texture coordinate")
    vertices_before, uv_before = (np.searchsorted(file.where(keyword), where) for keyword in ("v", "vt"))
    faces, face_uv, line_of = [], [], []
    for group in _parse_faces(path, file.after("f")):
        faces.append(fan(_absolute(path, "vertex", group.vertex, vertices_before[group.lines], len(vertices))))
        if group.uv is not None and uv.shape[1] >= 2:
            index = _absolute(path, "texture coordinate", group.uv, uv_before[group.lines], len(uv))
            face_uv.append(uv[:, :2].astype(np.float32)[fan(index)])
        else:
            face_uv.append(np.full((len(faces[-1]), 3, 2), np.nan, dtype=np.float32))
        line_of.append(np.repeat(group.lines, group.vertex.shape[1] - 2))
    all_uv = np.concatenate(face_uv)
    material, materials, notes = _materials(path, file, where[np.concatenate(line_of)])
    return MeshContent(
        Mesh(vertices[:, :3].copy(), np.concatenate(faces)),
        vertex_rgb=_vertex_colors(vertices),
        uv=all_uv if np.isfinite(all_uv).any() else None,
        material=material,
        materials=materials,
        color_notes=notes,
    )


def _vertex_colors(vertices: np.ndarray) -> np.ndarray | None:
    """Colors behind the place of every vertex: r g b, or with w = 1 before them or an opacity of 1 behind them.

    Args:
        vertices: (V, n) numbers of the vertex lines; x y z w is a place too.
    """
    if vertices.shape[1] == 7:
        last = vertices[:, 6]
        has_opacity = (last == last[0]).all() and last[0] in (1, 255) and (vertices[:, 3] != 1).any()
        return unit_rgb(vertices[:, 3:6] if has_opacity else vertices[:, 4:])
    return unit_rgb(vertices[:, 3:]) if vertices.shape[1] == 6 else None


def _materials(
    path: Path, file: _Lines, lines: np.ndarray
) -> tuple[np.ndarray, list[SurfaceMaterial], tuple[str, ...]]:
    """The material of every triangle, (F,) indices; the materials; what is missing.

    Args:
        lines: (F,) of the triangles in the file.
    """
    known, notes = _libraries(path, file)
    names = ["", *(decoded(name).strip() for name in file.after("usemtl"))]
    use = np.searchsorted(file.where("usemtl"), lines)  # 0: before any
    used = sorted({names[k] for k in np.unique(use)})
    unknown = [name for name in used if name and name not in known]
    if unknown and known and not notes:
        notes.append(f"{path}: material {unknown[0]} is in none of its material files: plain grey there")
    number = {name: index for index, name in enumerate(used)}
    material = np.array([number.get(name, 0) for name in names])[use]
    idle = [name for name, one in known.items() if one.texture is not None and name not in number]
    if idle and not any(known[name].texture for name in used if name in known):
        notes.append(f"{path}: material {idle[0]} has a texture, and no face uses it")
    return material, [known.get(name, SurfaceMaterial()) for name in used], tuple(notes)


def _libraries(path: Path, file: _Lines) -> tuple[dict[str, SurfaceMaterial], list[str]]:
    """All materials of the libraries that a file names, and the libraries that are missing."""
    known: dict[str, SurfaceMaterial] = {}
    missing = []
    for line in dict.fromkeys(decoded(line).strip() for line in file.after("mtllib")):
        for library in libraries(path.parent, line):
            if library.is_file():
                known |= read_mtl(library)
            else:
                missing.append(f"{path}: material file {library.name} is missing: plain grey there")
    return known, missing
