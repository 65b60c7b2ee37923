"""PLY, OFF and STL as they come: every spelling gives the same square, what does not agree with itself is named."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.rendering.scan_file import ColoredMesh, read_colored_mesh
from evaluation.measured_mesh import read_mesh
from utils.errors import InputError

SQUARE = np.float32([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
RGB = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
CORNERS = np.eye(3)


def read(path: Path, content: bytes | str) -> ColoredMesh:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_colored_mesh(path, 256)


def colors(mesh: ColoredMesh) -> np.ndarray:
    """(F, 3, 3) at the corners of all faces."""
    faces = np.arange(len(mesh.mesh.faces))
    return np.stack([mesh.appearance.albedo(faces, np.tile(corner, (len(faces), 1))) for corner in CORNERS], axis=1)


def header(encoding: str, vertex: list[str], face: list[str], faces: int = 1, vertices: int = 4, more: str = "") -> str:
    lines = [f"ply\nformat {encoding} 1.0\n{more}element vertex {vertices}", *(f"property {one}" for one in vertex)]
    return "\n".join([*lines, f"element face {faces}", *(f"property {one}" for one in face), "end_header\n"])


XYZ = ["float x", "float y", "float z"]
UCHAR_RGB = ["uchar red", "uchar green", "uchar blue"]
INDICES = ["list uchar int vertex_indices"]


def ascii_ply(vertex: list[str], rows: np.ndarray, face: list[str], faces: list[str], more: str = "") -> str:
    lines = [" ".join(f"{value:g}" for value in row) for row in rows]
    return header("ascii", vertex, face, len(faces), len(rows), more) + "\n".join([*lines, *faces, ""])


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("faces", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2, 3]], [[0, 1, 2], [0, 1, 2, 3], [0, 2, 3]]])
def test_ply_of_every_encoding_and_polygon(tmp_path: Path, encoding: str, faces: list[list[int]]):
    """Triangles, a quad, both mixed, with a number of their own behind the list."""
    head = header(encoding, [*XYZ, *UCHAR_RGB], ["list uchar uint vertex_index", "short flags"], len(faces))
    if encoding == "ascii":
        body = "".join(f"{x:g} {y:g} {z:g} {r} {g} {b}\n" for (x, y, z), (r, g, b) in zip(SQUARE, RGB, strict=True))
        body = (body + "".join(f"{len(f)} {' '.join(map(str, f))} 7\n" for f in faces)).encode()
    else:
        order = "<" if "little" in encoding else ">"
        body = b"".join(struct.pack(f"{order}3f3B", *p, *c) for p, c in zip(SQUARE, RGB.tolist(), strict=True))
        body += b"".join(struct.pack(f"{order}B{len(f)}Ih", len(f), *f, 7) for f in faces)
    mesh = read(tmp_path / "a.ply", head.encode() + body)
    expected = sum(([[f[0], f[k], f[k + 1]] for k in range(1, len(f) - 1)] for f in faces), [])
    np.testing.assert_array_equal(mesh.mesh.faces, expected)
    np.testing.assert_allclose(colors(mesh)[0], RGB[:3] / 255)
    assert not mesh.notes


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (UCHAR_RGB, RGB),
        (["float red", "float green", "float blue"], RGB / 255),
        (["double red", "double green", "double blue"], RGB / 1.0),
        (["ushort red", "ushort green", "ushort blue"], RGB * 257.0),
        (["int red", "int green", "int blue"], RGB),
        (["uchar diffuse_red", "uchar diffuse_green", "uchar diffuse_blue", "uchar alpha"], np.c_[RGB, [255] * 4]),
    ],
)
def test_ply_colors_of_every_type(tmp_path: Path, names: list[str], values: np.ndarray):
    text = ascii_ply([*XYZ, *names], np.c_[SQUARE, values], INDICES, ["4 0 1 2 3"])
    np.testing.assert_allclose(colors(read(tmp_path / "a.ply", text))[1], RGB[[0, 2, 3]] / 255, atol=1e-6)


def write_texture(path: Path) -> None:
    """Left half blue, right half red."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :4], picture[:, 4:] = (255, 0, 0), (0, 0, 255)
    cv2.imwrite(str(path), picture)


RED = [[1, 0, 0]] * 3


