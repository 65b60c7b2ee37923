"""Headers of PLY files: which elements follow, how many rows they have and what is in a row."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from utils.errors import InputError

NUMPY_OF_PLY = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
LONGEST_HEADER = 100_000
"""[bytes] Headers end long before."""


@dataclass(frozen=True)
class PlyProperty:
    """One value, or one list of values, of every row of an element."""

    name: str
    kind: str  # numpy type of the values
    length_kind: str | None = None  # numpy type of a list's length; None: one value a row


@dataclass(frozen=True)
class PlyElement:
    """What the header says about one table."""

    name: str
    count: int
    properties: tuple[PlyProperty, ...]


@dataclass(frozen=True)
class PlyHeader:
    """What a PLY file says before its numbers."""

    encoding: str  # one of BYTE_ORDERS
    elements: tuple[PlyElement, ...]
    comments: tuple[str, ...]
    size: int  # [bytes]


def read_header(path: Path, data: bytes) -> PlyHeader:
    """What comes before the values.

    Raises:
        InputError: no PLY header, or one that makes no sense.
    """
    start = re.match(rb"ply[ \t]*(\r\n|\n|\r)", data)
    end = start and re.compile(rb"(?<=[\r\n])end_header[ \t]*(" + start[1] + rb"|$)").search(data, 0, LONGEST_HEADER)
    if not start or not end:
        raise InputError(f"{path}: cannot be read: no PLY header, expected a PLY file")
    encoding, comments, elements = "none", [], list[PlyElement]()
    for line in data[start.end() : end.start()].decode("latin1").splitlines():
        match line.split():
            case ["format", name, _]:
                encoding = name
            case ["comment", *_]:
                comments.append(line.strip().partition(" ")[2].strip())
            case ["element", name, count] if re.fullmatch(r"[0-9]{1,15}", count):
                elements.append(PlyElement(name, int(count), ()))
            case ["property", *words] if elements:
                last = elements.pop()
                elements.append(replace(last, properties=(*last.properties, _property(path, words))))
            case ["element" | "property", *_]:
                raise InputError(f"{path}: header line '{line.strip()[:80]}' makes no sense, expected a PLY file")
    if encoding not in BYTE_ORDERS:
        raise InputError(f"{path}: PLY of format {encoding[:40]}, expected {', '.join(BYTE_ORDERS)}")
    for names in ([one.name for one in elements], *([one.name for one in element.properties] for element in elements)):
        if len(set(names)) < len(names):
            raise InputError(f"{path}: a name stands twice among {', '.join(names)[:80]}, expected a PLY file")
    return PlyHeader(encoding, tuple(elements), tuple(comments), end.end())


def texture_names(header: PlyHeader) -> list[str]:
    """The pictures that comments name, as MeshLab writes them."""
    return [line.split(maxsplit=1)[1] for line in header.comments if line.lower().startswith("texturefile ")]


def _property(path: Path, words: list[str]) -> PlyProperty:
    match [*words[:-1], words[-1].lower() if words else ""]:
        case [kind, name] if kind in NUMPY_OF_PLY:
            return PlyProperty(name, NUMPY_OF_PLY[kind])
        case ["list", length, kind, name] if {length, kind} <= set(NUMPY_OF_PLY) and NUMPY_OF_PLY[length][0] in "iu":
            return PlyProperty(name, NUMPY_OF_PLY[kind], NUMPY_OF_PLY[length])
    raise InputError(f"{path}: property {' '.join(words)[:80]}, expected a number or a list of numbers")
