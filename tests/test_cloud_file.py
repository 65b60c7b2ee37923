"""Point clouds survive their PLY file; files of other programs are read, broken ones are named."""

import numpy as np
import pytest

from geometry.point_cloud import PointCloud
from utils.errors import InputError
from utils.ply import read_cloud, write_cloud


@pytest.fixture
def cloud() -> PointCloud:
    """A thousand points of a ball, with its normals and random colors."""
    random = np.random.default_rng(0)
    normals = random.normal(size=(1000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colors = random.integers(0, 256, (1000, 3), dtype=np.uint8)
    return PointCloud(0.15 * normals + [0.1, -0.05, 0.1], normals.astype(np.float32), colors)


def test_cloud_survives_its_file(cloud, tmp_path):
    write_cloud(tmp_path / "new" / "a.ply", cloud)
    again = read_cloud(tmp_path / "new" / "a.ply")
    np.testing.assert_allclose(again.points, cloud.points, atol=1e-7)
    np.testing.assert_array_equal(again.normals, cloud.normals)
    np.testing.assert_array_equal(again.colors, cloud.colors)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.ply"]


ASCII_HEADER = """ply
format ascii 1.0
comment by hand
element vertex 2
property double x
property double y
property double z
property float nx
property float ny
property float nz
property uchar red
property uchar green
property uchar blue
end_header
"""
ASCII_ROWS = "0 0 1 0 0 1 255 0 7\n0.5 0 1 0 1 0 1 2 3\n"


def test_ascii_cloud_is_read(tmp_path):
    path = tmp_path / "a.ply"
    path.write_text(ASCII_HEADER + ASCII_ROWS)
    cloud = read_cloud(path)
    assert cloud.points.tolist() == [[0, 0, 1], [0.5, 0, 1]]
    assert cloud.colors.tolist() == [[255, 0, 7], [1, 2, 3]]


def test_colors_may_be_fractions_and_normals_of_any_length(tmp_path):
    path = tmp_path / "a.ply"
    path.write_text(ASCII_HEADER.replace("uchar", "float") + "0 0 1 0 0 20 1 0.5 0\n0.5 0 1 0 3 4 0 0 0.2\n")
    cloud = read_cloud(path)
    assert cloud.colors.tolist() == [[255, 128, 0], [0, 0, 51]]
    np.testing.assert_allclose(cloud.normals, [[0, 0, 1], [0, 0.6, 0.8]])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no PLY header"),
        ("solid\n", "no PLY header"),
        (ASCII_HEADER.replace("end_header\n", ""), "no PLY header"),
        (ASCII_HEADER, "expected the 2 of its header|broken ASCII"),
        (ASCII_HEADER + ASCII_ROWS[:30], "broken ASCII PLY|expected the 2"),
        (ASCII_HEADER + ASCII_ROWS.replace("0.5", "nan"), "1 of 2 points are not finite"),
        (ASCII_HEADER.replace("vertex 2", "vertex 0"), "no points"),
        (ASCII_HEADER.replace("property float nx\n", "") + "0 0 1 0 1 255 0 7\n" * 2, "without nx"),
        (ASCII_HEADER + "0 0 1 0 0 0 255 0 7\n" * 2, "all 2 normals are 0"),
        (ASCII_HEADER + ASCII_ROWS + "7 7 7\n", "3 numbers too many"),
        (ASCII_HEADER + ASCII_ROWS.replace("255", "256"), "256 where the header says u1"),
        (ASCII_HEADER.replace("ascii", "base64"), "format base64"),
        (ASCII_HEADER.replace("ascii", "binary_little_endian") + "short", "0 vertices, expected the 2"),
    ],
)
def test_broken_clouds_are_named(text, complaint, tmp_path):
    path = tmp_path / "broken.ply"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as raised:
        read_cloud(path)
    assert str(path) in str(raised.value)


def test_truncated_and_missing_clouds_are_named(cloud, tmp_path):
    path = tmp_path / "cut.ply"
    write_cloud(path, cloud)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="is it cut short"):
        read_cloud(path)
    with pytest.raises(InputError, match="no such file"):
        read_cloud(tmp_path / "missing.ply")
