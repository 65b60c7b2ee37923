"""Meshes in PLY files: polygons, colors per vertex, face or corner, textures as MeshLab and scanners write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_formats.content import (
    MeshContent,
    SurfaceMaterial,
    Texture,
    beside,
    check_indices,
    fan,
    unit_rgb,
)
from utils.mesh_formats.ply_file import PlyList, PlyTable, read_ply
from utils.mesh_formats.ply_header import texture_names

POSITION = ("x", "y", "z")
COLORS = tuple(tuple(f"{of}{color}" for color in ("red", "green", "blue")) for of in ("", "diffuse_", "ambient_"))
COLORS += (("r", "g", "b"),)
VERTEX_UV = (("texture_u", "texture_v"), ("s", "t"), ("u", "v"), ("texcoord_u", "texcoord_v"))
INDICES = ("vertex_indices", "vertex_index")
CORNER_UV, CORNER_COLOR, TEXTURE_OF_FACE = "texcoord", "color", "texnumber"


def colors_of(table: PlyTable) -> np.ndarray | None:
    """(N, 3) uint8, or float sRGB in [0, 1]: the colors of a table's rows; None when it has none."""
    names = next((names for names in COLORS if table.has(names)), None)
    return None if names is None else unit_rgb(table.columns(names))


class _Polygons:
    """Faces with any number of corners as triangles, in the order of the file."""

    def __init__(self, corners: PlyList) -> None:
        self._groups = [corners.of_length(length) for length in np.unique(corners.lengths) if length >= 3]
        triangles = [np.repeat(rows, polygons.shape[1] - 2) for rows, polygons in self._groups]
        face = np.concatenate([np.empty(0, np.int64), *triangles])
        self._order = np.argsort(face, kind="stable")
        self.face = face[self._order]  # (F,) the face that each triangle was cut from

    def triangles(self) -> np.ndarray:
        """(F, 3) int64 vertices."""
        cut = [fan(polygons.astype(np.int64)) for _, polygons in self._groups]
        return np.concatenate([np.empty((0, 3), np.int64), *cut])[self._order]

    def at_corners(self, lists: PlyList, width: int) -> np.ndarray:
        """(F, 3, width) float64: lists of `width` values for every corner of a face; NaN where a list is no such."""
        starts = np.cumsum(lists.lengths) - lists.lengths
        cut = [np.empty((0, 3, width))]
        for rows, polygons in self._groups:
            values = np.full((*polygons.shape, width), np.nan)
            good = lists.lengths[rows] == width * polygons.shape[1]
            place = starts[rows[good], None] + np.arange(width * polygons.shape[1])
            values[good] = lists.values[place].reshape(-1, polygons.shape[1], width)
            cut.append(fan(values))
        return np.concatenate(cut)[self._order]


def read_ply_mesh(path: Path) -> MeshContent:
    """Read a mesh.

    Raises:
        InputError: no PLY, not as many rows as its header counts, no faces, or a face that names no vertex.
    """
    header, tables = read_ply(path, path.read_bytes())
    vertex, face = tables.get("vertex"), tables.get("face")
    corners = next((face.lists[name] for name in INDICES if name in face.lists), None) if face else None
    if vertex is None or not vertex.has(POSITION) or face is None or corners is None:
        raise InputError(
            f"{path}: cannot be read as a mesh: it has {', '.join(tables)[:80] or 'nothing'}, expected vertices with "
            f"x y z and faces with {' or '.join(INDICES)}"
        )
    if corners.values.dtype.kind == "f":
        raise InputError(f"{path}: faces of {corners.values.dtype} numbers, expected integers")
    check_indices(path, corners.values, vertex.count)
    polygons = _Polygons(corners)
    faces = polygons.triangles()
    if not len(faces):
        raise InputError(f"{path}: {vertex.count} vertices and {len(faces)} faces, expected a mesh with faces")
    textures = texture_names(header)
    few = int((corners.lengths < 3).sum())
    return MeshContent(
        Mesh(vertex.columns(POSITION).astype(np.float64), faces),
        vertex_rgb=colors_of(vertex),
        corner_rgb=_corner_colors(face, polygons),
        uv=_texture_coordinates(vertex, face, polygons, faces),
        material=_materials(path, face, polygons, len(textures)),
        materials=[SurfaceMaterial(None, Texture(name, beside(path.parent, name))) for name in textures]
        + [SurfaceMaterial()],
        notes=(f"{path}: {few} faces with fewer than three corners are left out",) if few else (),
    )


def _corner_colors(face: PlyTable, polygons: _Polygons) -> np.ndarray | None:
    """(F, 3, 3): colors of corners before colors of faces; None without either."""
    if CORNER_COLOR in face.lists:
        colors = face.lists[CORNER_COLOR]
        for width in (3, 4):
            rgb = polygons.at_corners(colors, width)[..., :3]
            if np.isfinite(rgb).all():
                return unit_rgb(rgb.astype(colors.values.dtype))
    of_faces = colors_of(face)
    return None if of_faces is None else np.repeat(of_faces[polygons.face, None], 3, axis=1)


def _texture_coordinates(vertex: PlyTable, face: PlyTable, polygons: _Polygons, faces: np.ndarray) -> np.ndarray | None:
    """(F, 3, 2) float32: those of corners before those of vertices; None without either."""
    if CORNER_UV in face.lists:
        uv = polygons.at_corners(face.lists[CORNER_UV], 2).astype(np.float32)
        if not np.isnan(uv).all():
            return uv
    names = next((names for names in VERTEX_UV if vertex.has(names)), None)
    return None if names is None else vertex.columns(names).astype(np.float32)[faces]


def _materials(path: Path, face: PlyTable, polygons: _Polygons, textures: int) -> np.ndarray:
    """(F,) the texture of every triangle; `textures` where it has none."""
    if TEXTURE_OF_FACE not in face.values:
        return np.zeros(len(polygons.face), np.int64)
    number = face.values[TEXTURE_OF_FACE].astype(np.int64)[polygons.face]
    if textures and number.max() >= textures:
        raise InputError(f"{path}: a face names texture {number.max()}, expected 0 to {textures - 1}")
    return np.where((number < 0) | (number >= textures), textures, number)
