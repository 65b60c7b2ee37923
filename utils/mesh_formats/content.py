"""What a mesh file says: triangles, and every color that it has for them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError

LONGEST_NAME = 63
"""Letters, of four bytes each, of a file's name on every system."""
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Texture:
    """A picture that a mesh file names or holds; decoded by who needs it."""

    name: str  # for messages
    source: Path | bytes
    factor: Rgb = (1.0, 1.0, 1.0)  # linear light, multiplies the picture


@dataclass(frozen=True)
class SurfaceMaterial:
    """The color of a surface. A texture counts only where triangles have texture coordinates."""

    rgb: Rgb | None = None  # sRGB in [0, 1]; None where the file does not say
    texture: Texture | None = None


@dataclass(frozen=True)
class MeshContent:
    """A mesh file, polygons cut into triangles. Indices are inside their arrays; places may be NaN or infinite."""

    mesh: Mesh  # vertices float64, faces int64, no colors
    vertex_rgb: np.ndarray | None = None  # (V, 3) uint8 or float sRGB in [0, 1]; rows of NaN have none
    corner_rgb: np.ndarray | None = None  # (F, 3, 3) the same, per corner of every triangle
    uv: np.ndarray | None = None  # (F, 3, 2) float32, v upwards; NaN where a triangle has none
    material: np.ndarray | None = None  # (F,) int64 index into `materials`; None: the first one everywhere
    materials: Sequence[SurfaceMaterial] = field(default_factory=lambda: (SurfaceMaterial(),))
    notes: tuple[str, ...] = ()  # what of the geometry is left out, one line each
    color_notes: tuple[str, ...] = ()  # which colors are missing or not used, one line each


def fan(polygons: np.ndarray) -> np.ndarray:
    """(n, k, ...) values at the corners of polygons -> (n (k - 2), 3, ...) of triangles around the first corner."""
    corners = np.array([[0, k, k + 1] for k in range(1, polygons.shape[1] - 1)])
    return polygons[:, corners].reshape(-1, 3, *polygons.shape[2:])


def check_indices(path: Path, faces: np.ndarray, vertices: int) -> None:
    """Faces of any shape must name vertices 0 to vertices - 1.

    Raises:
        InputError: one does not.
    """
    wrong = faces[(faces < 0) | (faces >= vertices)]
    if wrong.size:
        raise InputError(f"{path}: a face names vertex {wrong.flat[0]}, expected 0 to {vertices - 1}")


def parse_numbers(text: bytes, dtype: type[np.number] = np.float64) -> np.ndarray:
    """(N,) all numbers of a text, floats or whole ones; none, or fewer than it has words, when a word is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return np.fromstring(text, dtype=dtype, sep=" ")
    except ValueError:
        return np.empty(0, dtype)


def unit_rgb(values: np.ndarray) -> np.ndarray:
    """Colors of any number type as uint8 or as floats in [0, 1].

    Bytes stay what they are; other integers are divided by their largest value, or by 255 when they are signed or none
    is larger; floats stay what they are, or are divided by 255 when one is larger than 1.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "u" and values.size and values.max() > 255:
        return values / np.iinfo(values.dtype).max
    floats = np.nan_to_num(values.astype(np.float64))
    top = 255.0 if values.dtype.kind in "iu" or (floats.size and floats.max() > 1) else 1.0
    return np.clip(floats / top, 0, 1)


def beside(folder: Path, name: str) -> Path:
    """A file that a mesh file in a folder names: there, in any case of its letters, or by its last name alone.

    Paths of another machine (C:\\Users\\...) lead nowhere; the file then lies beside the mesh.
    """
    parts = PureWindowsPath(name)  # takes both kinds of slashes
    try:
        for wanted in (folder / name.replace("\\", "/"), folder / parts.name):
            if wanted.is_file():
                return wanted
            if wanted.parent.is_dir():
                lower = wanted.name.lower()
                for other in sorted(entry for entry in os.listdir(wanted.parent) if entry.lower() == lower):
                    if (wanted.parent / other).is_file():
                        return wanted.parent / other
    except OSError:  # a name that is too long for any file, a folder that nobody may read
        return folder / parts.name[:LONGEST_NAME]
    return folder / parts.name
