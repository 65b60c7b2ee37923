"""Clouds become one closed, colored mesh, and its files can be read by others."""

import json
import struct
from dataclasses import replace

import numpy as np
import open3d
import pytest

import test_poisson as script
from evaluation.measured_mesh import read_mesh
from geometry.point_cloud import PointCloud
from geometry.surface import reconstruct_surface
from utils.mesh_files import write_mesh
from utils.ply import write_cloud

RADIUS = 0.3


def ball_cloud(
    count: int = 6000, keep_above: float = -1.0, centre: tuple[float, float, float] = (0, 0, 0)
) -> PointCloud:
    """Points spread evenly over a ball; red where x > 0, blue elsewhere."""
    index = np.arange(count) + 0.5
    height, turn = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    normals = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], axis=1)
    normals = normals[height > keep_above]
    colors = np.where(normals[:, :1] > 0, [[255, 0, 0]], [[0, 0, 255]]).astype(np.uint8)
    return PointCloud(RADIUS * normals + centre, normals.astype(np.float32), colors)


@pytest.fixture(scope="module")
def ball_mesh():
    return reconstruct_surface(ball_cloud(), depth=6)


def to_open3d(mesh) -> open3d.geometry.TriangleMesh:
    return open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices), open3d.utility.Vector3iVector(mesh.faces)
    )


def test_ball_is_closed_round_colored_and_faces_outwards(ball_mesh):
    radii = np.linalg.norm(ball_mesh.vertices, axis=1)
    assert abs(radii - RADIUS).max() < 0.01 * RADIUS
    assert to_open3d(ball_mesh).is_edge_manifold(allow_boundary_edges=False)
    corners = ball_mesh.vertices[ball_mesh.faces]
    signed_volume = np.einsum("fc,fc->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert signed_volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)
    assert ((ball_mesh.vertex_normals() * ball_mesh.vertices).sum(axis=1) / radii).min() > 0.95
    right, left = ball_mesh.vertices[:, 0] > 0.05, ball_mesh.vertices[:, 0] < -0.05
    for half, color in ((right, [255, 0, 0]), (left, [0, 0, 255])):
        assert abs(ball_mesh.colors[half].astype(int) - color).max() <= 1


def test_only_the_largest_body_is_kept():
    small = ball_cloud(600)
    small = replace(small, points=0.2 * small.points + [1.0, 0, 0])
    mesh = reconstruct_surface(ball_cloud() + small, depth=7)
    assert mesh.vertices[:, 0].max() < 1.1 * RADIUS
    assert to_open3d(mesh).is_edge_manifold(allow_boundary_edges=False)


def test_balloons_over_a_missing_half_are_trimmed_but_nothing_near_the_points():
    cloud = ball_cloud(20000, keep_above=0.0)
    mesh = reconstruct_surface(cloud, depth=7)
    nearest = np.asarray(
        to_open3d(mesh)
        .sample_points_uniformly(2000)
        .compute_point_cloud_distance(open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points)))
    )
    assert nearest.max() < 0.2 * 2 * RADIUS
    from_points = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points)).compute_point_cloud_distance(
        open3d.geometry.PointCloud(open3d.utility.Vector3dVector(mesh.vertices))
    )
    assert max(from_points) < 0.05 * RADIUS


def test_points_at_one_place_are_refused():
    one = PointCloud(np.zeros((5, 3)), np.tile([0, 0, 1], (5, 1)).astype(np.float32), np.zeros((5, 3), np.uint8))
    with pytest.raises(ValueError, match="5 points at one place"):
        reconstruct_surface(one)


@pytest.mark.parametrize("suffix", ["obj", "ply"])
def test_mesh_files_are_read_by_open3d(ball_mesh, suffix, tmp_path):
    path = tmp_path / f"ball.{suffix}"
    write_mesh(path, ball_mesh)
    again = open3d.io.read_triangle_mesh(str(path))
    # Open3D reads OBJ vertices in the order of the faces.
    for written, read in ((ball_mesh.vertices, again.vertices), (ball_mesh.colors / 255, again.vertex_colors)):
        corners = np.asarray(read)[np.asarray(again.triangles)]
        np.testing.assert_allclose(corners, written[ball_mesh.faces], atol=1e-4)


