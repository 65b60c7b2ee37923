"""Wavefront OBJ and MTL: triangles, quads and polygons, negative indices, texture coordinates, colors, materials."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.errors import InputError


@dataclass(frozen=True)
class Material:
    """What an MTL file says about a surface's color."""

    rgb: tuple[float, float, float] = (0.7, 0.7, 0.7)  # Kd
    texture: Path | None = None  # map_Kd


@dataclass(frozen=True)
class ObjMesh:
    """An OBJ file, polygons cut into triangles."""

    vertices: np.ndarray  # (V, 3) float64
    rgb: np.ndarray | None  # (V, 3) float64 colors of the vertices in [0, 1], if the file has them
    faces: np.ndarray  # (F, 3) int64
    uv: np.ndarray | None  # (F, 3, 2) float32, NaN where a triangle has none; None when no triangle has any
    material: np.ndarray  # (F,) int64 index into `materials`
    materials: list[str] = field(default_factory=list)  # "" for faces before any usemtl
    library: Path | None = None


def _numbers(text: bytes, dtype: type) -> np.ndarray:
    """All numbers of a text; fewer than there are words, or none, when one of them is not a number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return np.fromstring(text, dtype=dtype, sep=" ")
    except ValueError:
        return np.empty(0, dtype=dtype)


def _rows(path: Path, lines: list[bytes], what: str) -> np.ndarray:
    """Lines of equally many numbers as a float64 array."""
    if not lines:
        return np.zeros((0, 0))
    width = len(lines[0].split())
    numbers = _numbers(b" ".join(lines), np.float64)
    if width == 0 or numbers.size != width * len(lines):
        raise InputError(f"{path}: {what} lines hold {numbers.size} numbers, expected {width} on each of {len(lines)}")
    return numbers.reshape(len(lines), width)


def _layouts(blob: bytes, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners and slashes of every face line of a newline-separated text: (count,) each."""
    characters = np.frombuffer(blob, dtype=np.uint8)
    blank = characters <= ord(" ")
    starts = ~blank
    starts[1:] &= blank[:-1]
    line = np.concatenate([[0], np.flatnonzero(characters == ord("\n")) + 1])[:count]
    corners = np.add.reduceat(starts.astype(np.int64), line)
    return corners, np.add.reduceat((characters == ord("/")).astype(np.int64), line)


@dataclass
class _Corners:
    """Face corners of one layout: n polygons of k corners."""

    lines: np.ndarray  # (n,) which face line
    vertex: np.ndarray  # (n, k) as written: from 1, or negative
    uv: np.ndarray | None  # (n, k) the same for texture coordinates


def _parse_faces(path: Path, lines: list[bytes]) -> list[_Corners]:
    """Face lines, grouped by how many corners they have and what each corner names."""
    blob = b"\n".join(lines).replace(b"//", b"/0/")
    lines = blob.split(b"\n")
    corners, slashes = _layouts(blob, len(lines))
    groups = []
    layouts = corners * (slashes.max() + 1) + slashes
    for layout in np.unique(layouts):
        chosen = np.flatnonzero(layouts == layout)
        number = int(corners[chosen[0]])
        named = int(slashes[chosen[0]]) // max(number, 1) + 1
        text = b" ".join([lines[index] for index in chosen] if len(chosen) < len(lines) else lines)
        values = _numbers(text.replace(b"/", b" "), np.int64)
        if number < 3 or values.size != len(chosen) * number * named:
            raise InputError(
                f"{path}: face line 'f {lines[chosen[0]].decode(errors='replace')}' or one like it cannot be read, "
                "expected three or more corners v, v/vt, v//vn or v/vt/vn"
            )
        values = values.reshape(len(chosen), number, named)
        uv = values[..., 1] if named > 1 and (values[..., 1] != 0).all() else None
        groups.append(_Corners(chosen, values[..., 0], uv))
    return groups


def _absolute(path: Path, what: str, written: np.ndarray, before: np.ndarray, count: int) -> np.ndarray:
    """Indices from 0, out of indices from 1 or negative ones, which count back from the face's line."""
    index = np.where(written > 0, written - 1, before[:, None] + written)
    if (index < 0).any() or (index >= count).any() or (written == 0).any():
        bad = written[(index < 0) | (index >= count) | (written == 0)][0]
        raise InputError(f"{path}: a face names {what} {bad}, expected 1 to {count}")
    return index


