"""glTF 2.0 files, binary or text: the JSON, and the numbers and pictures that it points to, each within its bounds."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
COMPONENTS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
READ_EXTENSIONS = {
    "KHR_materials_pbrSpecularGlossiness",
    "KHR_materials_unlit",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "EXT_texture_webp",
}
HARMLESS_EXTENSIONS = ("KHR_materials_", "KHR_lights_", "KHR_xmp", "EXT_lights_")
"""Beginnings of names of extensions that change neither the geometry nor the base color."""
INSTEAD = {
    "KHR_draco_mesh_compression": "export it without Draco compression (gltf-transform cp, or Blender's export)",
    "EXT_meshopt_compression": "export it without meshopt compression",
    "KHR_texture_basisu": "export it with PNG, JPEG or WebP textures",
}


class GltfFile:
    """A file's JSON and what it points to.

    Attributes:
        json: the document.
        extensions: that it uses.

    Raises:
        ValueError: the file is broken, or requires what is not read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.binary = path, b""
        data = path.read_bytes()
        if data[:4] == struct.pack("<I", MAGIC):
            data = self._chunks(data)
        self.json = json.loads(data)
        if not isinstance(self.json, dict) or not isinstance(self.json.get("asset"), dict):
            raise ValueError("JSON without an asset")
        version, needed = (str(self.json["asset"].get(name, "2.0")) for name in ("version", "minVersion"))
        if not version.startswith("2.") or needed != "2.0":
            raise ValueError(f"version {version[:20]}, for readers of {needed[:20]}: export it as glTF 2.0")
        self._buffers: dict[int, bytes] = {}
        self._pictures: dict[int, bytes] = {}
        self.extensions = [str(name) for name in self.json.get("extensionsUsed", [])]
        for name in map(str, self.json.get("extensionsRequired", [])):
            if name not in READ_EXTENSIONS and not name.startswith(HARMLESS_EXTENSIONS):
                instead = INSTEAD.get(name, f"export it without {name[:60]}")
                raise ValueError(f"it requires {name[:60]}, which is not read: {instead}")

    def _chunks(self, data: bytes) -> bytes:
        """The JSON of a binary file; keeps its binary chunk."""
        _, version, length = struct.unpack_from("<III", data)
        if version != 2 or length > len(data):
            raise ValueError(f"version {version}, length {length} of {len(data)} bytes: is it cut short?")
        text, at = None, 12
        while at < length:
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > length:
                raise ValueError(f"a chunk of {size} bytes with {length - at - 8} left: is it cut short?")
            chunk = data[at + 8 : at + 8 + size]
            if text is None:
                if kind != JSON_CHUNK:
                    raise ValueError("no JSON in its first chunk")
                text = chunk
            elif kind == BINARY_CHUNK and not self.binary:
                self.binary = chunk
            at += 8 + size
        return text or b""

    def item(self, table: str, index: object) -> dict[str, Any]:
        """An entry of one of the document's tables."""
        entries = self.json.get(table, [])
        if type(index) is not int or not 0 <= index < len(entries):
            raise ValueError(f"{table} {str(index)[:40]}, expected one of {len(entries)}")
        if not isinstance(entries[index], dict):
            raise ValueError(f"{table} {index} is no object")
        return entries[index]

    def _named_file(self, uri: str) -> Path:
        """The regular file inside this file's folder that a URI names."""
        name = unquote(uri)
        parts = PurePosixPath(name.replace("\\", "/"))
        if urlsplit(uri).scheme or parts.is_absolute() or ".." in parts.parts or "\0" in name:
            raise ValueError(f"URI {uri[:80]!r}, expected the name of a file in its folder")
        path = self.path.parent / parts
        homes = (self.path.parent.resolve(), self.path.resolve().parent)
        if not path.is_file() or not any(path.resolve().is_relative_to(home) for home in homes):
            raise ValueError(f"URI {uri[:80]!r}: no such file in its folder")
        return path

    def _content(self, uri: object, most: int | None) -> bytes:
        """What a URI stands for, up to `most` bytes."""
        if not isinstance(uri, str):
            raise ValueError("a URI that is no text")
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])[:most]
        path = self._named_file(uri)
        size = path.stat().st_size
        with path.open("rb") as file:
            return file.read(size if most is None else min(size, most))  # a size that is made up costs no memory

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            entry = self.item("buffers", index)
            size = _whole(entry, "byteLength")
            content = self._content(entry["uri"], size) if "uri" in entry else self.binary[:size]
            if len(content) < size:
                raise ValueError(f"buffer {index} has {len(content)} bytes, expected {size}: is it cut short?")
            self._buffers[index] = content
        return self._buffers[index]

    def view(self, index: object) -> tuple[bytes, int]:
        """The bytes of a buffer view, and its stride; 0 where it has none."""
        entry = self.item("bufferViews", index)
        buffer = self._buffer(_whole(entry, "buffer"))
        start, size = _whole(entry, "byteOffset", 0), _whole(entry, "byteLength")
        if start + size > len(buffer):
            raise ValueError(f"bufferViews {index} ends at byte {start + size} of {len(buffer)}")
        return buffer[start : start + size], _whole(entry, "byteStride", 0)

    def accessor(self, index: object) -> np.ndarray:
        """(count, width) numbers; normalized integers as fractions."""
        entry = self.item("accessors", index)
        component, kind = entry.get("componentType"), entry.get("type")
        if component not in COMPONENTS or kind not in WIDTHS:
            raise ValueError(f"accessors {index} of type {str(kind)[:20]} and component {str(component)[:20]}")
        dtype, width, count = np.dtype(COMPONENTS[component]), WIDTHS[kind], _whole(entry, "count")
        if "bufferView" in entry:
            values = self._numbers(entry["bufferView"], _whole(entry, "byteOffset", 0), (count, width), dtype)
        elif "sparse" in entry:
            # nothing but what the sparse part says; such a mesh is no larger than what the file holds
            if count * width > max(1 << 20, 16 * self.path.stat().st_size):
                raise ValueError(f"accessors {index} of {count} zeros")
            values = np.zeros((count, width), dtype)
        else:
            instead = INSTEAD["KHR_draco_mesh_compression"]
            raise ValueError(f"accessors {index} without data: if it is compressed, {instead}")
        if "sparse" in entry:
            self._replace(values, entry["sparse"])
        if entry.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / float(np.iinfo(dtype.type).max), -1.0)
        return values

    def _numbers(self, view: object, offset: int, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
        """(count, width) of a buffer view."""
        data, stride = self.view(view)
        row = dtype.itemsize * shape[1]
        stride = stride or row
        if shape[0] and (stride < row or offset + stride * (shape[0] - 1) + row > len(data)):
            raise ValueError(
                f"{shape[0]} x {shape[1]} numbers from byte {offset} in bufferViews {view} of {len(data)} bytes"
            )
        if not shape[0]:
            return np.zeros(shape, dtype)
        return np.ndarray(shape, dtype.newbyteorder("<"), data, offset, (stride, dtype.itemsize)).astype(dtype)

    def _replace(self, values: np.ndarray, sparse: Mapping[str, Any]) -> None:
        count, where, what = _whole(sparse, "count"), sparse["indices"], sparse["values"]
        kind = np.dtype(COMPONENTS[where["componentType"]])
        index = self._numbers(where["bufferView"], _whole(where, "byteOffset", 0), (count, 1), kind)[:, 0]
        if kind.kind != "u" or (index >= len(values)).any():
            raise ValueError(f"sparse values at {index.max(initial=0)}, expected 0 to {len(values) - 1}")
        offset = _whole(what, "byteOffset", 0)
        values[index] = self._numbers(what["bufferView"], offset, (count, values.shape[1]), values.dtype)

    def picture(self, index: object) -> bytes:
        """The file content of an image."""
        image = self.item("images", index)
        assert isinstance(index, int)
        if index not in self._pictures:
            inside = "uri" not in image
            self._pictures[index] = self.view(image["bufferView"])[0] if inside else self._content(image["uri"], None)
        return self._pictures[index]

    @property
    def size(self) -> int:
        """Bytes of the file and of those of its buffers that were read."""
        return self.path.stat().st_size + sum(map(len, self._buffers.values()))


def _whole(entry: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A number from 0 of an entry."""
    value = entry.get(key, default)
    if type(value) is not int or value < 0:
        raise ValueError(f"{key} {str(value)[:40]}, expected a whole number from 0")
    return value


def numbers(value: object, count: int) -> np.ndarray:
    """(count,) finite float64 of a list in the JSON."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ValueError(f"{str(value)[:60]}, expected {count} numbers")
    if not all(type(one) in (int, float) and math.isfinite(one) for one in value):
        raise ValueError(f"{str(value)[:60]}, expected finite numbers")
    return np.array(value, dtype=np.float64)
