"""Colored meshes as OBJ, PLY and binary glTF (GLB) files."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from geometry.mesh import Mesh
from utils.files import atomic_path
from utils.ply import COLOR, NORMAL, POSITION, vertex_header, vertex_table
from utils.srgb import linear_from_srgb

LINES_AT_A_TIME = 100_000


def write_mesh(path: Path | str, mesh: Mesh) -> None:
    """Write a mesh with its vertex colors, if it has any (PLY and GLB: and normals), in the format of the suffix.

    The file appears whole or not at all.

    Raises:
        ValueError: the suffix is not one of `WRITERS`.
    """
    suffix = Path(path).suffix
    if suffix not in WRITERS:
        raise ValueError(f"{path}: suffix {suffix!r}, expected one of {', '.join(WRITERS)}")
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


def _write_glb(file: BinaryIO, mesh: Mesh) -> None:
    """glTF 2.0 with a matt material; colors are converted from sRGB to linear, as it demands."""
    arrays = list(_gltf_arrays(mesh))
    views, accessors, offset = [], [], 0
    for view, (_, data, kind, component, target, normalized) in enumerate(arrays):
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": data.nbytes, "target": target})
        accessor = {"bufferView": view, "componentType": component, "type": kind, "normalized": normalized}
        accessor["count"] = data.size if kind == "SCALAR" else len(data)
        if view == 0:
            accessor |= {"min": data.min(0).tolist(), "max": data.max(0).tolist()}
        accessors.append(accessor)
        offset += data.nbytes
    attributes = {name: index for index, (name, *_) in enumerate(arrays) if name != "indices"}
    primitive = {"attributes": attributes, "indices": len(attributes), "material": 0}
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + offset))
    file.write(struct.pack("<I4s", len(text), b"JSON") + text)
    file.write(struct.pack("<I4s", offset, b"BIN\0"))
    for _, data, *_ in arrays:
        file.write(data.data)


def _gltf_arrays(mesh: Mesh) -> Iterator[tuple[str, np.ndarray, str, int, int, bool]]:
    """(name, values, type, component type, buffer target, normalized) of positions, normals, colors and indices.

    Every array's size is a multiple of 4 bytes, as the chunk's parts must be aligned.
    """
    floats, ushorts, uints, vertex_buffer, index_buffer = 5126, 5123, 5125, 34962, 34963
    yield "POSITION", np.ascontiguousarray(mesh.vertices, np.float32), "VEC3", floats, vertex_buffer, False
    yield "NORMAL", np.ascontiguousarray(mesh.vertex_normals(), np.float32), "VEC3", floats, vertex_buffer, False
    if mesh.colors is not None:
        # 16 bits, because 8 linear ones band in the dark; a fourth channel, because vertices must be 4-byte aligned.
        colors = np.full((len(mesh.colors), 4), 65535, np.uint16)
        linear = linear_from_srgb(np.arange(256) / 255)
        colors[:, :3] = np.round(linear * 65535).astype(np.uint16)[mesh.colors]
        yield "COLOR_0", colors, "VEC4", ushorts, vertex_buffer, True
    yield "indices", np.ascontiguousarray(mesh.faces, np.uint32).ravel(), "SCALAR", uints, index_buffer, False


WRITERS = {".obj": _write_obj, ".ply": _write_ply, ".glb": _write_glb}
