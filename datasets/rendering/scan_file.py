"""Mesh files of any origin as triangles with an appearance, or one clear error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d

from datasets.rendering.appearance import MaterialColor, PlainColor, TextureColor, VertexColor
from datasets.rendering.gltf_file import GltfPart, read_gltf
from datasets.rendering.scan import Appearance
from geometry.camera import Camera
from geometry.scan_frame import WIDTH_PER_REACH
from utils.errors import InputError
from utils.obj_file import Material, ObjMesh, read_mtl, read_obj
from utils.srgb import srgb_from_linear

MESH_SUFFIXES = (".obj", ".ply", ".glb", ".gltf", ".stl", ".off")
NO_COLOR = PlainColor((0.7, 0.7, 0.7))


@dataclass(frozen=True)
class Mesh:
    """A mesh as its file has it."""

    vertices: np.ndarray  # (V, 3) float64, finite wherever a triangle uses them
    faces: np.ndarray  # (F, 3) int64
    appearance: Appearance
    notes: tuple[str, ...] = ()  # what was repaired or is missing


def read_mesh(path: Path, size: int, texture: Path | None = None) -> Mesh:
    """Read a mesh file.

    Args:
        size: of the renders [px]; textures are shrunk to about the pitch of their pixels.
        texture: a picture for all triangles of an OBJ file, whatever its materials say.

    Raises:
        InputError: the file or a texture is missing, empty or broken, or no triangle has finite corners.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a mesh")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file, expected a mesh")
    suffix = path.suffix.lower()
    if suffix == ".obj":
        mesh = _from_obj(read_obj(path), path, size, texture)
    elif suffix in (".glb", ".gltf"):
        mesh = _from_gltf(path, size)
    elif suffix in MESH_SUFFIXES:
        mesh = _from_open3d(path)
    else:
        raise InputError(f"{path}: unknown kind of mesh, expected {', '.join(MESH_SUFFIXES)}")
    return _finite(path, mesh)


@dataclass(frozen=True)
class _Kept:
    """An appearance after some triangles are gone."""

    whole: Appearance
    kept: np.ndarray  # (F',) int64 index into the triangles of `whole`

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        return self.whole.albedo(self.kept[faces], barycentric)


def _finite(path: Path, mesh: Mesh) -> Mesh:
    """The mesh without triangles that have a corner at NaN or infinity."""
    finite = np.isfinite(mesh.vertices).all(1)
    usable = finite[mesh.faces].all(1)
    if not usable.any():
        raise InputError(f"{path}: {len(mesh.faces)} triangles and none has finite corners, expected a mesh")
    # A vertex without a place goes where it cannot change the size of the mesh.
    vertices = np.where(finite[:, None], mesh.vertices, mesh.vertices[mesh.faces[usable][0, 0]])
    if usable.all():
        return Mesh(vertices, mesh.faces, mesh.appearance, mesh.notes)
    note = f"{path}: {(~usable).sum()} of {len(usable)} triangles are not finite and are left out"
    kept = np.flatnonzero(usable)
    return Mesh(vertices, mesh.faces[kept], _Kept(mesh.appearance, kept), (*mesh.notes, note))


def _no_color(path: Path) -> tuple[str, ...]:
    return (f"{path}: has no colors, rendered in plain grey",)


def _from_obj(obj: ObjMesh, path: Path, size: int, texture: Path | None) -> Mesh:
    if texture is not None:
        if obj.uv is None:
            raise InputError(f"{path}: no texture coordinates, expected vt lines for {texture.name}")
        look = _textured(texture, obj.uv, _obj_texels(obj, size))
        return Mesh(obj.vertices, obj.faces, look)
    if obj.rgb is not None:
        top = 255.0 if obj.rgb.max() > 1 else 1.0
        return Mesh(obj.vertices, obj.faces, VertexColor(obj.faces, np.clip(obj.rgb / top, 0, 1)))
    known = read_mtl(obj.library) if obj.library else {}
    used = np.unique(obj.material)
    if not any(obj.materials[index] in known for index in used):
        missing = obj.library is not None and not obj.library.is_file()
        note = (f"{path}: material file {obj.library.name} is missing, rendered in plain grey",) if missing else None
        return Mesh(obj.vertices, obj.faces, NO_COLOR, note or _no_color(path))
    looks: list[Appearance] = [NO_COLOR] * len(obj.materials)
    per_pixel = _obj_texels(obj, size)
    for index in used:
        material = known.get(obj.materials[index], Material())
        textured = material.texture is not None and obj.uv is not None
        looks[index] = _textured(material.texture, obj.uv, per_pixel) if textured else PlainColor(material.rgb)
    return Mesh(obj.vertices, obj.faces, looks[used[0]] if len(used) == 1 else MaterialColor(obj.material, looks))


def _obj_texels(obj: ObjMesh, size: int) -> float:
    return 0.0 if obj.uv is None else texels_per_pixel(obj.vertices, obj.faces, obj.uv, size, reach(obj.vertices))


