"""OBJ files as they come: what is odd is rendered, what is broken is named."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
import pytest

from datasets.rendering.appearance import PlainColor, TextureColor
from datasets.rendering.scan import Scan
from datasets.rendering.scan_file import ColoredMesh, read_colored_mesh
from datasets.rendering.scan_renderer import ScanRenderer
from datasets.rendering.shading import random_lighting
from datasets.rendering.textures import read_texture
from utils.errors import InputError
from utils.mesh_formats.content import Texture

SQUARE = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\n"
CORNERS = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
TEXTURED = f"mtllib a.mtl\n{SQUARE}{CORNERS}usemtl m\nf 1/1 2/2 3/3 4/4\n"
MTL = "newmtl m\nKd 0.5 0.5 0.5\nmap_Kd tex.png\n"


def write(folder: Path, obj: str, mtl: str | None = None) -> Path:
    (folder / "a.obj").write_text(obj)
    if mtl is not None:
        (folder / "a.mtl").write_text(mtl)
    return folder / "a.obj"


def write_texture(folder: Path) -> np.ndarray:
    """A 64 px picture: red grows to the right, green grows downwards."""
    ramp = np.arange(64, dtype=np.uint8) * 4
    rgb = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(50)), axis=-1)
    cv2.imwrite(str(folder / "tex.png"), rgb[..., ::-1])
    return rgb


def render(colored: ColoredMesh) -> np.ndarray:
    """(256, 256, 3) unlit front colors."""
    scan = Scan("a", colored.mesh, colored.appearance)
    return ScanRenderer(scan, ambient_rays=0).view(256, 0, random_lighting(np.random.default_rng(0))).color_front


def area(colored: ColoredMesh) -> float:
    return colored.mesh.areas().sum()


@pytest.mark.parametrize(
    "faces",
    ["f 1 2 3\nf 1 3 4", "f 1 2 3 4", "f -4 -3 -2 -1", "f 1/1 2/2 3/3\nf 1 3 4", "f 1//1 2//1 3//1 4//1",
     "f 1/1/1 2/2/1 3/3/1 4/4/1", "f  1\t2 3 \\\n 4", "g x\nf 1 2 3\r\ns 1\nf 1 3 4 \r"],
)  # fmt: skip
def test_faces_of_any_notation(tmp_path: Path, faces: str):
    mesh = read_colored_mesh(write(tmp_path, f"# hello\n{SQUARE}{CORNERS}vn 0 0 1\n{faces}\n"), size=256)
    assert mesh.mesh.faces.shape == (2, 3) and area(mesh) == pytest.approx(4)


def test_negative_indices_count_back_from_their_line(tmp_path: Path):
    text = SQUARE + "f -4 -3 -2\n" + SQUARE.replace(" 0\n", " 5\n") + "f -4 -3 -2\n"
    mesh = read_colored_mesh(write(tmp_path, text), size=256)
    np.testing.assert_array_equal(mesh.mesh.faces, [[0, 1, 2], [4, 5, 6]])


def test_pentagon_is_cut_into_three(tmp_path: Path):
    text = SQUARE + "v -2 0 0\nf 1 2 3 4 5\n"
    mesh = read_colored_mesh(write(tmp_path, text), size=256)
    assert len(mesh.mesh.faces) == 3 and area(mesh) == pytest.approx(5)


def test_texture_is_sampled_where_it_belongs(tmp_path: Path):
    """The square shows the picture upright: its middle, and red growing to the right, green downwards."""
    rgb = write_texture(tmp_path)
    picture = render(read_colored_mesh(write(tmp_path, TEXTURED, MTL), size=256)).astype(int)
    rows, columns = np.nonzero(picture[..., 2])
    inside = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    expected = cv2.resize(rgb, inside.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(inside - expected)[4:-4, 4:-4].max() <= 4


def test_texture_repeats_outside_its_square():
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    picture[:, 2:] = 200
    uv = np.tile(np.float32([[1.25, 0.5]]), (1, 3, 1))
    middle = np.full((1, 3), 1 / 3)
    outside = TextureColor(picture, uv).albedo(np.zeros(1, int), middle)
    inside = TextureColor(picture, uv - np.float32([1, 0])).albedo(np.zeros(1, int), middle)
    np.testing.assert_allclose(outside, inside, atol=1e-6)


def test_large_texture_is_shrunk_to_the_pitch_of_the_render(tmp_path: Path):
    """A checkerboard that the render would alias becomes its mean; a coarse texture stays as it is."""
    board = (np.indices((2048, 2048)).sum(0) % 2 * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "tex.png"), board)
    mesh = read_colored_mesh(write(tmp_path, TEXTURED, MTL), size=256)
    assert mesh.appearance.picture.shape == (256, 256, 3)
    assert abs(int(mesh.appearance.picture[100, 100, 0]) - 127) <= 1
    assert read_texture(Texture("tex.png", tmp_path / "tex.png"), texels_per_pixel=0.0).shape == (2048, 2048, 3)


def test_several_materials(tmp_path: Path):
    write_texture(tmp_path)
    text = f"mtllib a.mtl\n{SQUARE}{CORNERS}usemtl red\nf 1/1 2/2 3/3\nusemtl m\nf 1/1 3/3 4/4\n"
    mesh = read_colored_mesh(write(tmp_path, text, MTL + "newmtl red\nKd 1 0 0\n"), size=256)
    rgb = mesh.appearance.albedo(np.array([0, 1]), np.full((2, 3), 1 / 3))
    np.testing.assert_allclose(rgb[0], [1, 0, 0])
    assert rgb[1, 2] == pytest.approx(50 / 255)


def test_vertex_colors_of_an_obj(tmp_path: Path):
    text = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 1\nf 1 2 3\n"
    mesh = read_colored_mesh(write(tmp_path, text), size=256)
    np.testing.assert_allclose(mesh.appearance.albedo(np.zeros(1, int), np.array([[0.5, 0.25, 0.25]])),
                               [[0.5, 0.25, 0.25]])  # fmt: skip


def test_no_color_is_grey_and_noted(tmp_path: Path):
    for text in (SQUARE + "f 1 2 3 4\n", f"mtllib gone.mtl\n{SQUARE}usemtl m\nf 1 2 3 4\n"):
        mesh = read_colored_mesh(write(tmp_path, text), size=256)
        assert isinstance(mesh.appearance, PlainColor) and "plain grey" in mesh.notes[0]


def test_triangles_at_nan_are_left_out(tmp_path: Path):
    mesh = read_colored_mesh(write(tmp_path, SQUARE + "v nan 0 0\nf 1 2 3 4\nf 1 2 5\n"), size=256)
    assert len(mesh.mesh.faces) == 2 and np.isfinite(mesh.mesh.vertices).all() and "1 of 3" in mesh.notes[-1]
    assert render(mesh).any()


def test_degenerate_and_non_manifold_faces_are_rendered(tmp_path: Path):
    text = SQUARE + "v 0 0 1\nf 1 2 3 4\nf 1 1 1\nf 1 2 2\nf 1 2 5\nf 2 1 5\nf 1 2 5\n"
    assert render(read_colored_mesh(write(tmp_path, text), size=256)).any()


def test_several_components_are_rendered(tmp_path: Path):
    far = SQUARE.replace("v -1", "v 9").replace("v 1", "v 11")
    picture = render(read_colored_mesh(write(tmp_path, SQUARE + far + "f 1 2 3 4\nf 5 6 7 8\n"), size=256))
    assert picture[:, :100].any() and picture[:, -100:].any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty file"),
        ("hello\n", "0 vertices and 0 faces"),
        (SQUARE, "4 vertices and 0 faces"),
        (SQUARE + "f 1 2\n", "three or more corners"),
        (SQUARE + "f 1 2 x\n", "three or more corners"),
        (SQUARE + "f 1 2 9\n", "vertex 9, expected 1 to 4"),
        (SQUARE + "f 1 2 0\n", "vertex 0, expected 1 to 4"),
        (SQUARE + "f -1 -2 -9\n", "vertex -9"),
        (SQUARE + "v 1 2\nf 1 2 3\n", "vertex lines"),
        (SQUARE + "v 1 two 3\nf 1 2 3\n", "vertex lines"),
        ("v nan nan nan\n" * 3 + "f 1 2 3\n", "none has finite corners"),
    ],
)
def test_broken_obj_is_named(tmp_path: Path, text: str, expected: str):
    with pytest.raises(InputError, match=expected) as error:
        read_colored_mesh(write(tmp_path, text), size=256)
    assert "a.obj" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"not a picture"])
def test_missing_or_broken_texture_is_named(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / "tex.png").write_bytes(content)
    with pytest.raises(InputError, match="tex.png"):
        read_colored_mesh(write(tmp_path, TEXTURED, MTL), size=256)


def test_texture_name_differs_in_case_or_slashes(tmp_path: Path):
    (tmp_path / "Maps").mkdir()
    write_texture(tmp_path / "Maps")
    (tmp_path / "Maps/tex.png").rename(tmp_path / "Maps/TEX.PNG")
    mesh = read_colored_mesh(write(tmp_path, TEXTURED, "newmtl m\nmap_Kd -s 1 1 1 Maps\\tex.png\n"), size=256)
    assert isinstance(mesh.appearance, TextureColor)


def test_ply_with_and_without_colors(tmp_path: Path):
    mesh = o3d.geometry.TriangleMesh.create_box()
    o3d.io.write_triangle_mesh(str(tmp_path / "plain.ply"), mesh)
    mesh.vertex_colors = o3d.utility.Vector3dVector(np.tile([1.0, 0, 0], (8, 1)))
    o3d.io.write_triangle_mesh(str(tmp_path / "red.ply"), mesh)
    assert read_colored_mesh(tmp_path / "plain.ply", 256).notes
    red = read_colored_mesh(tmp_path / "red.ply", 256)
    np.testing.assert_allclose(red.appearance.albedo(np.zeros(1, int), np.full((1, 3), 1 / 3)), [[1, 0, 0]])


@pytest.mark.parametrize("content", [b"", b"ply\nformat ascii 1.0\nend_header\n", b"\x00\xff" * 50])
@pytest.mark.parametrize("suffix", ["ply", "stl", "off", "glb"])
def test_broken_binary_meshes_are_named(tmp_path: Path, content: bytes, suffix: str):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"a.{suffix}"):
        read_colored_mesh(path, 256)


def test_missing_and_foreign_files_are_named(tmp_path: Path):
    (tmp_path / "a.blend").write_text("x")
    for name in ("gone.obj", "a.blend"):
        with pytest.raises(InputError, match=name):
            read_colored_mesh(tmp_path / name, 256)


def rgb_of(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Color in the middle of the first face, and the notes."""
    mesh = read_colored_mesh(path, size=256)
    return mesh.appearance.albedo(np.array([0]), np.full((1, 3), 1 / 3))[0], mesh.notes


