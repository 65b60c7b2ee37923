"""Meshes in glTF 2.0 files. Where a rule is needed the specification is followed (Khronos, glTF 2.0)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_formats.content import MeshContent, Rgb, SurfaceMaterial, Texture
from utils.mesh_formats.gltf_file import GltfFile, numbers
from utils.mesh_formats.gltf_scene import PlacedMesh, placed_meshes, placed_vertices
from utils.srgb import srgb_from_linear

TRIANGLES, STRIP, FAN = 4, 5, 6
WHITE: Rgb = (1.0, 1.0, 1.0)
MOST_COPIED = 4_000_000
"""Triangles of a scene that shows its meshes more than once; a kilobyte can ask for billions."""


@dataclass(frozen=True)
class _Part:
    """Triangles of one primitive, in the frame of the scene."""

    mesh: Mesh
    uv: np.ndarray  # (F, 3, 2) float32, v upwards; NaN without a texture
    rgb: np.ndarray  # (V, 3) float32 sRGB; NaN without vertex colors
    material: SurfaceMaterial


def read_gltf(path: Path) -> MeshContent:
    """All triangles that the file's scene shows.

    Raises:
        InputError: the file is broken, or requires something that is not read.
    """
    try:
        file = GltfFile(path)
        shown = [(placed, one) for placed in placed_meshes(file) for one in placed.mesh.get("primitives", [])]
        parts = _parts(file, shown)
        notes = tuple(f"{path}: {note}" for note in _notes(file, len(shown) - len(parts)))
    except KeyError as error:
        raise InputError(f"{path}: cannot be read as glTF 2.0 (no {error})") from error
    except (ValueError, IndexError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read as glTF 2.0 ({reason})") from error
    if not parts:
        raise InputError(f"{path}: 0 vertices and 0 faces in its scene, expected a mesh with faces")
    first_vertex = np.cumsum([0, *(len(part.mesh.vertices) for part in parts)])
    faces = [part.mesh.faces + first for part, first in zip(parts, first_vertex, strict=False)]
    return MeshContent(
        Mesh(np.concatenate([part.mesh.vertices for part in parts]), np.concatenate(faces)),
        vertex_rgb=np.concatenate([part.rgb for part in parts]),
        uv=np.concatenate([part.uv for part in parts]),
        material=np.repeat(np.arange(len(parts)), [len(part.mesh.faces) for part in parts]),
        materials=[part.material for part in parts],
        notes=notes,
    )


def _parts(file: GltfFile, shown: Sequence[tuple[PlacedMesh, dict[str, Any]]]) -> list[_Part]:
    """The primitives with triangles.

    Raises:
        ValueError: far more triangles than the file holds, because it shows the same ones again and again.
    """
    parts, left = [], max(MOST_COPIED, file.size)
    for placed, primitive in shown:
        if primitive.get("mode", TRIANGLES) < TRIANGLES:
            continue
        part = _part(file, placed, primitive)
        left -= len(part.mesh.faces)
        if left < 0:
            raise ValueError(f"its meshes are shown so often that they make more than {MOST_COPIED} triangles")
        if len(part.mesh.faces):
            parts.append(part)
    return parts


def _notes(file: GltfFile, left_out: int) -> list[str]:
    notes = [f"{left_out} parts without triangles (lines, points) are left out"] if left_out else []
    if any("EXT_mesh_gpu_instancing" in node.get("extensions", {}) for node in file.json.get("nodes", [])):
        notes.append("copies of a mesh (EXT_mesh_gpu_instancing) are left out")
    return notes


def _part(file: GltfFile, placed: PlacedMesh, primitive: dict[str, Any]) -> _Part:
    attributes = primitive["attributes"]
    vertices, mirrored = placed_vertices(file, placed, primitive)
    faces = _faces(file, primitive, len(vertices))
    if mirrored:
        faces = faces[:, ::-1]
    surface = file.item("materials", primitive["material"]) if "material" in primitive else {}
    factor, texture = _base_color(surface)
    uv = np.full((len(faces), 3, 2), np.nan, np.float32)
    if texture is not None:
        uv = _texture_coordinates(file, attributes, texture, len(vertices))[faces]
    rgb = np.full((len(vertices), 3), np.nan)
    if "COLOR_0" in attributes:
        rgb = file.accessor(attributes["COLOR_0"])[:, :3].astype(np.float64) * factor
        if rgb.shape != vertices.shape:
            raise ValueError(f"{len(rgb)} colors of {rgb.shape[1]} numbers for {len(vertices)} vertices")
    return _Part(
        Mesh(vertices, faces),
        uv,
        srgb_from_linear(np.clip(rgb, 0, 1)).astype(np.float32),
        SurfaceMaterial(
            # Pure white is what a file without colors says too.
            None if factor == WHITE else _rgb(srgb_from_linear(np.clip(factor, 0, 1))),
            None if texture is None else _texture(file, texture, factor),
        ),
    )


def _rgb(values: np.ndarray) -> Rgb:
    red, green, blue = values.tolist()
    return red, green, blue


def _faces(file: GltfFile, primitive: dict[str, Any], vertices: int) -> np.ndarray:
    """(F, 3) int64 triangles of lists, strips and fans."""
    indices = np.arange(vertices)
    if "indices" in primitive:
        indices = file.accessor(primitive["indices"]).astype(np.int64).ravel()
    mode = primitive.get("mode", TRIANGLES)
    if mode == TRIANGLES:
        if len(indices) % 3:
            raise ValueError(f"{len(indices)} corners of triangles, expected three for each")
        faces = indices.reshape(-1, 3)
    elif mode in (STRIP, FAN) and len(indices) >= 3:
        k = np.arange(len(indices) - 2)
        order = (k, k + 1 + k % 2, k + 2 - k % 2) if mode == STRIP else (k + 1, k + 2, 0 * k)
        faces = indices[np.stack(order, axis=1)]
    else:
        raise ValueError(f"a primitive of mode {str(mode)[:20]} with {len(indices)} corners")
    if len(faces) and (faces.max() >= vertices or faces.min() < 0):
        raise ValueError(f"a triangle names vertex {faces.max()} of {vertices}")
    return faces


def _base_color(surface: dict[str, Any]) -> tuple[Rgb, dict[str, Any] | None]:
    """Linear factor, and what the material says about its texture.

    Of a black surface that glows, as unlit scans are written, the glow is taken.
    """
    old = surface.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    base = surface.get("pbrMetallicRoughness", {})
    if old is not None:
        factor, texture = old.get("diffuseFactor", (1, 1, 1, 1)), old.get("diffuseTexture")
    else:
        factor, texture = base.get("baseColorFactor", (1, 1, 1, 1)), base.get("baseColorTexture")
    linear = _rgb(numbers(factor, 4)[:3])
    glow = _rgb(numbers(surface.get("emissiveFactor", (0, 0, 0)), 3))
    if texture is None and "emissiveTexture" in surface and max(linear) == 0 < max(glow):
        return glow, surface["emissiveTexture"]
    return linear, texture


def _texture_coordinates(
    file: GltfFile, attributes: dict[str, Any], texture: dict[str, Any], vertices: int
) -> np.ndarray:
    """(V, 2) float32, v upwards; glTF's runs downwards."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
    uv = file.accessor(attributes[f"TEXCOORD_{transform.get('texCoord', texture.get('texCoord', 0))}"])
    if uv.shape != (vertices, 2):
        raise ValueError(f"{len(uv)} texture coordinates of {uv.shape[1]} numbers for {vertices} vertices")
    angle = float(transform.get("rotation", 0.0))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    uv = (uv * numbers(transform.get("scale", (1, 1)), 2)) @ turn.T + numbers(transform.get("offset", (0, 0)), 2)
    return np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1).astype(np.float32)


def _texture(file: GltfFile, texture: dict[str, Any], factor: Rgb) -> Texture:
    entry = file.item("textures", texture["index"])
    webp = entry.get("extensions", {}).get("EXT_texture_webp", {})
    source = entry.get("source", webp.get("source"))
    if source is None:
        others = ", ".join(entry.get("extensions", {})) or "no picture"
        raise ValueError(f"textures {texture['index']} has {others[:60]}, expected a PNG, JPEG or WebP picture")
    name = f"{file.path}: picture {source}"
    return Texture(name, file.picture(source), factor)
