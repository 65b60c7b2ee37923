"""Meshes that ask for more than they hold, places that are none, names that no file can have."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

import datasets.rendering.scan_file as scan_file
from datasets.rendering.scan_file import read_colored_mesh
from evaluation.measured_mesh import read_mesh
from utils.errors import InputError
from utils.files import write_png
from utils.mesh_formats import gltf_mesh

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


def write_gltf(path: Path, times: int, **other: object) -> Path:
    """One triangle, shown so many times."""
    corners = base64.b64encode(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()).decode()
    document: dict[str, object] = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": 36, "uri": f"data:;base64,{corners}"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}] * times,
        "scenes": [{"nodes": list(range(times))}],
    }
    path.write_text(json.dumps(document | other))
    return path


def test_a_scene_that_shows_one_mesh_without_end_is_refused(tmp_path, monkeypatch):
    """A file of a megabyte can ask for billions of triangles."""
    assert len(read_mesh(write_gltf(tmp_path / "a.gltf", times=5)).faces) == 5
    monkeypatch.setattr(gltf_mesh, "MOST_COPIED", 10)
    path = write_gltf(tmp_path / "b.gltf", times=30)
    monkeypatch.setattr(gltf_mesh.GltfFile, "size", 20)
    with pytest.raises(InputError, match="shown so often that they make more than 10 triangles"):
        read_mesh(path)


@pytest.mark.parametrize("extensions", [None, 5, "EXT_mesh_gpu_instancing"])
def test_extensions_that_are_none_are_no_defect_of_ours(tmp_path, extensions):
    path = write_gltf(tmp_path / "a.gltf", 1, nodes=[{"mesh": 0, "extensions": extensions}])
    try:
        assert len(read_mesh(path).faces) == 1
    except InputError as error:
        assert "cannot be read as glTF" in str(error)


def test_a_mesh_without_texture_coordinates_is_not_said_to_have_them(tmp_path):
    assert read_colored_mesh(write_gltf(tmp_path / "a.gltf", 2), 128).notes == (
        f"{tmp_path / 'a.gltf'}: has no colors, rendered in plain grey",
    )


@pytest.mark.parametrize("place", ["3.4e38", "-1e300", "1e13"])
def test_places_beyond_all_measure_are_none(tmp_path, place):
    """Programs write the largest float for points without a place; its square is infinite."""
    path = tmp_path / "a.obj"
    path.write_text(f"{TRIANGLE}v 0 {place} 0\nf 1 2 3\nf 1 2 4\n")
    colored = read_colored_mesh(path, 128)
    assert len(colored.mesh.faces) == 1 and "1 of 2 triangles are not finite" in colored.notes[-1]
    assert np.abs(colored.mesh.vertices).max() == 1
    with pytest.raises(InputError, match="absurdly far away"):
        read_mesh(path)


@pytest.mark.parametrize("name", ["a" * 5000, "\u5199" * 200, "x/" * 3000])
def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path, name):
    (tmp_path / "a.obj").write_text(f"mtllib {name}\nusemtl a\n{TRIANGLE}f 1 2 3\n")
    assert "is missing" in read_colored_mesh(tmp_path / "a.obj", 128).notes[0]
    (tmp_path / "b.mtl").write_text(f"newmtl a\nmap_Kd {name}\n")
    (tmp_path / "b.obj").write_text(f"mtllib b.mtl\nusemtl a\n{TRIANGLE}vt 0 0\nf 1/1 2/1 3/1\n")
    assert len(read_mesh(tmp_path / "b.obj").faces) == 1
    with pytest.raises(InputError, match="no such file, expected the texture"):
        read_colored_mesh(tmp_path / "b.obj", 128)


def test_a_texture_of_many_materials_is_read_once(tmp_path, monkeypatch):
    """Exporters give every part a material of its own with the same atlas of 200 MB."""
    write_png(tmp_path / "atlas.png", np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    (tmp_path / "a.mtl").write_text("".join(f"newmtl m{k}\nmap_Kd atlas.png\n" for k in range(9)))
    faces = "".join(f"usemtl m{k}\nf 1/1 2/2 3/3\n" for k in range(9))
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{TRIANGLE}vt 0 0\nvt 1 0\nvt 0 1\n{faces}")
    reads = []
    monkeypatch.setattr(scan_file, "read_texture", lambda *a: reads.append(a) or np.zeros((4, 4, 3), np.uint8))
    assert len(read_colored_mesh(tmp_path / "a.obj", 128).mesh.faces) == 9 and len(reads) == 1