@pytest.mark.parametrize("name", ["tex.png", "TEX.PNG", "C:\\Users\\me\\tex.png", "/somewhere/else/tex.png"])
@pytest.mark.parametrize("where", ["corner", "vertex"])
def test_ply_texture_comes_before_colors_of_vertices(tmp_path: Path, where: str, name: str):
    """MeshLab's texture file; coordinates per corner or per vertex, all in the red half; white vertices."""
    write_texture(tmp_path / "tex.png")
    rows, more = np.c_[SQUARE, np.full((4, 3), 255)], f"comment TextureFile {name}\n"
    if where == "corner":
        face = [*INDICES, "list uchar float texcoord", "int texnumber"]
        text = ascii_ply([*XYZ, *UCHAR_RGB], rows, face, ["4 0 1 2 3 8 .9 .1 .9 .1 .9 .9 .8 .9 0"], more)
    else:
        vertex = [*XYZ, *UCHAR_RGB, "float s", "float t"]
        text = ascii_ply(vertex, np.c_[rows, np.full((4, 2), 0.8)], INDICES, ["4 0 1 2 3"], more)
    mesh = read(tmp_path / "a.ply", text)
    np.testing.assert_allclose(colors(mesh)[0], RED)
    assert not mesh.notes


def test_ply_with_two_textures_and_faces_without(tmp_path: Path):
    write_texture(tmp_path / "tex.png")
    cv2.imwrite(str(tmp_path / "green.png"), np.full((4, 4, 3), (0, 255, 0), np.uint8))
    face = [*INDICES, "list uchar float texcoord", "int texnumber"]
    faces = ["3 0 1 2 6 .9 .9 .9 .9 .9 .9 0", "3 0 2 3 6 .9 .9 .9 .9 .9 .9 1", "3 0 1 3 0 -1"]
    more = "comment TextureFile tex.png\ncomment TextureFile green.png\n"
    rows = np.c_[SQUARE, np.tile([0, 0, 255], (4, 1))]
    mesh = read(tmp_path / "a.ply", ascii_ply([*XYZ, *UCHAR_RGB], rows, face, faces, more))
    np.testing.assert_allclose(colors(mesh)[:, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("face", "row"),
    [
        ([*INDICES, *UCHAR_RGB], "4 0 1 2 3 255 0 0"),
        ([*INDICES, "list uchar float color"], "4 0 1 2 3 12 1 0 0 1 0 0 1 0 0 1 0 0"),
        ([*INDICES, "list uchar uchar color"], "4 0 1 2 3 16 " + "255 0 0 255 " * 4),
    ],
)
def test_ply_colors_of_faces_and_corners(tmp_path: Path, face: list[str], row: str):
    np.testing.assert_allclose(colors(read(tmp_path / "a.ply", ascii_ply(XYZ, SQUARE, face, [row])))[1], RED)


GOOD = ascii_ply(XYZ, SQUARE, INDICES, ["3 0 1 2", "3 0 2 3"])
BINARY = header("binary_little_endian", XYZ, INDICES, 2).encode() + SQUARE.tobytes()
FACES = struct.pack("<B3iB3i", 3, 0, 1, 2, 3, 0, 2, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GOOD[:-8], "1 faces, expected the 2"),
        (GOOD[:-30], "of its header: is it cut short"),
        (GOOD + "3 0 1 2\n", "4 numbers too many"),
        (GOOD.replace("3 0 2 3", "3 0 2 4"), "names vertex 4, expected 0 to 3"),
        (GOOD.replace("3 0 2 3", "3 0 2 99999999"), "names vertex 99999999"),
        (GOOD.replace("3 0 2 3", "4 0 1 2 -5"), "names vertex -5"),
        (GOOD.replace("3 0 2 3", "3 0 2 2.5"), "2.5 where the header says i4"),
        (GOOD.replace("3 0 2 3", "-3 0 2 3"), "-3 where the header says u1"),
        (GOOD.replace("3 0 2 3", "3 0 2 x"), "not a number"),
        (GOOD.replace("face 2", "face 999999999999999"), "2 faces, expected the 999999999999999"),
        (GOOD.replace("vertex 4", "vertex 999999999999999"), "expected the 999999999999999"),
        (GOOD.replace("vertex 4", "vertex 0").replace("face 2", "face 0"), "0 faces|too many"),
        (GOOD.replace("vertex 4", "vertex -4"), "makes no sense"),
        (GOOD.replace("face 2", "face two"), "makes no sense"),
        (GOOD.replace("list uchar", "list float"), "expected a number or a list"),
        (GOOD.replace("uchar int", "uchar float"), "expected integers"),
        (GOOD.replace("uchar int", "uchar quad"), "quad"),
        (GOOD.replace("float y", "float x"), "stands twice"),
        (GOOD.replace("float y", "float w"), "x y z"),
        (GOOD.replace("vertex_indices", "corners"), "vertex_indices"),
        (GOOD.replace("format ascii 1.0\n", ""), "format none"),
        (GOOD.replace("end_header", "end"), "no PLY header"),
        (BINARY + FACES[:-1], "1 faces, expected the 2"),
        (BINARY + FACES + b"more", "4 bytes too many"),
        (BINARY.replace(b"uchar int", b"char int") + b"\xff" + FACES[1:], "a list of -1 values"),
        (BINARY.replace(b"uchar int", b"uint int") + b"\xff" * 26, "0 faces, expected the 2"),
        (BINARY.replace(b"element face 2", b"element face 99999999999999") + FACES, "2 faces, expected the 9"),
    ],
)
def test_ply_that_does_not_agree_with_itself_is_named(tmp_path: Path, content: bytes | str, expected: str):
    with pytest.raises(InputError, match=expected) as error:
        read(tmp_path / "a.ply", content)
    assert "a.ply" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match=expected):
        read_mesh(tmp_path / "a.ply")


