"""glTF as it comes: colors where the format keeps them, people where their joints put them, everything in bounds."""

from __future__ import annotations

import base64
import json
import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from datasets.rendering.scan_file import read_colored_mesh
from evaluation.measured_mesh import read_mesh
from tests.test_mesh_file import MTL, TEXTURED, render, write, write_texture
from utils.errors import InputError


def write_glb(path: Path, material: dict, image: bytes | None, rgb: np.ndarray | None = None) -> None:
    """The textured square of this file, twice as large and lifted by its node."""
    vertices = np.float32([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    blocks = [vertices, np.float32([[0, 1], [1, 1], [1, 0], [0, 0]]), np.uint16([0, 1, 2, 0, 2, 3])]
    blocks += [] if rgb is None else [rgb.astype(np.float32)]
    chunks = [block.tobytes() for block in blocks] + ([image] if image else [])
    starts = np.cumsum([0, *(len(chunk) for chunk in chunks)]).tolist()
    kinds = [(5126, "VEC3"), (5126, "VEC2"), (5123, "SCALAR"), (5126, "VEC3")]
    attributes = {"POSITION": 0, "TEXCOORD_0": 1, **({} if rgb is None else {"COLOR_0": 3})}
    content = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], "translation": [0, 5, 0]}, {"mesh": 0, "scale": [2, 2, 2]}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 2, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": material}],
        "textures": [{"source": 0}], "images": [{"bufferView": len(chunks) - 1, "mimeType": "image/png"}],
        "buffers": [{"byteLength": starts[-1]}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": len(chunk)}
            for start, chunk in zip(starts, chunks, strict=False)
        ],
        "accessors": [
            {"bufferView": k, "componentType": kind, "type": shape, "count": len(block)}
            for k, (block, (kind, shape)) in enumerate(zip(blocks, kinds, strict=False))
        ],
    }  # fmt: skip
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(chunks)
    header = struct.pack("<III", 0x46546C67, 2, 28 + len(text) + len(binary))
    path.write_bytes(header + struct.pack("<II", len(text), 0x4E4F534A) + text
                     + struct.pack("<II", len(binary), 0x004E4942) + binary)  # fmt: skip


def test_glb_shows_what_the_obj_shows(tmp_path: Path):
    write_texture(tmp_path)
    write_glb(tmp_path / "a.glb", {"baseColorTexture": {"index": 0}}, (tmp_path / "tex.png").read_bytes())
    mesh = read_colored_mesh(tmp_path / "a.glb", 256)
    np.testing.assert_allclose(mesh.mesh.vertices[0], [-2, 3, 0])
    np.testing.assert_array_equal(render(mesh), render(read_colored_mesh(write(tmp_path, TEXTURED, MTL), size=256)))


def test_glb_colors_are_linear(tmp_path: Path):
    write_glb(tmp_path / "base.glb", {"baseColorFactor": [0.2140, 1, 0, 1]}, None)
    write_glb(tmp_path / "vertex.glb", {}, None, np.tile([0.2140, 1, 0], (4, 1)))
    for name in ("base", "vertex"):
        rgb = read_colored_mesh(tmp_path / f"{name}.glb", 256).appearance.albedo(np.array([1]), np.full((1, 3), 1 / 3))
        np.testing.assert_allclose(rgb, [[0.5, 1, 0]], atol=1e-3)


@pytest.mark.parametrize("cut", [10, 100, 600, -40])
def test_cut_glb_is_named(tmp_path: Path, cut: int):
    write_glb(tmp_path / "a.glb", {}, None)
    (tmp_path / "a.glb").write_bytes((tmp_path / "a.glb").read_bytes()[:cut])
    with pytest.raises(InputError, match="a.glb"):
        read_colored_mesh(tmp_path / "a.glb", 256)


