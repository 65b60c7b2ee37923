"""Closed forms of the triangle mesh."""

import numpy as np
import pytest

from geometry.mesh import Mesh

CUBE_CORNERS = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4],
     [1, 5, 7], [1, 7, 3]]
)  # fmt: skip
CUBE = Mesh(CUBE_CORNERS, CUBE_FACES)


def test_cube_has_its_area_volume_and_normals():
    assert CUBE.areas().sum() == pytest.approx(6) and CUBE.signed_volume() == pytest.approx(1)
    assert Mesh(CUBE_CORNERS, CUBE_FACES[:, ::-1]).signed_volume() == pytest.approx(-1)
    outwards = CUBE.corners.mean(1) - 0.5
    assert ((CUBE.face_normals() * outwards).sum(1) > 0.4).all()
    np.testing.assert_allclose(np.linalg.norm(CUBE.vertex_normals(), axis=1), 1)
    assert ((CUBE.vertex_normals() * (CUBE_CORNERS - 0.5)).sum(1) > 0.5).all()


def test_vertex_normal_weighs_faces_by_area():
    """A large face in the XY plane and a small one in the XZ plane meet at the origin: areas 8 and 0.5."""
    vertices = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 1], [1, 0, 0]])
    mesh = Mesh(vertices, np.array([[0, 1, 2], [0, 3, 4]]))
    np.testing.assert_allclose(mesh.areas(), [8, 0.5])
    np.testing.assert_allclose(mesh.vertex_normals()[0], np.array([0, 0.5, 8]) / np.hypot(0.5, 8))


def test_normals_are_zero_where_there_is_no_surface():
    """A face without area, a vertex without faces, two faces back to back."""
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]])
    mesh = Mesh(vertices, np.array([[0, 0, 1], [0, 1, 2], [0, 2, 1]]))
    np.testing.assert_array_equal(mesh.face_normals()[0], 0)
    np.testing.assert_array_equal(mesh.vertex_normals(), np.zeros((4, 3)))
    assert mesh.vertex_normals().dtype == np.float32


def test_largest_component_keeps_its_vertices_colors_and_order():
    triangle = np.array([[50.0, 0, 0], [51, 0, 0], [50, 1, 0]])
    both = Mesh(
        np.concatenate([triangle, CUBE_CORNERS]),
        np.concatenate([CUBE_FACES + 3, [[0, 1, 2]]]),
        np.arange(33, dtype=np.uint8).reshape(11, 3),
    )
    largest = both.largest_component()
    np.testing.assert_array_equal(largest.corners, CUBE.corners)
    np.testing.assert_array_equal(largest.colors, both.colors[3:])


def test_points_are_spread_by_area():
    """Three quarters of the area of two faces get three quarters of the points; they lie inside their faces."""
    vertices = np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0], [0, 0, 1], [0, 1, 1], [2, 0, 1]])
    mesh = Mesh(vertices, np.array([[0, 1, 2], [3, 4, 5]]))
    samples = mesh.sample(4000, seed=0)
    assert (samples.faces == 0).sum() == 3000
    np.testing.assert_allclose(samples.points[:, 2], samples.faces, atol=1e-12)
    np.testing.assert_allclose(samples.points[samples.faces == 0].mean(0), [1, 2 / 3, 0], atol=0.05)
    with pytest.raises(ValueError, match="no area"):
        Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])).sample(10, seed=0)