def test_ply_with_windows_lines_and_elements_of_nothing(tmp_path: Path):
    """A header of another system, an element that is not needed, one without properties, a blank end."""
    text = GOOD.replace("element face", "element nothing 99999999999\nelement camera 1\nproperty float f\nelement face")
    text = text.replace("3 0 1 2\n", "0.5\n3 0 1 2\n").replace("\n", "\r\n") + "\r\n"
    assert len(read(tmp_path / "a.ply", text).mesh.faces) == 2


def test_ply_faces_of_two_corners_are_left_out_and_said(tmp_path: Path):
    mesh = read(tmp_path / "a.ply", GOOD.replace("face 2", "face 3") + "2 0 1\n")
    assert len(mesh.mesh.faces) == 2 and "1 faces with fewer than three corners" in mesh.notes[0]


OFF = "OFF\n4 2 0\n-1 -1 0\n1 -1 0\n1 1 0\n-1 1 0\n3 0 1 2\n3 0 2 3\n"


@pytest.mark.parametrize(
    "text",
    [
        OFF,
        OFF.replace("OFF\n", "OFF "),
        OFF.replace("OFF\n", "OFF"),
        "# made by hand\n\n" + OFF.replace("4 2 0", "# counts\n4 2 0 # no edges").replace("\n3", "\n\n3"),
        OFF.replace("4 2", "4 1").replace("3 0 1 2\n3 0 2 3", "4 0 1 2 3"),
        OFF.replace("OFF", "NOFF").replace(" 0\n", " 0 0 0 1\n").replace("4 2 0 0 0 1", "4 2 0"),
        OFF.replace("\n", "\r\n"),
    ],
)
def test_off_of_every_spelling(tmp_path: Path, text: str):
    mesh = read(tmp_path / "a.off", text)
    assert mesh.mesh.areas().sum() == pytest.approx(4) and mesh.mesh.faces.shape == (2, 3)
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.off").vertices, SQUARE)


@pytest.mark.parametrize(
    "text",
    [
        OFF.replace("OFF", "COFF").replace(" 0\n", " 0 255 0 0 255\n").replace("4 2 0 255 0 0 255", "4 2 0"),
        OFF.replace("OFF", "COFF").replace(" 0\n", " 0 1.0 0.0 0.0\n").replace("4 2 0 1.0 0.0 0.0", "4 2 0"),
        OFF.replace("0 1 2\n", "0 1 2 255 0 0\n").replace("0 2 3\n", "0 2 3 255 0 0\n"),
        OFF.replace("0 1 2\n", "0 1 2 1.0 0 0 1.0\n").replace("0 2 3\n", "0 2 3 1.0 0 0 1.0\n"),
    ],
)
def test_off_colors(tmp_path: Path, text: str):
    np.testing.assert_allclose(colors(read(tmp_path / "a.off", text))[1], RED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OFF[:-8], "5 lines of vertices and faces, expected the 4 \\+ 2"),
        (OFF + "3 0 1 2\n", "7 lines"),
        (OFF.replace("4 2", "999999999999 2"), "expected the 999999999999"),
        (OFF.replace("4 2", "4 x"), "counts"),
        (OFF.replace("3 0 2 3", "3 0 2 9"), "names vertex 9"),
        (OFF.replace("3 0 2 3", "4 0 1 2 99999999"), "names vertex 99999999"),
        (OFF.replace("3 0 2 3", "9 0 2 3"), "number of corners"),
        (OFF.replace("3 0 2 3", "2 0 2 3"), "number of corners"),
        (OFF.replace("3 0 2 3", "3 0 2 b"), "not made of numbers"),
        (OFF.replace("1 1 0", "1 1"), "lines of vertices"),
        ("OFF\n0 0 0\n", "0 vertices and 0 faces"),
        ("OFF BINARY\n" + OFF[4:], "in text"),
        ("4OFF\n" + OFF[4:], "expected a mesh in OFF"),
    ],
)
def test_broken_off_is_named(tmp_path: Path, text: str, expected: str):
    with pytest.raises(InputError, match=expected) as error:
        read(tmp_path / "a.off", text)
    assert "a.off" in str(error.value) and "\n" not in str(error.value)