def _fan(polygons: np.ndarray) -> np.ndarray:
    """(n, k) polygons -> (n (k - 2), 3) triangles around the first corner."""
    triangles = [polygons[:, [0, k, k + 1]] for k in range(1, polygons.shape[1] - 1)]
    return np.stack(triangles, axis=1).reshape(-1, 3)


def read_obj(path: Path) -> ObjMesh:
    """Read an OBJ file.

    Raises:
        InputError: the file is missing or empty, has no faces, or a line cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected an OBJ file") from None
    lines = [
        line.strip() for line in data.replace(b"\t", b" ").replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines()
    ]
    kinds = np.array([line[:2] for line in lines], dtype="S2")
    is_vertex, is_uv, is_face, is_use = (kinds == kind for kind in (b"v ", b"vt", b"f ", b"us"))
    where = np.flatnonzero(is_face)
    if not len(where) or not is_vertex.any():
        raise InputError(f"{path}: {is_vertex.sum()} vertices and {len(where)} faces, expected a mesh")
    vertices = _rows(path, [lines[k][2:] for k in np.flatnonzero(is_vertex)], "vertex")
    if vertices.shape[1] < 3:
        raise InputError(f"{path}: {vertices.shape[1]} numbers on a vertex line, expected x y z")
    uv = _rows(path, [lines[k][3:] for k in np.flatnonzero(is_uv)], "texture coordinate")
    vertices_before, uv_before, uses_before = (np.cumsum(kind)[where] for kind in (is_vertex, is_uv, is_use))
    faces, face_uv, line_of = [], [], []
    for group in _parse_faces(path, [lines[k][2:] for k in where]):
        before = vertices_before[group.lines]
        faces.append(_fan(_absolute(path, "vertex", group.vertex, before, len(vertices))))
        if group.uv is not None and uv.shape[1] >= 2:
            index = _absolute(path, "texture coordinate", group.uv, uv_before[group.lines], len(uv))
            face_uv.append(uv[:, :2].astype(np.float32)[_fan(index)])
        else:
            face_uv.append(np.full((len(faces[-1]), 3, 2), np.nan, dtype=np.float32))
        line_of.append(np.repeat(group.lines, group.vertex.shape[1] - 2))
    names = [""] + [_after_keyword(lines[k]) for k in np.flatnonzero(is_use)]
    materials = sorted(set(names))
    number = {name: index for index, name in enumerate(materials)}
    material = np.array([number[name] for name in names])[uses_before[np.concatenate(line_of)]]
    libraries = [path.parent / _after_keyword(lines[k]) for k in np.flatnonzero(kinds == b"mt")]
    face_uv = np.concatenate(face_uv)
    return ObjMesh(
        vertices[:, :3].copy(),
        vertices[:, -3:].copy() if vertices.shape[1] in (6, 7) else None,
        np.concatenate(faces),
        face_uv if np.isfinite(face_uv).any() else None,
        material,
        materials,
        libraries[0] if libraries else None,
    )


def _after_keyword(line: bytes) -> str:
    return line.decode(errors="replace").partition(" ")[2].strip()


def read_mtl(path: Path) -> dict[str, Material]:
    """Read the colors of a material library; none when the file is missing."""
    materials: dict[str, Material] = {}
    if not path.is_file():
        return materials
    name = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if keyword == "newmtl":
            name = rest
            materials[name] = Material()
        elif keyword == "Kd" and name in materials:
            rgb = _numbers(rest.encode(), np.float64)
            if rgb.size == 3:
                materials[name] = Material(tuple(np.clip(rgb, 0, 1)), materials[name].texture)
        elif keyword.lower() == "map_kd" and name in materials and rest:
            # Options stand before the file name, and a name with spaces has none of them.
            file = rest.split()[-1] if rest.startswith("-") else rest
            materials[name] = Material(materials[name].rgb, path.parent / file.replace("\\", "/"))
    return materials