def write_red_texture(folder: Path, name: str = "tex.png") -> None:
    cv2.imwrite(str(folder / name), np.full((4, 4, 3), (0, 0, 255), np.uint8))


@pytest.mark.parametrize(
    ("mtllib", "library", "mtl"),
    [
        ("mtllib a.mtl", "a.mtl", "newmtl m\n\tKd\t1 1 1\n\tmap_Kd\ttex.png\n"),
        ("mtllib a.mtl", "a.mtl", "newmtl m\r\nmap_Kd C:\\Users\\Public\\scans\\tex.png\r\n"),
        ("mtllib a.mtl", "a.mtl", "newmtl m\nmap_Kd /home/somebody/tex.png\n"),
        ("mtllib a.mtl", "a.mtl", "\ufeffnewmtl m\nMAP_KD -s 1 1 1 -blendu on TEX.png\n"),
        ("mtllib a.mtl", "A.MTL", "newmtl m\nmap_Kd tex.png\n"),
        ("mtllib none.mtl a.mtl", "a.mtl", "newmtl m\nmap_Kd tex.png\n"),
        ("mtllib none.mtl\nmtllib a.mtl", "a.mtl", "newmtl m\nmap_Kd tex.png\n"),
        ("mtllib D:\\models\\my scan.mtl", "my scan.mtl", "newmtl m\nmap_Kd tex.png\n"),
    ],
)
def test_material_libraries_as_exporters_write_them(tmp_path: Path, mtllib: str, library: str, mtl: str):
    write_red_texture(tmp_path)
    (tmp_path / library).write_text(mtl, encoding="utf-8")
    (tmp_path / "a.obj").write_text("\ufeff" + TEXTURED.replace("mtllib a.mtl", mtllib), encoding="utf-8")
    np.testing.assert_allclose(rgb_of(tmp_path / "a.obj")[0], [1, 0, 0])


