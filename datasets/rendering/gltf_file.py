"""glTF 2.0, binary or text: triangles with a base color, a base color texture or vertex colors.

Animation, skins, sparse and compressed accessors are not read: a scan has none of them.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np

from utils.errors import InputError

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TRIANGLES = 4


@dataclass(frozen=True)
class GltfPart:
    """Triangles of one material, in the frame of the scene."""

    vertices: np.ndarray  # (V, 3) float64
    faces: np.ndarray  # (F, 3) int64
    uv: np.ndarray | None  # (F, 3, 2) float32, v upwards
    rgb: np.ndarray | None  # (V, 3) float64 linear colors of the vertices in [0, 1]
    base_rgb: np.ndarray  # (3,) float64 linear
    texture: np.ndarray | None  # (h, w, 3) uint8 sRGB


class _File:
    """The JSON of a glTF file and its buffers."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.binary = b""
        data = path.read_bytes()
        if path.suffix.lower() == ".glb":
            data = self._chunks(data)
        self.json = json.loads(data)
        self.buffers = [self._uri(b["uri"]) if "uri" in b else self.binary for b in self.json.get("buffers", [])]

    def _chunks(self, data: bytes) -> bytes:
        magic, version, length = struct.unpack_from("<III", data)
        if magic != MAGIC or version != 2 or length > len(data):
            raise ValueError(f"header {magic:#x}, version {version}, length {length} of {len(data)} bytes")
        text, at = b"", 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<II", data, at)
            chunk = data[at + 8 : at + 8 + size]
            if kind == JSON_CHUNK:
                text = chunk
            elif kind == BINARY_CHUNK and not self.binary:
                self.binary = chunk
            at += 8 + size
        return text

    def _uri(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        return (self.folder / unquote(uri)).read_bytes()

    def _view(self, index: int) -> tuple[bytes, int]:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.buffers[view["buffer"]][start : start + view["byteLength"]], view.get("byteStride", 0)

    def accessor(self, index: int) -> np.ndarray:
        """(count, width) numbers; normalised integers as fractions."""
        accessor = self.json["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise ValueError("sparse or compressed accessors")
        dtype, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        data, stride = self._view(accessor["bufferView"])
        values = np.ndarray(
            (accessor["count"], width), dtype.newbyteorder("<"), data, accessor.get("byteOffset", 0),
            (stride or dtype.itemsize * width, dtype.itemsize),
        )  # fmt: skip
        return values / np.iinfo(dtype).max if accessor.get("normalized") else values.copy()

    def image(self, texture: int) -> np.ndarray:
        """(h, w, 3) uint8 RGB."""
        image = self.json["images"][self.json["textures"][texture]["source"]]
        data = self._uri(image["uri"]) if "uri" in image else self._view(image["bufferView"])[0]
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError("a texture that cannot be decoded")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _local(node: dict) -> np.ndarray:
    """(4, 4) parent from node."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _placed_meshes(content: dict) -> list[tuple[int, np.ndarray]]:
    """Mesh and (4, 4) scene from mesh of every node that shows one."""
    nodes = content.get("nodes", [])
    scenes = content.get("scenes")
    roots = scenes[content.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    placed, todo = [], [(root, np.eye(4)) for root in roots]
    while todo and len(placed) <= len(nodes):
        index, above = todo.pop()
        here = above @ _local(nodes[index])
        if "mesh" in nodes[index]:
            placed.append((nodes[index]["mesh"], here))
        todo += [(child, here) for child in nodes[index].get("children", ())]
    return placed


def _part(file: _File, primitive: dict, scene_from_mesh: np.ndarray) -> GltfPart:
    attributes = primitive["attributes"]
    vertices = file.accessor(attributes["POSITION"]).astype(np.float64)
    indices = file.accessor(primitive["indices"]) if "indices" in primitive else np.arange(len(vertices))
    faces = indices.reshape(-1, 3).astype(np.int64)
    if len(faces) and faces.max() >= len(vertices):
        raise ValueError(f"a triangle names vertex {faces.max()} of {len(vertices)}")
    if np.linalg.det(scene_from_mesh[:3, :3]) < 0:
        faces = faces[:, ::-1]
    surface = file.json["materials"][primitive["material"]] if "material" in primitive else {}
    surface = surface.get("pbrMetallicRoughness", {})
    texture = surface.get("baseColorTexture")
    uv = None
    if texture is not None:
        per_vertex = file.accessor(attributes[f"TEXCOORD_{texture.get('texCoord', 0)}"]).astype(np.float32)
        uv = (per_vertex * np.float32([1, -1]) + np.float32([0, 1]))[faces]  # glTF's v runs downwards
    return GltfPart(
        vertices @ scene_from_mesh[:3, :3].T + scene_from_mesh[:3, 3],
        faces,
        uv,
        file.accessor(attributes["COLOR_0"])[:, :3].astype(np.float64) if "COLOR_0" in attributes else None,
        np.array(surface.get("baseColorFactor", (1, 1, 1, 1)), dtype=np.float64)[:3],
        file.image(texture["index"]) if texture is not None else None,
    )


def read_gltf(path: Path) -> list[GltfPart]:
    """All triangles of the file's scene.

    Raises:
        InputError: the file is broken, or has something that is not read.
    """
    try:
        file = _File(path)
        return [
            _part(file, primitive, scene_from_mesh)
            for mesh, scene_from_mesh in _placed_meshes(file.json)
            for primitive in file.json["meshes"][mesh]["primitives"]
            if primitive.get("mode", TRIANGLES) == TRIANGLES
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error, OSError, cv2.error) as error:
        raise InputError(f"{path}: cannot be read as glTF 2.0 ({error!r})") from error