def opened(folder: Path, material: dict | None = None, rgb: np.ndarray | None = None) -> tuple[dict[str, Any], bytes]:
    """The JSON and the buffer of the textured square; its picture is a ramp."""
    write_texture(folder)
    write_glb(folder / "square.glb", material or {}, (folder / "tex.png").read_bytes(), rgb)
    data = (folder / "square.glb").read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def add(content: dict[str, Any], binary: bytes, values: np.ndarray, kind: str) -> tuple[int, bytes]:
    """One more accessor; returns its index and the longer buffer."""
    component = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125}[values.dtype.str[1:]]
    binary += b"\0" * (-len(binary) % 4)
    view = {"buffer": 0, "byteOffset": len(binary), "byteLength": values.nbytes}
    content["bufferViews"].append(view)
    accessor = {"bufferView": len(content["bufferViews"]) - 1, "componentType": component, "type": kind}
    content["accessors"].append({**accessor, "count": values.size if kind == "SCALAR" else len(values)})
    binary += values.tobytes()
    content["buffers"][0]["byteLength"] = len(binary)
    return len(content["accessors"]) - 1, binary


def save(folder: Path, content: dict[str, Any], binary: bytes) -> Path:
    """As .gltf with its buffer beside, unless the buffer says where it is."""
    content["buffers"][0].setdefault("uri", "a%20b.bin")
    (folder / "a b.bin").write_bytes(binary)
    (folder / "a.gltf").write_text(json.dumps(content))
    return folder / "a.gltf"


def middle(path: Path) -> np.ndarray:
    """Color of the middle of the square."""
    mesh = read_colored_mesh(path, 256)
    return mesh.appearance.albedo(np.array([0]), np.array([[0.5, 0, 0.5]]))[0]


def encoded(rgb: tuple[int, int, int], suffix: str) -> bytes:
    return cv2.imencode(suffix, np.full((8, 8, 3), rgb[::-1], np.uint8))[1].tobytes()