TRIANGLES = SQUARE[[[0, 1, 2], [0, 2, 3]]]


def binary_stl(head: bytes, count: int = 2) -> bytes:
    facets = b"".join(np.zeros(3, "<f4").tobytes() + one.astype("<f4").tobytes() + b"\0\0" for one in TRIANGLES)
    return head.ljust(80, b"\0") + struct.pack("<I", count) + facets


def ascii_stl() -> str:
    facets = ["vertex {:g} {:g} {:e}".format(*corner) for triangle in TRIANGLES for corner in triangle]
    loops = [f"facet normal 0 0 1\nouter loop\n{' '.join(facets[k : k + 3])}\nendloop\nendfacet\n" for k in (0, 3)]
    return "solid vertex 1 2 3 facet\n" + "".join(loops) + "endsolid vertex\n"


@pytest.mark.parametrize("content", [binary_stl(b""), binary_stl(b"solid of a CAD program"), ascii_stl().encode()])
def test_stl_is_known_by_its_size_not_by_its_first_word(tmp_path: Path, content: bytes):
    mesh = read(tmp_path / "a.stl", content).mesh
    assert len(mesh.vertices) == 4 and mesh.areas().sum() == pytest.approx(4)
    np.testing.assert_allclose(mesh.face_normals(), [[0, 0, 1]] * 2)


@pytest.mark.parametrize(
    "content",
    [binary_stl(b"")[:-10], binary_stl(b"solid")[:-50], binary_stl(b"", 3), binary_stl(b"", 1), binary_stl(b"")[:70],
     binary_stl(b"", 0xFFFFFFFF), ascii_stl()[:-20].encode(), ascii_stl().replace("1 1", "1", 1).encode(),
     ascii_stl().replace("-1", "a", 1).encode(), b"solid a\nendsolid a\n"],
)  # fmt: skip
def test_broken_stl_is_named(tmp_path: Path, content: bytes):
    with pytest.raises(InputError, match="a.stl") as error:
        read(tmp_path / "a.stl", content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [("Red", "Green", "Blue"), ("ambient_red", "ambient_green", "ambient_blue")])
def test_ply_colors_by_other_names(tmp_path: Path, names: tuple[str, ...]):
    rows = np.column_stack([SQUARE, RGB])
    text = ascii_ply([*XYZ, *(f"uchar {name}" for name in names)], rows, INDICES, ["4 0 1 2 3"])
    np.testing.assert_allclose(colors(read(tmp_path / "a.ply", text))[0], RGB[:3] / 255, atol=1e-6)


@pytest.mark.parametrize("more", ["{} {} {} 1", "1 {} {} {}"], ids=["opacity", "w"])
def test_obj_colors_with_a_seventh_number(tmp_path: Path, more: str):
    vertices = "".join(
        f"v {x:g} {y:g} {z:g} {more.format(*rgb)}\n" for (x, y, z), rgb in zip(SQUARE, RGB / 255, strict=True)
    )
    np.testing.assert_allclose(colors(read(tmp_path / "a.obj", f"{vertices}f 1 2 3 # a face\n"))[0], RGB[:3] / 255)


def test_an_off_face_with_not_a_number_of_corners_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"a.off: face line 'nan 0 1 2', expected a number of corners"):
        read(tmp_path / "a.off", "OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\nnan 0 1 2\n")