@pytest.mark.parametrize("corners", ["1/1/ 2/2/ 3/3/ 4/4/", "1/1 2/2 3/3 4/4"])
def test_texture_comes_before_colors_of_vertices(tmp_path: Path, corners: str):
    """White vertices beside a texture: MeshLab writes them. Other colors are said to be left."""
    write_red_texture(tmp_path)
    for color, notes in (("1 1 1", 0), ("0 0 1", 1)):
        text = TEXTURED.replace("1/1 2/2 3/3 4/4", corners).replace(SQUARE, SQUARE.replace(" 0\n", f" 0 {color}\n"))
        rgb, said = rgb_of(write(tmp_path, text, MTL))
        np.testing.assert_allclose(rgb, [1, 0, 0])
        assert len(said) == notes and all("colors of its vertices are not used" in note for note in said)


def test_faces_without_texture_coordinates_keep_their_other_colors(tmp_path: Path):
    write_red_texture(tmp_path)
    text = f"mtllib a.mtl\n{SQUARE}{CORNERS}usemtl m\nf 1/1 2/2 3/3\nf 1// 3// 4//\n"
    mesh = read_colored_mesh(write(tmp_path, text, MTL), size=256)
    rgb = mesh.appearance.albedo(np.array([0, 1]), np.full((2, 3), 1 / 3))
    np.testing.assert_allclose(rgb, [[1, 0, 0], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("text", "mtl", "said"),
    [
        (TEXTURED.replace("usemtl m", "usemtl other"), MTL, "material other is in none"),
        (TEXTURED.replace("1/1 2/2 3/3 4/4", "1 2 3 4"), MTL, "no texture coordinates: tex.png is not used"),
        (TEXTURED.replace("a.mtl", "gone.mtl"), None, "material file gone.mtl is missing"),
        (TEXTURED.replace("usemtl m\n", ""), MTL, "material m has a texture, and no face uses it"),
    ],
)
def test_what_is_there_and_not_used_is_said(tmp_path: Path, text: str, mtl: str | None, said: str):
    write_red_texture(tmp_path)
    assert any(said in note for note in rgb_of(write(tmp_path, text, mtl))[1])


def test_mixed_corners_of_a_face_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="three or more corners"):
        read_colored_mesh(write(tmp_path, f"{SQUARE}{CORNERS}f 1/2/ 3 4/\n"), size=256)