def reach(vertices: np.ndarray) -> float:
    """Half the longest side of the box around a mesh."""
    finite = vertices[np.isfinite(vertices).all(1)]
    return float(np.ptp(finite, axis=0).max() / 2) if len(finite) else 0.0


def texels_per_pixel(vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, size: int, reach: float) -> float:
    """How many widths of the texture lie on one width of the render's pixel, in the mean over the surface.

    Multiplied by the texture's width it is the step between neighbouring samples [texture px].

    Args:
        vertices, faces: (V, 3) and (F, 3), the triangles that wear the texture.
        uv: (F, 3, 2); NaN counts for nothing.
        size: of the render [px].
        reach: of the whole mesh, which is scaled by it.
    """
    corners = vertices[faces]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    edges = uv[:, 1:] - uv[:, :1]
    uv_area = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    good = np.isfinite(area) & np.isfinite(uv_area)
    if not area[good].sum() * reach > 0:
        return 0.0
    pixel_area = area[good].sum() * (Camera(size).focal / (WIDTH_PER_REACH * reach)) ** 2
    return float(np.sqrt(uv_area[good].sum() / pixel_area))


def _find_beside(path: Path) -> Path:
    """The file, or the one whose name differs from it only in upper and lower case."""
    if not path.is_file() and path.parent.is_dir():
        for other in path.parent.iterdir():
            if other.name.lower() == path.name.lower():
                return other
    return path


def _textured(path: Path, uv: np.ndarray, per_pixel: float) -> TextureColor:
    return TextureColor(read_texture(_find_beside(path), per_pixel), np.nan_to_num(uv))


def read_texture(path: Path, texels_per_pixel: float) -> np.ndarray:
    """Read a texture, shrunk by 2, 4 or 8 when renders would skip its pixels (an 8k scan at 2048 px skips 4 of 5).

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        InputError: missing or broken.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the texture of the mesh")
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise InputError(f"{path}: cannot be read as an image, expected the texture of the mesh")
    return shrunk(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), texels_per_pixel)


def shrunk(picture: np.ndarray, texels_per_pixel: float) -> np.ndarray:
    """A texture at 1, 1/2, 1/4 or 1/8 of its size, so that neighbouring samples are about a pixel apart."""
    step = texels_per_pixel * max(picture.shape[:2])
    shrink = 2 ** int(np.clip(np.floor(np.log2(max(step, 1.0)) + 0.5), 0, 3))
    if shrink == 1:
        return picture
    size = (max(picture.shape[1] // shrink, 1), max(picture.shape[0] // shrink, 1))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _from_open3d(path: Path) -> Mesh:
    """PLY, STL and OFF through Open3D: vertex colors or none."""
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh = o3d.io.read_triangle_mesh(str(path))
    vertices, faces = np.array(mesh.vertices), np.array(mesh.triangles, dtype=np.int64)
    if not len(faces):
        raise InputError(f"{path}: {len(vertices)} vertices and no triangles could be read, expected a mesh")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names vertex {faces.max()}, expected 0 to {len(vertices) - 1}")
    if not mesh.has_vertex_colors():
        return Mesh(vertices, faces, NO_COLOR, _no_color(path))
    rgb = np.rint(np.clip(np.asarray(mesh.vertex_colors), 0, 1) * 255).astype(np.uint8)
    return Mesh(vertices, faces, VertexColor(faces, rgb))


def _from_gltf(path: Path, size: int) -> Mesh:
    parts = [part for part in read_gltf(path) if len(part.faces)]
    if not parts:
        raise InputError(f"{path}: no triangles, expected a mesh")
    first_vertex = np.cumsum([0, *(len(part.vertices) for part in parts)])
    first_face = np.cumsum([0, *(len(part.faces) for part in parts)])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + first for part, first in zip(parts, first_vertex, strict=False)])
    looks = [_Shifted(_gltf_look(part, vertices, size), first) for part, first in zip(parts, first_face, strict=False)]
    plain = all(part.rgb is None and part.texture is None and (part.base_rgb == 1).all() for part in parts)
    look = MaterialColor(np.repeat(np.arange(len(parts)), np.diff(first_face)), looks)
    return Mesh(vertices, faces, look, _no_color(path) if plain else ())


@dataclass(frozen=True)
class _Shifted:
    """The appearance of a mesh whose triangles start at `first` in a larger one."""

    part: Appearance
    first: int

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        return self.part.albedo(faces - self.first, barycentric)


def _gltf_look(part: GltfPart, vertices: np.ndarray, size: int) -> Appearance:
    """Texture before vertex colors before the base color; glTF's numbers are linear light, its pictures sRGB."""
    if part.texture is not None:
        per_pixel = texels_per_pixel(part.vertices, part.faces, part.uv, size, reach(vertices))
        return TextureColor(shrunk(part.texture, per_pixel), part.uv)
    if part.rgb is not None:
        return VertexColor(part.faces, srgb_from_linear(np.clip(part.rgb * part.base_rgb, 0, 1)))
    if (part.base_rgb == 1).all():
        return NO_COLOR
    return PlainColor(tuple(srgb_from_linear(np.clip(part.base_rgb, 0, 1))))
