"""Mesh files of any origin as triangles with an appearance, or one clear error.

One rule for all formats: texture before colors of vertices before colors of faces before the material's color.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.rendering.appearance import CornerColor, MaterialColor, PlainColor, TextureColor, VertexColor
from datasets.rendering.scan import Appearance
from datasets.rendering.textures import read_texture, texels_per_pixel
from geometry.mesh import Mesh, are_places
from utils.errors import InputError
from utils.mesh_formats.content import MeshContent, SurfaceMaterial, Texture
from utils.mesh_formats.mesh_reader import read_mesh_file

NO_COLOR = PlainColor((0.7, 0.7, 0.7))


@dataclass(frozen=True)
class ColoredMesh:
    """A mesh as its file has it."""

    mesh: Mesh  # places finite, faces int64
    appearance: Appearance
    notes: tuple[str, ...] = ()  # what was repaired, is missing, or is there and not used


def read_colored_mesh(path: Path, size: int, texture: Path | None = None) -> ColoredMesh:
    """Read a mesh file and its colors.

    Args:
        size: of the renders [px]; textures are shrunk to about the pitch of their pixels.
        texture: a picture for all triangles, whatever the file's materials say.

    Raises:
        InputError: the file or a texture is missing, empty or broken, or no triangle has finite corners.
    """
    content = read_mesh_file(path)
    if texture is None:
        appearance, notes = _appearance(path, content, size)
        notes = (*content.color_notes, *notes)
    else:
        if content.uv is None:
            raise InputError(f"{path}: no texture coordinates, expected vt lines for {texture.name}")
        everywhere = np.arange(len(content.mesh.faces))
        appearance, notes = _textured(content, Texture(texture.name, texture), everywhere, size), ()
    return _finite(path, ColoredMesh(content.mesh, appearance, (*content.notes, *notes)))


@dataclass(frozen=True)
class _Kept:
    """An appearance after some triangles are gone."""

    whole: Appearance
    kept: np.ndarray  # (F',) int64 index into the triangles of `whole`

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        return self.whole.albedo(self.kept[faces], barycentric)


def _finite(path: Path, colored: ColoredMesh) -> ColoredMesh:
    """The mesh without triangles that have a corner nowhere (geometry.mesh.are_places)."""
    vertices, faces = colored.mesh.vertices, colored.mesh.faces
    finite = are_places(vertices)
    usable = finite[faces].all(1)
    if not usable.any():
        raise InputError(f"{path}: {len(faces)} triangles and none has finite corners, expected a mesh")
    if usable.all() and finite.all():
        return colored
    # A vertex without a place goes where it cannot change the size of the mesh.
    vertices = np.where(finite[:, None], vertices, vertices[faces[usable][0, 0]])
    if usable.all():
        return ColoredMesh(Mesh(vertices, faces), colored.appearance, colored.notes)
    note = f"{path}: {(~usable).sum()} of {len(usable)} triangles are not finite and are left out"
    kept = np.flatnonzero(usable)
    return ColoredMesh(Mesh(vertices, faces[kept]), _Kept(colored.appearance, kept), (*colored.notes, note))


def _appearance(path: Path, content: MeshContent, size: int) -> tuple[Appearance, tuple[str, ...]]:
    """What the triangles look like, and what is in the file and not used."""
    count = len(content.mesh.faces)
    material = np.zeros(count, np.int64) if content.material is None else content.material
    has_uv = np.zeros(count, bool) if content.uv is None else np.isfinite(content.uv).all((1, 2))
    vertex_rgb, has_rgb = content.vertex_rgb, np.zeros(count, bool)
    if vertex_rgb is not None:
        has_rgb = ~np.isnan(vertex_rgb).any(1)[content.mesh.faces].any(1) if vertex_rgb.dtype.kind == "f" else ~has_rgb
    looks: list[Appearance] = []
    look = np.full(count, -1)

    def wear(faces: np.ndarray, appearance: Appearance) -> None:
        if faces.any():
            look[faces] = len(looks)
            looks.append(appearance)

    textured = np.zeros(count, bool)
    for texture, wearers in _wearers(content.materials):
        here = np.isin(material, wearers) & has_uv
        if here.any():
            wear(here, _textured(content, texture, np.flatnonzero(here), size))
            textured |= here
    if vertex_rgb is not None:
        wear((look < 0) & has_rgb, VertexColor(content.mesh.faces, vertex_rgb))
    if content.corner_rgb is not None:
        wear(look < 0, CornerColor(content.corner_rgb))
    for index, one in enumerate(content.materials):
        wear((look < 0) & (material == index), NO_COLOR if one.rgb is None else PlainColor(one.rgb))
    notes = _unused(path, content, material, textured, has_rgb)
    if all(one is NO_COLOR for one in looks):
        notes.append(f"{path}: has no colors, rendered in plain grey")
    return looks[0] if len(looks) == 1 else MaterialColor(look, looks), tuple(notes)


def _wearers(materials: Sequence[SurfaceMaterial]) -> list[tuple[Texture, list[int]]]:
    """Every texture once, with the materials that have it: hundreds may share one picture."""
    found: dict[object, tuple[Texture, list[int]]] = {}
    for index, one in enumerate(materials):
        if one.texture is not None:
            found.setdefault((one.texture.source, one.texture.factor), (one.texture, []))[1].append(index)
    return list(found.values())


def _unused(
    path: Path, content: MeshContent, material: np.ndarray, textured: np.ndarray, has_rgb: np.ndarray
) -> list[str]:
    """Colors that are in the file and not used.

    Args:
        material, textured, has_rgb: (F,) of the triangles: the material, whether a texture or vertex colors are there.
    """
    used = [content.materials[index] for index in np.unique(material)]
    named = [one.texture.name for one in used if one.texture is not None]
    notes = []
    if named and not textured.any():
        notes.append(f"{path}: has no texture coordinates: {named[0]} is not used")
    if content.uv is not None and np.isfinite(content.uv).any() and not named:
        notes.append(f"{path}: has texture coordinates and names no texture")
    rgb = content.vertex_rgb
    if rgb is not None and (textured & has_rgb).any():
        white = 255 if rgb.dtype == np.uint8 else 1
        if (rgb[content.mesh.faces[textured & has_rgb]] < white).any():
            notes.append(f"{path}: has a texture: colors of its vertices are not used there")
    if content.corner_rgb is not None and (textured | has_rgb).all():
        notes.append(f"{path}: has other colors: those of its faces are not used")
    return notes


def _textured(content: MeshContent, texture: Texture, faces: np.ndarray, size: int) -> TextureColor:
    """A texture on some triangles, (N,) indices."""
    assert content.uv is not None
    per_pixel = texels_per_pixel(content.mesh, faces, content.uv[faces], size)
    return TextureColor(read_texture(texture, per_pixel), np.nan_to_num(content.uv))
