"""Colored, oriented point clouds as binary PLY files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geometry.mesh import are_places, unit
from geometry.point_cloud import PointCloud
from utils.atomic_file import atomic_path
from utils.errors import InputError
from utils.files import read_bytes
from utils.mesh_formats.ply_file import PlyTable, read_ply
from utils.mesh_formats.ply_mesh import colors_of

POSITION, NORMAL, COLOR = ("x", "y", "z"), ("nx", "ny", "nz"), ("red", "green", "blue")
PLY_OF_NUMPY = {"f4": "float", "u1": "uchar", "i4": "int"}
NORMAL_TOLERANCE = 1e-2


def vertex_table(*columns: tuple[tuple[str, ...], str, np.ndarray]) -> np.ndarray:
    """Arrays (N, len(names)) side by side as one structured array, the way PLY stores vertices.

    Args:
        columns: (names, numpy type, values) each.
    """
    table = np.empty(len(columns[0][2]), [(name, "<" + kind) for names, kind, _ in columns for name in names])
    for names, _, values in columns:
        for name, column in zip(names, values.T, strict=True):
            table[name] = column
    return table


def vertex_header(table: np.ndarray) -> str:
    """The PLY header lines of a vertex table."""
    kinds = [(name, PLY_OF_NUMPY[table.dtype[name].str[1:]]) for name in table.dtype.names or ()]
    return "\n".join([f"element vertex {len(table)}", *(f"property {kind} {name}" for name, kind in kinds), ""])


def write_cloud(path: Path | str, cloud: PointCloud) -> None:
    """Write a cloud atomically: float x y z nx ny nz, uchar red green blue."""
    table = vertex_table((POSITION, "f4", cloud.points), (NORMAL, "f4", cloud.normals), (COLOR, "u1", cloud.colors))
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(f"ply\nformat binary_little_endian 1.0\n{vertex_header(table)}end_header\n".encode())
        file.write(table.data)


def read_cloud(path: Path | str) -> PointCloud:
    """Read a cloud with normals and colors, binary or ASCII; further properties and elements are ignored.

    Colors are bytes, or floats in [0, 1]; normals of any length are made unit.

    Raises:
        InputError: the file is missing, not a PLY, truncated, lacks a property, is empty, holds a value that is not
            finite, or has normals of length 0 only.
    """
    path = Path(path)
    _, tables = read_ply(path, read_bytes(path, "a PLY point cloud"))
    vertex = tables.get("vertex", PlyTable(0, {}, {}))
    colors = colors_of(vertex)
    missing = [name for name in POSITION + NORMAL if name not in vertex.values]
    if missing or colors is None:
        missing += [] if colors is not None else COLOR
        raise InputError(f"{path}: vertices without {' '.join(missing)}, expected points with normals and colors")
    if not vertex.count:
        raise InputError(f"{path}: no points, expected a point cloud")
    points, normals = (vertex.columns(names) for names in (POSITION, NORMAL))
    for what, values in (("point", points), ("normal", normals)):
        broken = ~are_places(values)
        if broken.any():
            raise InputError(
                f"{path}: {broken.sum()} of {len(values)} {what}s are not finite or absurdly large, expected numbers"
            )
    if colors.dtype != np.uint8:
        colors = np.rint(colors * 255).astype(np.uint8)
    return PointCloud(points.astype(np.float64), _unit_normals(path, normals), colors)


def _unit_normals(path: Path, normals: np.ndarray) -> np.ndarray:
    """(N, 3) float32; what is unit already stays as it is to the bit."""
    normals = normals.astype(np.float32)
    length = np.linalg.norm(normals, axis=1)
    if not length.any():
        raise InputError(
            f"{path}: all {len(normals)} normals are 0, expected directions out of the surface: "
            "compute them first (MeshLab: Compute normals for point sets)"
        )
    return normals if (np.abs(length - 1) < NORMAL_TOLERANCE).all() else unit(normals)
