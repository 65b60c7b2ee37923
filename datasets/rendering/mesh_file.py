"""Mesh files of any origin as triangles with an appearance, or one clear error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d

from datasets.rendering.appearance import MaterialColour, PlainColour, TextureColour, VertexColour
from datasets.rendering.scan import Appearance
from geometry.camera import Camera
from geometry.scan_frame import WIDTH_PER_REACH
from utils.errors import InputError
from utils.obj_file import Material, ObjMesh, read_mtl, read_obj

MESH_SUFFIXES = (".obj", ".ply", ".glb", ".gltf", ".stl", ".off")
NO_COLOUR = PlainColour((0.7, 0.7, 0.7))


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
        mesh = _from_model(path)
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


def _no_colour(path: Path) -> tuple[str, ...]:
    return (f"{path}: has no colours, rendered in plain grey",)


def _from_obj(obj: ObjMesh, path: Path, size: int, texture: Path | None) -> Mesh:
    if texture is not None:
        if obj.uv is None:
            raise InputError(f"{path}: no texture coordinates, expected vt lines for {texture.name}")
        look = _textured(texture, obj.uv, texels_per_pixel(obj, size))
        return Mesh(obj.vertices, obj.faces, look)
    if obj.rgb is not None:
        top = 255.0 if obj.rgb.max() > 1 else 1.0
        return Mesh(obj.vertices, obj.faces, VertexColour(obj.faces, np.clip(obj.rgb / top, 0, 1)))
    known = read_mtl(obj.library) if obj.library else {}
    used = np.unique(obj.material)
    if not any(obj.materials[index] in known for index in used):
        missing = obj.library is not None and not obj.library.is_file()
        note = (f"{path}: material file {obj.library.name} is missing, rendered in plain grey",) if missing else None
        return Mesh(obj.vertices, obj.faces, NO_COLOUR, note or _no_colour(path))
    looks: list[Appearance] = [NO_COLOUR] * len(obj.materials)
    per_pixel = texels_per_pixel(obj, size)
    for index in used:
        material = known.get(obj.materials[index], Material())
        textured = material.texture is not None and obj.uv is not None
        looks[index] = _textured(material.texture, obj.uv, per_pixel) if textured else PlainColour(material.rgb)
    return Mesh(obj.vertices, obj.faces, looks[used[0]] if len(used) == 1 else MaterialColour(obj.material, looks))


def texels_per_pixel(obj: ObjMesh, size: int) -> float:
    """How many widths of the texture lie on one width of the render's pixel, in the mean over the surface.

    Multiplied by the texture's width it is the step between neighbouring samples [texture px].
    """
    if obj.uv is None:
        return 0.0
    corners = obj.vertices[obj.faces]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    uv = obj.uv[:, 1:] - obj.uv[:, :1]
    uv_area = np.abs(uv[:, 0, 0] * uv[:, 1, 1] - uv[:, 0, 1] * uv[:, 1, 0])
    good = np.isfinite(area) & np.isfinite(uv_area)
    used = corners[good].reshape(-1, 3)
    if not len(used) or area[good].sum() == 0:
        return 0.0
    half_extent = np.ptp(used, axis=0).max() / 2
    pixel_area = area[good].sum() * (Camera(size).focal / (WIDTH_PER_REACH * half_extent)) ** 2
    return float(np.sqrt(uv_area[good].sum() / pixel_area))


def _find_beside(path: Path) -> Path:
    """The file, or the one whose name differs from it only in upper and lower case."""
    if not path.is_file() and path.parent.is_dir():
        for other in path.parent.iterdir():
            if other.name.lower() == path.name.lower():
                return other
    return path


def _textured(path: Path, uv: np.ndarray, per_pixel: float) -> TextureColour:
    return TextureColour(read_texture(_find_beside(path), per_pixel), np.nan_to_num(uv))


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
    step = texels_per_pixel * max(picture.shape[:2])
    shrink = 2 ** int(np.clip(np.floor(np.log2(max(step, 1.0)) + 0.5), 0, 3))
    if shrink > 1:
        picture = cv2.resize(
            picture, (picture.shape[1] // shrink, picture.shape[0] // shrink), interpolation=cv2.INTER_AREA
        )
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _from_open3d(path: Path) -> Mesh:
    """PLY, STL and OFF through Open3D: vertex colours or none."""
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh = o3d.io.read_triangle_mesh(str(path))
    vertices, faces = np.array(mesh.vertices), np.array(mesh.triangles, dtype=np.int64)
    if not len(faces):
        raise InputError(f"{path}: {len(vertices)} vertices and no triangles could be read, expected a mesh")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names vertex {faces.max()}, expected 0 to {len(vertices) - 1}")
    if not mesh.has_vertex_colors():
        return Mesh(vertices, faces, NO_COLOUR, _no_colour(path))
    rgb = np.rint(np.clip(np.asarray(mesh.vertex_colors), 0, 1) * 255).astype(np.uint8)
    return Mesh(vertices, faces, VertexColour(faces, rgb))


def _from_model(path: Path) -> Mesh:
    """glTF through Open3D: one look per mesh of the scene."""
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        model = o3d.io.read_triangle_model(str(path))
    vertices, faces, looks, owner, notes = [], [], [], [], ()
    for part in model.meshes:
        triangles = np.array(part.mesh.triangles, dtype=np.int64)
        if not len(triangles):
            continue
        look, part_notes = _model_look(path, part, model.materials[part.material_idx])
        notes += part_notes
        faces.append(triangles + sum(map(len, vertices)))
        vertices.append(np.array(part.mesh.vertices))
        owner.append(np.full(len(triangles), len(looks)))
        looks.append(_Shifted(look, first=sum(map(len, faces[:-1]))))
    if not faces:
        raise InputError(f"{path}: no triangles could be read, expected a mesh")
    return Mesh(np.concatenate(vertices), np.concatenate(faces), MaterialColour(np.concatenate(owner), looks), notes)


@dataclass(frozen=True)
class _Shifted:
    """The appearance of a mesh whose triangles start at `first` in a larger one."""

    part: Appearance
    first: int

    def albedo(self, faces: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        return self.part.albedo(faces - self.first, barycentric)


def _model_look(path: Path, part: object, material: object) -> tuple[Appearance, tuple[str, ...]]:
    mesh = part.mesh
    picture = material.albedo_img
    if picture is not None and not picture.is_empty() and mesh.has_triangle_uvs():
        uv = np.array(mesh.triangle_uvs, dtype=np.float32).reshape(-1, 3, 2)
        return TextureColour(np.ascontiguousarray(np.asarray(picture)[..., :3]), uv), ()
    if mesh.has_vertex_colors():
        return VertexColour(np.array(mesh.triangles, dtype=np.int64), np.array(mesh.vertex_colors)), ()
    rgb = tuple(np.clip(np.asarray(material.base_color)[:3], 0, 1))
    return PlainColour(rgb), () if rgb != (1.0, 1.0, 1.0) else _no_colour(path)
