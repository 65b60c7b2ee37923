"""Triangle meshes from OBJ, PLY and GLB files: geometry only, checked."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import InputError

MESH_SUFFIXES = (".obj", ".ply", ".glb")


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh."""

    vertices: np.ndarray  # (V, 3) float64, finite
    faces: np.ndarray  # (F, 3) int64, counter-clockwise seen from outside

    @property
    def corners(self) -> np.ndarray:
        """(F, 3, 3) float64: the three vertices of every face."""
        return self.vertices[self.faces]

    def corners_of(self, faces: np.ndarray) -> np.ndarray:
        """(N, 3, 3) float64: the vertices of chosen faces."""
        return self.vertices[self.faces[faces]]

    @property
    def height(self) -> float:
        """Extent along Y of the vertices that faces use."""
        return float(np.ptp(self.vertices[self.faces.ravel(), 1]))

    def moved(self, vertices: np.ndarray) -> Mesh:
        """The same faces on other vertices."""
        return Mesh(np.asarray(vertices, dtype=np.float64), self.faces)


def read_mesh(path: Path | str) -> Mesh:
    """Read a mesh's vertices and faces; colours and textures are not read, polygons become fans of triangles.

    Raises:
        InputError: the file is missing, broken or of another kind; it has no faces, a face that points nowhere, a
            coordinate that is not finite, or no area.
    """
    path = Path(path)
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise InputError(f"{path}: is not a mesh, expected {', '.join(MESH_SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a mesh")
    vertices, faces = _read_obj(path) if path.suffix.lower() == ".obj" else _read_with_open3d(path)
    if len(vertices) == 0 or len(faces) == 0:
        raise InputError(f"{path}: {len(vertices)} vertices and {len(faces)} faces, expected a mesh with faces")
    broken = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if len(broken):
        raise InputError(
            f"{path}: {len(broken)} of {len(vertices)} vertices are not finite (the first is vertex {broken[0] + 1}), "
            "expected finite coordinates"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names a vertex outside 1 to {len(vertices)}")
    return Mesh(vertices, faces)


def _read_with_open3d(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import open3d as o3d  # takes a second to import, and OBJ files do without

    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh = o3d.io.read_triangle_mesh(str(path), enable_post_processing=False)
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.triangles, dtype=np.int64)
    if len(vertices) == 0:
        raise InputError(f"{path}: cannot be read as a mesh, expected vertices and faces")
    return vertices, faces


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    lines = path.read_bytes().replace(b"\\\n", b" ").splitlines()
    vertex_lines = [line[2:] for line in lines if line.startswith((b"v ", b"v\t"))]
    face_lines = [line[2:] for line in lines if line.startswith((b"f ", b"f\t"))]
    if not vertex_lines or not face_lines:
        raise InputError(
            f"{path}: {len(vertex_lines)} vertices and {len(face_lines)} faces, expected a mesh with faces"
        )
    vertices = _numbers(vertex_lines, path)[:, :3]
    if any(line.lstrip()[:1] == b"-" for line in face_lines[:1]) or b" -" in b"\n".join(face_lines):
        return vertices, _relative_faces(lines, path)
    indices = re.sub(rb"/\S*", b"", b"\n".join(face_lines)).split(b"\n")
    return vertices, _fans(indices, path) - 1


def _parse(text: bytes, dtype: type) -> np.ndarray:
    """White-separated numbers; raises ValueError at anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=dtype, sep=" ")
        except DeprecationWarning as error:
            raise ValueError(str(error)) from error


def _numbers(lines: list[bytes], path: Path) -> np.ndarray:
    """(lines, 3 or more) float64: x, y, z and whatever follows; a file may mix lines with and without colours."""
    try:
        flat = _parse(b"\n".join(lines), np.float64)
        width = len(flat) // len(lines)
        if width >= 3 and len(flat) == width * len(lines) and len(lines[0].split()) == width:
            return flat.reshape(len(lines), width)
        return np.array([[float(word) for word in line.split()[:3]] for line in lines])
    except ValueError as error:
        raise InputError(f"{path}: a vertex line cannot be read ({error}), expected three numbers") from error


def _fans(lines: list[bytes], path: Path) -> np.ndarray:
    """(F, 3) int64 from lines of three or more indices: polygons are cut into fans around their first corner."""
    try:
        flat = _parse(b"\n".join(lines), np.int64)
        corners = np.array([len(line.split()) for line in lines])
    except ValueError as error:
        raise InputError(f"{path}: a face line cannot be read ({error}), expected vertex indices") from error
    if corners.min() < 3 or corners.sum() != len(flat):
        raise InputError(f"{path}: a face has {corners.min()} corners, expected at least 3")
    if corners.max() == 3:
        return flat.reshape(-1, 3)
    starts = np.concatenate([[0], np.cumsum(corners)[:-1]])
    fans = []
    for second in range(1, corners.max() - 1):
        first = starts[corners > second + 1]
        fans.append(np.stack([flat[first], flat[first + second], flat[first + second + 1]], axis=1))
    return np.concatenate(fans)


def _relative_faces(lines: list[bytes], path: Path) -> np.ndarray:
    """Faces whose negative indices count back from the vertices read so far."""
    known, absolute = 0, []
    try:
        for line in lines:
            if line.startswith((b"v ", b"v\t")):
                known += 1
            elif line.startswith((b"f ", b"f\t")):
                indices = [int(word.split(b"/")[0]) for word in line[2:].split()]
                absolute.append(b" ".join(b"%d" % (i if i > 0 else known + i + 1) for i in indices))
    except ValueError as error:
        raise InputError(f"{path}: a face line cannot be read ({error}), expected vertex indices") from error
    return _fans(absolute, path) - 1
