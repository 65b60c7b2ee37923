"""OFF files: OFF, COFF, NOFF, STOFF and their mixtures, in text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from geometry.mesh import Mesh
from utils.errors import InputError
from utils.mesh_formats.content import MeshContent, check_indices, fan, parse_numbers, unit_rgb

HEADER = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF(?![A-Za-z])")


def read_off(path: Path) -> MeshContent:
    """Read a mesh.

    Raises:
        InputError: no OFF in text, not as many vertices and faces as it counts, or a face that names no vertex.
    """
    text = re.sub(rb"#[^\r\n]*", b"", path.read_bytes())
    start = HEADER.match(text)
    if not start or start[4] or start[5] or b"BINARY" in text[: start.end() + 20]:
        raise InputError(f"{path}: cannot be read, expected a mesh in OFF, COFF, NOFF or STOFF and in text")
    lines = [line for line in (line.strip() for line in text[start.end() :].splitlines()) if line]
    counts = lines[0].split() if lines else []
    if len(counts) < 2 or not all(re.fullmatch(rb"[0-9]{1,15}", word) for word in counts):
        raise InputError(f"{path}: counts '{b' '.join(counts[:4]).decode('latin1')}', expected vertices, faces, edges")
    vertices, faces = int(counts[0]), int(counts[1])
    if len(lines) != 1 + vertices + faces:
        raise InputError(
            f"{path}: {len(lines) - 1} lines of vertices and faces, expected the {vertices} + {faces} of its header: "
            "is it cut short?"
        )
    if not vertices or not faces:
        raise InputError(f"{path}: {vertices} vertices and {faces} faces, expected a mesh with faces")
    table = _vertex_table(path, lines[1 : 1 + vertices])
    color_at = 3 + (3 if start[3] else 0)
    colored = table.shape[1] - color_at - (2 if start[1] else 0) in (3, 4)
    triangles, corner_rgb = _triangles(path, lines[1 + vertices :], vertices)
    rgb = unit_rgb(_whole(table[:, color_at : color_at + 3])) if colored else None
    uv = table[:, -2:].astype(np.float32)[triangles] if start[1] else None
    return MeshContent(Mesh(table[:, :3].copy(), triangles), rgb, corner_rgb, uv)


def _whole(colors: np.ndarray) -> np.ndarray:
    """Colors as integers when all of them are; (1, 0, 0) may mean either, and is a fraction then."""
    return colors.astype(np.int64) if (colors == np.rint(colors)).all() and colors.max(initial=0) > 1 else colors


def _vertex_table(path: Path, lines: list[bytes]) -> np.ndarray:
    """(V, width) float64."""
    width = len(lines[0].split())
    numbers = parse_numbers(b" ".join(lines))
    if width < 3 or numbers.size != width * len(lines):
        raise InputError(f"{path}: {len(lines)} lines of vertices that are not {max(width, 3)} numbers each")
    return numbers.reshape(len(lines), width)


def _triangles(path: Path, lines: list[bytes], vertices: int) -> tuple[np.ndarray, np.ndarray | None]:
    """(F, 3) int64, and (F, 3, 3) colors of corners when every face has a color."""
    words = np.array([len(line.split()) for line in lines])
    triangles, colors, order = [], [], []
    for count in np.unique(words):
        chosen = np.flatnonzero(words == count)
        numbers = parse_numbers(b" ".join(lines[row] for row in chosen))
        if numbers.size != count * len(chosen):
            raise InputError(f"{path}: face line '{_shown(lines[chosen[0]])}' or one like it is not made of numbers")
        numbers = numbers.reshape(len(chosen), count)
        for corners in np.unique(numbers[:, 0]):
            rows = np.isnan(numbers[:, 0]) if np.isnan(corners) else numbers[:, 0] == corners
            if not 3 <= corners <= count - 1 or corners != int(corners):
                raise InputError(
                    f"{path}: face line '{_shown(lines[chosen[rows][0]])}', expected a number of corners, 3 or more, "
                    "and as many vertices"
                )
            k = int(corners)
            named = numbers[rows, 1 : 1 + k]
            if not (np.abs(named) < 2**53).all() or (named != np.rint(named)).any():
                raise InputError(f"{path}: face line '{_shown(lines[chosen[rows][0]])}', expected whole numbers")
            check_indices(path, named.astype(np.int64), vertices)
            triangles.append(fan(named.astype(np.int64)))
            rgb = numbers[rows, 1 + k : 4 + k] if count - 1 - k in (3, 4) else np.full((len(named), 3), np.nan)
            colors.append(np.repeat(rgb, k - 2, axis=0))
            order.append(np.repeat(chosen[rows], k - 2))
    place = np.argsort(np.concatenate(order), kind="stable")
    rgb = np.concatenate(colors)[place]
    corner_rgb = None if np.isnan(rgb).any() else np.repeat(unit_rgb(_whole(rgb))[:, None], 3, axis=1)
    return np.concatenate(triangles)[place], corner_rgb


def _shown(line: bytes) -> str:
    return line[:60].decode("latin1")
