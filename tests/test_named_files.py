"""Which files a mesh file names, and that render.py notices when one of them is another."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import render
from datasets.rendering.render_records import ScanStamps
from tests.test_full_disk import box_obj
from utils.mesh_formats.named_files import named_files

PLY = "ply\nformat ascii 1.0\ncomment TextureFile skin.png\nelement vertex 0\nproperty float x\nend_header\n"


def dressed(folder: Path) -> Path:
    """A box whose library and texture have names of their own."""
    mesh = box_obj(folder / "box.obj")
    mesh.write_text("mtllib clothes.mtl\nvt 0 0\nusemtl cloth\n" + mesh.read_text())
    (folder / "clothes.mtl").write_text("newmtl cloth\nmap_Kd tex/red.png\n")
    (folder / "tex").mkdir()
    Image.fromarray(np.full((4, 4, 3), (200, 0, 0), np.uint8)).save(folder / "tex" / "red.png")
    rng = np.random.default_rng(0)
    mesh.with_suffix(".json").write_text(json.dumps({"joint3d": rng.uniform(-0.2, 1.8, (133, 3)).tolist()}))
    return mesh


def test_libraries_textures_and_buffers_are_found(tmp_path):
    assert named_files(dressed(tmp_path)) == [tmp_path / "clothes.mtl", tmp_path / "tex" / "red.png"]
    document = {"asset": {}, "buffers": [{"uri": "a%20b.bin"}, {"uri": "data:,"}], "images": [{"uri": "skin.png"}, {}]}
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    assert named_files(tmp_path / "a.gltf") == [tmp_path / "a b.bin", tmp_path / "skin.png"]
    (tmp_path / "a.ply").write_text(PLY)
    assert named_files(tmp_path / "a.ply") == [tmp_path / "skin.png"]


@pytest.mark.parametrize("content", [b"", b"mtllib", b"[" * 5000, b'{"asset": {}, "images": 3}', b"ply\n"])
@pytest.mark.parametrize("suffix", [".obj", ".gltf", ".glb", ".ply", ".stl"])
def test_a_broken_file_names_none(tmp_path, suffix, content):
    (tmp_path / f"a{suffix}").write_bytes(content)
    assert named_files(tmp_path / f"a{suffix}") == []


def test_names_that_no_file_can_have_are_of_files_that_are_not_there(tmp_path):
    (tmp_path / "a.gltf").write_text(json.dumps({"asset": {}, "images": [{"uri": "x" * 5000}, {"uri": "a\0b"}]}))
    assert set(ScanStamps.of([tmp_path / "a.gltf"]).named.values()) == {None}


@pytest.mark.parametrize("other", ["clothes.mtl", "tex/red.png", "box.json"])
def test_renders_of_another_texture_are_not_taken_for_done(tmp_path, capsys, other):
    dressed(tmp_path / "scans")
    command = ["--data_path", str(tmp_path / "data"), "--data_name", str(tmp_path / "scans"), "--res", "128"]
    command += ["--yaws", "0", "--ambient_rays", "0"]
    assert render.main(command) == 0
    assert render.main(command) == 0 and "0 rendered, 1 already there" in capsys.readouterr().out
    path = tmp_path / "scans" / other
    path.write_bytes(path.read_bytes() + b"\n")
    assert render.main(command) == 1
    assert f"{other} changed since: give --overwrite or another --data_path" in capsys.readouterr().err
    assert render.main([*command, "--overwrite"]) == 0
    assert render.main(command) == 0 and "0 rendered, 1 already there" in capsys.readouterr().out
