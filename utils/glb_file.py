"""Meshes with vertex colors or with a picture as binary glTF 2.0 (GLB) files."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import cv2
import numpy as np

from geometry.mesh import Mesh
from geometry.textured_mesh import TexturedMesh
from utils.srgb import linear_from_srgb

FLOAT, USHORT, UINT = 5126, 5123, 5125
VERTICES, INDICES = 34962, 34963
"""Targets of buffer views."""
LINEAR, MIPMAPPED, CLAMP = 9729, 9987, 33071
JPEG_QUALITY = 90


@dataclass
class _Buffer:
    """What goes into the binary chunk, and how the JSON chunk names it."""

    chunks: list[bytes] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    length: int = 0

    def add_bytes(self, data: bytes, **extra: int) -> int:
        """Append a buffer view; parts begin at multiples of 4 bytes."""
        self.views.append({"buffer": 0, "byteOffset": self.length, "byteLength": len(data), **extra})
        padded = data + b"\0" * (-len(data) % 4)
        self.chunks.append(padded)
        self.length += len(padded)
        return len(self.views) - 1

    def add(self, values: np.ndarray, component: int, target: int = VERTICES, **extra: Any) -> int:
        """Append an accessor for (N, C) attributes or (N,) indices."""
        kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}"
        view = self.add_bytes(np.ascontiguousarray(values).tobytes(), target=target)
        self.accessors.append(
            {"bufferView": view, "componentType": component, "type": kind, "count": len(values), **extra}
        )
        return len(self.accessors) - 1


def write_glb(file: BinaryIO, mesh: Mesh | TexturedMesh) -> None:
    """Write positions, normals, triangles and a matt material.

    A textured mesh has its picture as a JPEG inside; a plain one has its vertex colors, if any, from sRGB to linear, as
    glTF demands.
    """
    shape = mesh.mesh if isinstance(mesh, TexturedMesh) else mesh
    normals = mesh.normals if isinstance(mesh, TexturedMesh) else mesh.vertex_normals()
    buffer = _Buffer()
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    positions = shape.vertices.astype(np.float32)
    extent = {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    attributes = {
        "POSITION": buffer.add(positions, FLOAT, **extent),
        "NORMAL": buffer.add(normals.astype(np.float32), FLOAT),
    }
    document: dict[str, Any] = {}
    if isinstance(mesh, TexturedMesh):
        attributes["TEXCOORD_0"] = buffer.add(mesh.uv.astype(np.float32), FLOAT)
        image = {"bufferView": buffer.add_bytes(jpeg(mesh.picture)), "mimeType": "image/jpeg"}
        sampler = {"magFilter": LINEAR, "minFilter": MIPMAPPED, "wrapS": CLAMP, "wrapT": CLAMP}
        document = {"images": [image], "samplers": [sampler], "textures": [{"source": 0, "sampler": 0}]}
        surface["baseColorTexture"] = {"index": 0}
    elif shape.colors is not None:
        attributes["COLOR_0"] = buffer.add(_linear_colors(shape.colors), USHORT, normalized=True)
    primitive = {
        "attributes": attributes,
        "indices": buffer.add(shape.faces.astype(np.uint32).ravel(), UINT, INDICES),
        "material": 0,
    }
    document |= {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": surface}],
    }
    _write_chunks(file, document, buffer)


def _linear_colors(colors: np.ndarray) -> np.ndarray:
    """(V, 4) uint16 linear colors of (V, 3) uint8 sRGB.

    16 bits, because 8 linear ones band in the dark; a fourth channel, because vertices must be 4-byte aligned.
    """
    linear = np.full((len(colors), 4), 65535, np.uint16)
    linear[:, :3] = np.round(linear_from_srgb(np.arange(256) / 255) * 65535).astype(np.uint16)[colors]
    return linear


def jpeg(picture: np.ndarray) -> bytes:
    """(h, w, 3) uint8 RGB as the bytes of a JPEG file."""
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise ValueError(f"picture of shape {picture.shape} cannot be encoded")
    return encoded.tobytes()


def _write_chunks(file: BinaryIO, document: dict[str, Any], buffer: _Buffer) -> None:
    document |= {"accessors": buffer.accessors, "bufferViews": buffer.views, "buffers": [{"byteLength": buffer.length}]}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + buffer.length))
    file.write(struct.pack("<I4s", len(text), b"JSON") + text)
    file.write(struct.pack("<I4s", buffer.length, b"BIN\0"))
    for chunk in buffer.chunks:
        file.write(chunk)