def with_picture(content: dict[str, Any], binary: bytes, picture: bytes) -> bytes:
    content["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(picture)})
    content["images"] = [{"bufferView": len(content["bufferViews"]) - 1}]
    content["buffers"][0]["byteLength"] = len(binary) + len(picture)
    return binary + picture


def test_specular_glossiness_webp_and_factors(tmp_path: Path):
    """Where glTF keeps the base color; factors are linear light: half of 188 is 137."""
    old = {"diffuseTexture": {"index": 0}, "diffuseFactor": [0.5, 1, 1, 1]}
    content, binary = opened(tmp_path)
    binary = with_picture(content, binary, encoded((188, 188, 188), ".webp"))
    content["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
    content["materials"] = [{"extensions": {"KHR_materials_pbrSpecularGlossiness": old}}]
    content["extensionsRequired"] = ["EXT_texture_webp", "KHR_materials_pbrSpecularGlossiness"]
    np.testing.assert_allclose(middle(save(tmp_path, content, binary)) * 255, [137, 188, 188], atol=2)
    content["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    np.testing.assert_allclose(middle(save(tmp_path, content, binary)) * 255, [188, 188, 188], atol=2)


def test_texture_before_vertex_colors_and_both_are_said(tmp_path: Path):
    content, binary = opened(tmp_path, {"baseColorTexture": {"index": 0}}, np.tile([0.0, 0, 1], (4, 1)))
    binary = with_picture(content, binary, encoded((255, 0, 0), ".png"))
    path = save(tmp_path, content, binary)
    np.testing.assert_allclose(middle(path), [1, 0, 0])
    assert "colors of its vertices are not used" in read_colored_mesh(path, 256).notes[0]


def test_texture_transform_moves_turns_and_scales(tmp_path: Path):
    """A quarter turn counter-clockwise (v runs down) about the origin, then the square is pushed back inside."""
    content, binary = opened(tmp_path, {"baseColorTexture": {"index": 0}})
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4, :, 1] = 255  # green above, black below
    binary = with_picture(content, binary, cv2.imencode(".png", picture)[1].tobytes())
    transform = {"rotation": np.pi / 2, "offset": [0, 1]}
    texture = content["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    texture["extensions"] = {"KHR_texture_transform": transform}
    mesh = read_colored_mesh(save(tmp_path, content, binary), 256)
    # (u, v) -> (v, 1 - u): the left of the square shows the bottom of the picture.
    left, right = mesh.appearance.albedo(np.array([1, 0]), np.array([[0.4, 0.2, 0.4], [0.2, 0.4, 0.4]]))
    np.testing.assert_allclose([left, right], [[0, 0, 0], [0, 1, 0]], atol=1e-6)


def test_skin_stands_where_its_joints_put_it(tmp_path: Path):
    """Two joints, one lifted by 3 and the other one doubled in size; the mesh's own node does not count."""
    content, binary = opened(tmp_path)
    joints, weights = (
        np.uint8([[0, 1, 0, 0]] * 4),
        np.float32([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0]]),
    )
    inverse = np.stack([np.eye(4), np.diag([0.5, 0.5, 0.5, 1])]).astype(np.float32)
    inverse[0, 3, 1] = 1  # column-major: lifts by 1
    bind, binary = add(content, binary, inverse.reshape(2, 16), "MAT4")
    where, binary = add(content, binary, joints, "VEC4")
    how_much, binary = add(content, binary, weights, "VEC4")
    content["meshes"][0]["primitives"][0]["attributes"] |= {"JOINTS_0": where, "WEIGHTS_0": how_much}
    content["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [50, 50, 50]},
        {"translation": [0, 2, 0], "children": [2]},
        {"scale": [4, 4, 4], "translation": [0, -2, 0]},
    ]
    content["skins"] = [{"joints": [1, 2], "inverseBindMatrices": bind}]
    content["scenes"] = [{"nodes": [0, 1]}]
    vertices = read_mesh(save(tmp_path, content, binary)).vertices
    np.testing.assert_allclose(vertices, [[-1, 2, 0], [1, 2, 0], [2, 2, 0], [-1.5, 3, 0]])


def test_sparse_strips_and_morph_targets(tmp_path: Path):
    """A corner moved by a sparse accessor, another one by a morph target that is on; the square as a strip."""
    content, binary = opened(tmp_path)
    at, binary = add(content, binary, np.uint16([1]), "SCALAR")
    moved, binary = add(content, binary, np.float32([[9, 0, 0]]), "VEC3")
    target, binary = add(content, binary, np.float32([[0, 0, 0], [0, 0, 0], [0, 0, 2], [0, 0, 0]]), "VEC3")
    views = [content["accessors"][index]["bufferView"] for index in (at, moved)]
    sparse = {
        "count": 1,
        "indices": {"bufferView": views[0], "componentType": 5123},
        "values": {"bufferView": views[1]},
    }
    content["accessors"][0]["sparse"] = sparse
    primitive = content["meshes"][0]["primitives"][0]
    order, binary = add(content, binary, np.uint8([0, 1, 3, 2]), "SCALAR")
    primitive |= {"targets": [{"POSITION": target}], "indices": order, "mode": 5}
    content["meshes"][0]["weights"] = [0.5]
    content["nodes"] = [{"mesh": 0}]
    mesh = read_mesh(save(tmp_path, content, binary))
    np.testing.assert_allclose(mesh.vertices[1:3], [[9, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 3], [1, 2, 3]])


def test_uris_may_be_data_and_percent_encoded(tmp_path: Path):
    content, binary = opened(tmp_path)
    assert len(read_mesh(save(tmp_path, content, binary)).faces) == 2
    content["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    assert len(read_mesh(save(tmp_path, content, binary)).faces) == 2


def set_in(content: dict[str, Any], where: str, value: object) -> None:
    *path, last = [int(word) if word.isdigit() else word for word in where.split()]
    for key in path:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("nodes 1 children", [0], "two parents|its own ancestor"),
        ("nodes 0 children", [0], "its own ancestor"),
        ("nodes 0 children", [7], "nodes 7, expected one of 2"),
        ("nodes 0 children", [-1], "nodes -1"),
        ("nodes 1 mesh", -1, "meshes -1"),
        ("nodes 1 scale", [1, 1], "expected 3 numbers"),
        ("nodes 1 translation", [0, 0, "far"], "expected finite numbers"),
        ("nodes 1 skin", 0, "skins 0"),
        ("scene", 3, "scenes 3"),
        ("buffers 0 uri", "/dev/zero", "a file in its folder"),
        ("buffers 0 uri", "../a.bin", "a file in its folder"),
        ("buffers 0 uri", "%2e%2e/a.bin", "a file in its folder"),
        ("buffers 0 uri", "file:///etc/passwd", "a file in its folder"),
        ("buffers 0 uri", "https://example.org/a.bin", "a file in its folder"),
        ("buffers 0 uri", "outside.bin", "no such file in its folder"),
        ("buffers 0 uri", "pipe", "no such file in its folder"),
        ("buffers 0 uri", "data:;base64,AAAA", "3 bytes"),
        ("buffers 0 byteLength", 10**15, "expected 1000000000000000: is it cut short"),
        ("buffers 0 byteLength", -1, "byteLength -1"),
        ("bufferViews 0 byteLength", 10**9, "bufferViews 0 ends at byte"),
        ("bufferViews 0 byteOffset", -4, "byteOffset -4"),
        ("bufferViews 0 byteStride", 4, "in bufferViews 0"),
        ("accessors 0 count", 10**15, "in bufferViews 0"),
        ("accessors 0 byteOffset", 8, "in bufferViews 0"),
        ("accessors 0 bufferView", -1, "bufferViews -1"),
        ("accessors 0 type", "VEC9", "of type VEC9"),
        ("accessors 2 count", 5, "5 corners"),
        ("accessors 0 count", 3, "vertex 3 of 3"),
        ("accessors 0", {"componentType": 5126, "type": "VEC3", "count": 4}, "without data"),
        ("meshes 0 primitives 0 attributes", {}, "no 'POSITION'"),
        ("extensionsRequired", ["KHR_draco_mesh_compression"], "KHR_draco_mesh_compression, .* without Draco"),
        ("extensionsRequired", ["EXT_meshopt_compression"], "without meshopt"),
        ("extensionsRequired", ["KHR_texture_basisu"], "with PNG, JPEG or WebP"),
        ("extensionsRequired", ["VENDOR_secret"], "export it without VENDOR_secret"),
        ("asset", None, "without an asset"),
    ],
)
def test_gltf_that_points_out_of_itself_is_named(tmp_path: Path, where: str, value: object, expected: str):
    (tmp_path / "in").mkdir()
    content, binary = opened(tmp_path / "in")
    (tmp_path / "a.bin").write_bytes(binary)
    (tmp_path / "in/outside.bin").symlink_to(tmp_path / "a.bin")
    os.mkfifo(tmp_path / "in/pipe")
    set_in(content, where, value)
    path = save(tmp_path / "in", content, binary)
    with pytest.raises(InputError, match=expected) as error:
        read_mesh(path)
    assert "a.gltf" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, '{"asset": {}}', '{"asset": {"version": "2.0"}, "nodes": 3}']
)
def test_gltf_that_is_none_is_named(tmp_path: Path, text: str):
    (tmp_path / "a.gltf").write_text(text)
    with pytest.raises(InputError, match="a.gltf"):
        read_mesh(tmp_path / "a.gltf")


def test_chunk_that_is_longer_than_its_file_is_named(tmp_path: Path):
    opened(tmp_path)
    data = bytearray((tmp_path / "square.glb").read_bytes())
    struct.pack_into("<I", data, 12, 10**9)
    (tmp_path / "a.glb").write_bytes(data)
    with pytest.raises(InputError, match="a chunk of 1000000000 bytes"):
        read_mesh(tmp_path / "a.glb")


@pytest.mark.parametrize("asset", [{"version": "1.0"}, {"version": "2.1", "minVersion": "2.1"}, {"version": 3}])
def test_other_versions_of_gltf_are_named(tmp_path: Path, asset: dict):
    (tmp_path / "a.gltf").write_text(json.dumps({"asset": asset}))
    with pytest.raises(InputError, match=r"a.gltf: .*version .* export it as glTF 2.0"):
        read_mesh(tmp_path / "a.gltf")
