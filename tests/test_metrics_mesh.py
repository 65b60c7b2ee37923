"""Meshes of every spelling come in as the same triangles, or as one line that says why not."""

import numpy as np
import pytest

from evaluation.measured_mesh import read_mesh
from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_files import write_mesh

PYRAMID = "v 0 0 0\nv 1 0 0\nv 1 0 1\nv 0 0 1\nv .5 1 .5\n"
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1], [0.5, 1, 0.5]])
FACES = [[0, 1, 2], [0, 2, 3], [0, 4, 1]]


@pytest.mark.parametrize(
    "text",
    [
        PYRAMID + "f 1 2 3\nf 1 3 4\nf 1 5 2\n",
        PYRAMID + "f 1 2 3 4\nf 1 5 2\n",
        PYRAMID + "f -5 -4 -3 -2\nf 1 -1 2\n",
        PYRAMID + "vt 0 0\nvn 0 1 0\nf 1/1/1 2/1/1 3/1/1 4/1/1\nf 1//1 5//1 2//1\n",
        "mtllib missing.mtl\n"
        + PYRAMID.replace("\n", " 0.1 0.2 0.3\n")
        + "usemtl skin\nf 1/1 2/1 \\\n 3/1 4/1\nf 1 5 2\n",
        PYRAMID.replace("\n", "\r\n") + "f 1 2 3 4\r\nf 1 5 2\r\n",
    ],
    ids=["triangles", "quad", "negative", "slashes", "colors", "windows"],
)
def test_obj_spellings(tmp_path, text):
    (tmp_path / "a.obj").write_bytes(text.encode())
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.vertices, VERTICES)
    assert sorted(map(sorted, mesh.faces.tolist())) == sorted(map(sorted, FACES))


@pytest.mark.parametrize("suffix", ["ply", "glb"])
def test_other_formats(tmp_path, suffix):
    write_mesh(tmp_path / f"a.{suffix}", Mesh(VERTICES, np.array(FACES, "i4"), np.zeros((5, 3), "u1")))
    corners = read_mesh(tmp_path / f"a.{suffix}").corners
    np.testing.assert_allclose(np.sort(corners.reshape(-1, 3), axis=0), np.sort(VERTICES[FACES].reshape(-1, 3), axis=0))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.obj", "", "0 vertices"),
        ("a.obj", PYRAMID, "0 faces"),
        ("a.obj", PYRAMID + "f 1 2\n", "three or more corners"),
        ("a.obj", PYRAMID + "f 1 2 six\n", "face line"),
        ("a.obj", PYRAMID + "f 1 2 6\n", "names vertex 6, expected 1 to 5"),
        ("a.obj", "v 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "vertex lines hold 8 numbers"),
        ("a.obj", PYRAMID.replace("v 1 0 1", "v 1 inf 1") + "f 1 2 3\n", "vertex 3"),
        ("a.ply", "ply\nbroken", "cannot be read"),
        ("a.glb", "", "cannot be read"),
        ("a.stl", "solid", "0 whole facets"),
        ("a.xyz", "0 0 0", "expected .obj, .ply, .glb"),
    ],
)
def test_broken_files_are_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_mesh(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file():
    with pytest.raises(InputError, match="no such file"):
        read_mesh("nowhere.obj")
