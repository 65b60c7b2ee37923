"""STL files, binary and ASCII: triangles without colors; corners at the same place become one vertex."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_formats.content import MeshContent, parse_numbers

HEADER_SIZE, FACET_SIZE = 84, 50
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(path: Path) -> MeshContent:
    """Read a mesh. A file is binary when its size is that of as many facets as it counts, whatever it begins with.

    Raises:
        InputError: no STL, no facets, or not as many as it says.
    """
    data = path.read_bytes()
    counted = int.from_bytes(data[80:84], "little") if len(data) >= HEADER_SIZE else -1
    if counted >= 0 and len(data) == HEADER_SIZE + FACET_SIZE * counted:
        facets = np.frombuffer(data, FACET, offset=HEADER_SIZE)
        corners, colored = facets["corners"].astype(np.float64), bool(facets["attribute"].any())
    elif re.match(rb"\s*solid\b", data) and b"\0" not in data:
        corners, colored = _ascii_corners(path, data), False
    else:
        inside = max(len(data) - HEADER_SIZE, 0) / FACET_SIZE
        raise InputError(
            f"{path}: cannot be read: {inside:g} facets, expected the {max(counted, 0)} of its header: is it cut short?"
        )
    if not len(corners):
        raise InputError(f"{path}: 0 facets, expected a mesh with faces")
    vertices, faces = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    unused = (f"{path}: the attributes of its facets, which may be colors, are not used",) if colored else ()
    return MeshContent(Mesh(vertices, faces.reshape(-1, 3).astype(np.int64)), color_notes=unused)


def _ascii_corners(path: Path, text: bytes) -> np.ndarray:
    """(F, 3, 3) float64."""
    unnamed = re.sub(rb"(?m)^\s*(solid|endsolid)\b.*$", rb" \1 ", text.lower())
    words = unnamed.split()
    facets = words.count(b"facet")
    corners = parse_numbers(b" ".join(re.findall(rb"\bvertex\s+(\S+\s+\S+\s+\S+)", unnamed)))
    solids = words.count(b"solid")
    if words.count(b"endfacet") != facets or words.count(b"endsolid") != solids or corners.size != 9 * facets:
        raise InputError(
            f"{path}: cannot be read: {words.count(b'endfacet')} whole facets in {words.count(b'endsolid')} whole "
            f"solids and {corners.size / 3:g} corners, expected {facets} in {solids} and {3 * facets}: is it cut short?"
        )
    return corners.reshape(-1, 3, 3)