def test_obj_lines_carry_colors(ball_mesh, tmp_path):
    write_mesh(tmp_path / "ball.obj", ball_mesh)
    first = (tmp_path / "ball.obj").read_text().splitlines()[0].split()
    assert first[0] == "v" and len(first) == 7
    np.testing.assert_allclose(np.array(first[4:], float) * 255, ball_mesh.colors[0], atol=0.1)


def test_glb_holds_the_mesh_with_linear_colors(ball_mesh, tmp_path):
    path = tmp_path / "ball.glb"
    grey = replace(ball_mesh, colors=np.full_like(ball_mesh.colors, 188))
    write_mesh(path, grey)
    data = path.read_bytes()
    magic, version, length, json_length, json_kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
    document = json.loads(data[20 : 20 + json_length])
    binary = data[28 + json_length :]
    assert len(binary) == document["buffers"][0]["byteLength"]
    arrays = {}
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    for name, accessor in {**attributes, "indices": 3}.items():
        view = document["bufferViews"][document["accessors"][accessor]["bufferView"]]
        kind = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[document["accessors"][accessor]["componentType"]]
        arrays[name] = np.frombuffer(binary, kind, view["byteLength"] // int(kind[2]), view["byteOffset"])
    np.testing.assert_array_equal(arrays["indices"].reshape(-1, 3), grey.faces)
    np.testing.assert_allclose(arrays["POSITION"].reshape(-1, 3), grey.vertices, atol=1e-6)
    # sRGB 188 is half the light of white.
    np.testing.assert_allclose(arrays["COLOR_0"].reshape(-1, 4)[:, :3] / 65535, 0.5029, atol=1e-3)
    loaded = open3d.io.read_triangle_mesh(str(path))
    assert len(loaded.triangles) == len(grey.faces) and loaded.has_vertex_colors()


def test_script_meshes_a_folder_names_the_broken_and_skips_the_done(tmp_path, capsys):
    clouds, meshes = tmp_path / "run" / "output_plys_c", tmp_path / "run" / "output_objs"
    write_cloud(clouds / "good.ply", ball_cloud(2000))
    (clouds / "broken.ply").write_text("ply\n")
    command = ["--save_path", str(tmp_path), "--save_name", "run", "--depth", "5", "--format", "ply"]

    assert script.main(command) == 1
    captured = capsys.readouterr()
    assert "1 meshes written, 0 already there, 1 failed" in captured.out
    assert "FAILED broken" in captured.err and "Traceback" not in captured.err
    assert [path.name for path in meshes.iterdir()] == ["good.ply"]

    (clouds / "broken.ply").unlink()
    before = (meshes / "good.ply").stat().st_mtime_ns
    assert script.main(command) == 0
    assert "0 meshes written, 1 already there" in capsys.readouterr().out
    assert (meshes / "good.ply").stat().st_mtime_ns == before
    assert script.main([*command, "--overwrite", "--jobs", "2"]) == 0
    assert (meshes / "good.ply").stat().st_mtime_ns > before


def test_normals_that_point_inwards_are_turned_and_said(tmp_path, capfd):
    """A cloud of another program, its normals into the body: the same mesh, and a note."""
    cloud, meshes = ball_cloud(3000), tmp_path / "run" / "output_objs"
    write_cloud(tmp_path / "run" / "output_plys_c" / "right.ply", cloud)
    write_cloud(tmp_path / "run" / "output_plys_c" / "wrong.ply", replace(cloud, normals=-cloud.normals))
    command = ["--save_path", str(tmp_path), "--save_name", "run", "--depth", "5", "--format", "ply"]
    assert script.main(command) == 0
    said = capfd.readouterr().err
    assert "wrong.ply: its normals point inwards and are turned" in said and "right.ply" not in said
    right, wrong = (read_mesh(meshes / f"{name}.ply").signed_volume() for name in ("right", "wrong"))
    assert wrong == pytest.approx(right, rel=1e-3) and right > 0


def test_script_names_a_missing_or_empty_folder(tmp_path, capsys):
    command = ["--save_path", str(tmp_path), "--save_name", "run"]
    assert script.main(command) == 2
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "run" / "output_plys_c").mkdir(parents=True)
    assert script.main(command) == 2
    assert "no .ply files" in capsys.readouterr().err
