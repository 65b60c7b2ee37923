"""Colored, oriented point clouds as binary PLY files."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from geometry.point_cloud import PointCloud
from utils.errors import InputError
from utils.files import atomic_path

POSITION, NORMAL, COLOR = ("x", "y", "z"), ("nx", "ny", "nz"), ("red", "green", "blue")
NUMPY_OF_PLY = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
PLY_OF_NUMPY = {"f4": "float", "u1": "uchar", "i4": "int"}
BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
LONGEST_HEADER = 200  # lines


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
    kinds = [(name, PLY_OF_NUMPY[table.dtype[name].str[1:]]) for name in table.dtype.names]
    return "\n".join([f"element vertex {len(table)}", *(f"property {kind} {name}" for name, kind in kinds), ""])


def write_cloud(path: Path | str, cloud: PointCloud) -> None:
    """Write a cloud atomically: float x y z nx ny nz, uchar red green blue."""
    table = vertex_table((POSITION, "f4", cloud.points), (NORMAL, "f4", cloud.normals), (COLOR, "u1", cloud.colors))
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(f"ply\nformat binary_little_endian 1.0\n{vertex_header(table)}end_header\n".encode())
        file.write(table)


def read_cloud(path: Path | str) -> PointCloud:
    """Read a cloud with normals and 8-bit colors, binary or ASCII; further properties and elements are ignored.

    Raises:
        InputError: the file is missing, not a PLY, truncated, lacks a property, is empty, or holds a value that is
            not finite.
    """
    try:
        with open(path, "rb") as file:
            encoding, count, dtype = _read_header(path, file)
            table = _read_table(path, file, encoding, count, dtype)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a PLY point cloud") from error
    points, normals, colors = (np.stack([table[name] for name in names], 1) for names in (POSITION, NORMAL, COLOR))
    for what, values in (("point", points), ("normal", normals)):
        broken = ~np.isfinite(values).all(axis=1)
        if broken.any():
            raise InputError(f"{path}: {broken.sum()} of {count} {what}s are not finite, expected numbers")
    return PointCloud(points.astype(np.float64), normals.astype(np.float32), colors)


def _read_header(path: Path | str, file: BinaryIO) -> tuple[str, int, np.dtype]:
    """Encoding, number and type of the vertices; the file is left at its first vertex."""
    lines = []
    while not lines or lines[-1] != "end_header":
        line = file.readline(1000)
        lines.append(line.decode("ascii", "replace").strip())
        if not line or lines[0] != "ply" or len(lines) > LONGEST_HEADER:
            raise InputError(f"{path}: no PLY header, expected a PLY point cloud")
    words = [line.split() for line in lines if line]
    encoding = next((word[1] for word in words if word[0] == "format" and len(word) == 3), "none")
    elements = [index for index, word in enumerate(words) if word[0] == "element"] + [len(words)]
    vertex = words[elements[0]] if len(elements) > 1 else []
    if encoding not in BYTE_ORDERS or vertex[1:2] != ["vertex"] or len(vertex) != 3 or not vertex[2].isdigit():
        raise InputError(f"{path}: PLY of format {encoding} with first element {vertex}, expected vertices first")
    properties = [word[1:] for word in words[elements[0] : elements[1]] if word[0] == "property"]
    if any(len(entry) != 2 or entry[0] not in NUMPY_OF_PLY for entry in properties):
        raise InputError(f"{path}: vertex properties {properties}, expected numbers")
    kinds = {name: NUMPY_OF_PLY[kind] for kind, name in properties}
    missing = [name for name in POSITION + NORMAL + COLOR if name not in kinds]
    if missing:
        raise InputError(f"{path}: vertices without {' '.join(missing)}, expected points with normals and colors")
    if {kinds[name] for name in COLOR} != {"u1"}:
        raise InputError(f"{path}: colors of type {kinds['red']}, expected uchar")
    if vertex[2] == "0":
        raise InputError(f"{path}: no points, expected a point cloud")
    return encoding, int(vertex[2]), np.dtype([(name, BYTE_ORDERS[encoding] + kind) for name, kind in kinds.items()])


def _read_table(path: Path | str, file: BinaryIO, encoding: str, count: int, dtype: np.dtype) -> np.ndarray:
    if encoding == "ascii":
        try:
            lines = list(islice(file, count))
            table = np.loadtxt(lines, dtype=dtype, ndmin=1) if lines else np.empty(0, dtype)
        except ValueError as error:
            raise InputError(f"{path}: broken ASCII PLY ({error}), expected {count} vertices") from error
    else:
        table = np.frombuffer(file.read(count * dtype.itemsize), np.uint8)
        table = table[: len(table) // dtype.itemsize * dtype.itemsize].view(dtype)
    if len(table) != count:
        raise InputError(f"{path}: {len(table)} vertices, expected the {count} of its header: is it cut short?")
    return table
