"""PLY files of any kind: ASCII and both byte orders, any elements, numbers and lists of numbers.

Our own reader: plyfile is GPL, and Open3D's (RPly) takes a file that is cut short for a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.mesh_formats.content import parse_numbers
from utils.mesh_formats.ply_header import BYTE_ORDERS, PlyElement, PlyHeader, read_header


@dataclass(frozen=True)
class PlyList:
    """Lists of different lengths, one a row."""

    lengths: np.ndarray  # (N,) int64
    values: np.ndarray  # (sum of lengths,)

    def of_length(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """(M,) rows whose list is so long, and (M, length) their values."""
        rows = np.flatnonzero(self.lengths == length)
        starts = (np.cumsum(self.lengths) - self.lengths)[rows]
        return rows, self.values[starts[:, None] + np.arange(length)]


@dataclass(frozen=True)
class PlyTable:
    """The rows of one element."""

    count: int
    values: dict[str, np.ndarray]  # (N,) each
    lists: dict[str, PlyList]

    def columns(self, names: tuple[str, ...]) -> np.ndarray:
        """(N, len(names)) values side by side."""
        return np.stack([self.values[name] for name in names], axis=1)

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether all these properties are in the element."""
        return all(name in self.values for name in names)


def read_ply(path: Path, data: bytes) -> tuple[PlyHeader, dict[str, PlyTable]]:
    """All tables of a file, by the names of their elements.

    Args:
        path: its name in errors.
        data: its content.

    Raises:
        InputError: no PLY, or the header does not agree with what follows it.
    """
    header = read_header(path, data)
    body: _Body = _AsciiBody(path, data[header.size :]) if header.encoding == "ascii" else _BinaryBody(data, header)
    tables = {element.name: _read_table(path, body, element) for element in header.elements}
    if body.left and body.rest().strip(b"\0 \t\r\n"):
        raise InputError(f"{path}: {body.left} {body.unit} too many, expected the rows that its header counts")
    return header, tables


class _CutShort(Exception):
    """The body ends after so many rows of an element."""


class _Body:
    """The values after the header, in units: bytes of a binary file, numbers of an ASCII file."""

    unit: str

    def __init__(self, units: np.ndarray) -> None:
        self.units, self.at = units, 0

    @property
    def left(self) -> int:
        """How many units have not been taken."""
        return len(self.units) - self.at

    def size(self, kind: str) -> int:
        """Units of one value."""
        raise NotImplementedError

    def length_at(self, place: int, kind: str) -> int:
        """The length of a list.

        Raises:
            ValueError: it is negative.
        """
        length = int(self.values(self.units[None, place : place + self.size(kind)], kind)[0])
        if length < 0:
            raise ValueError(f"a list of {length} values")
        return length

    def values(self, units: np.ndarray, kind: str) -> np.ndarray:
        """(N, size) units as (N,) values.

        Raises:
            ValueError: one does not fit the type.
        """
        raise NotImplementedError

    def rest(self) -> bytes:
        """What has not been taken, where blanks do not count."""
        raise NotImplementedError


class _BinaryBody(_Body):
    unit = "bytes"

    def __init__(self, data: bytes, header: PlyHeader) -> None:
        super().__init__(np.frombuffer(data, np.uint8, offset=header.size))
        self.order = BYTE_ORDERS[header.encoding]

    def size(self, kind: str) -> int:
        return np.dtype(kind).itemsize

    def values(self, units: np.ndarray, kind: str) -> np.ndarray:
        return np.ascontiguousarray(units).view(self.order + kind)[:, 0].astype(kind, copy=False)

    def rest(self) -> bytes:
        return self.units[self.at :].tobytes()


class _AsciiBody(_Body):
    unit = "numbers"

    def __init__(self, path: Path, text: bytes) -> None:
        numbers = parse_numbers(text)
        if text.strip() and not numbers.size:
            raise InputError(f"{path}: broken ASCII PLY: a word is not a number, expected numbers after the header")
        super().__init__(numbers)

    def size(self, kind: str) -> int:
        return 1

    def values(self, units: np.ndarray, kind: str) -> np.ndarray:
        numbers = units[:, 0]
        if kind[0] == "f":
            return numbers.astype(kind)
        limits = np.iinfo(kind)
        wrong = ~((numbers == np.rint(numbers)) & (numbers >= limits.min) & (numbers <= limits.max))
        if wrong.any():
            raise ValueError(f"{numbers[wrong][0]:g} where the header says {kind}")
        return numbers.astype(kind)

    def rest(self) -> bytes:
        return b"numbers"


def _read_table(path: Path, body: _Body, element: PlyElement) -> PlyTable:
    """Take an element's rows from the body."""
    rows = {"vertex": "vertices", "face": "faces"}.get(element.name, f"rows of {element.name[:40]}")
    try:
        return _even_rows(body, element) or _uneven_rows(body, element)
    except _CutShort as error:
        raise InputError(
            f"{path}: {error} {rows}, expected the {element.count} of its header: is it cut short?"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: {rows}: {error}, expected what its header says") from error


def _even_rows(body: _Body, element: PlyElement) -> PlyTable | None:
    """Rows that are all as long as the first one; None when they are not."""
    lengths, stride = [], 0
    for one in element.properties:
        length = 1
        if one.length_kind:
            fits = element.count and body.at + stride + body.size(one.length_kind) <= len(body.units)
            length = body.length_at(body.at + stride, one.length_kind) if fits else 0
            stride += body.size(one.length_kind)
        lengths.append(length)
        stride += length * body.size(one.kind)
    if element.count * stride > body.left:
        return None
    block = body.units[body.at : body.at + element.count * stride].reshape(element.count, stride)
    table, column = PlyTable(element.count, {}, {}), 0

    def take(kind: str, times: int = 1) -> np.ndarray:
        nonlocal column
        width = times * body.size(kind)
        units = np.ascontiguousarray(block[:, column : column + width])
        column += width
        return body.values(units.reshape(element.count * times, body.size(kind)), kind)

    for one, length in zip(element.properties, lengths, strict=True):
        if one.length_kind is None:
            table.values[one.name] = take(one.kind)
            continue
        if (take(one.length_kind) != length).any():
            return None
        table.lists[one.name] = PlyList(np.full(element.count, length, np.int64), take(one.kind, length))
    body.at += element.count * stride
    return table


def _uneven_rows(body: _Body, element: PlyElement) -> PlyTable:
    """Rows with lists of any length, found one by one; memory grows with the file, not with what the header counts."""
    if not any(one.length_kind for one in element.properties):
        raise _CutShort(body.left // sum(body.size(one.kind) for one in element.properties))
    starts: list[list[int]] = [[] for _ in element.properties]
    lengths: list[list[int]] = [[] for _ in element.properties]
    at, end = body.at, len(body.units)
    for row in range(element.count):
        for k, one in enumerate(element.properties):
            length = 1
            if one.length_kind:
                if at + body.size(one.length_kind) > end:
                    raise _CutShort(row)
                length = body.length_at(at, one.length_kind)
                at += body.size(one.length_kind)
            starts[k].append(at)
            lengths[k].append(length)
            at += length * body.size(one.kind)
        if at > end:
            raise _CutShort(row)
    body.at = at
    table = PlyTable(element.count, {}, {})
    for k, one in enumerate(element.properties):
        size, first, counts = body.size(one.kind), np.array(starts[k], np.int64), np.array(lengths[k], np.int64)
        before = np.cumsum(counts) - counts
        place = np.repeat(first - size * before, counts) + size * np.arange(counts.sum())
        values = body.values(body.units[place[:, None] + np.arange(size)], one.kind)
        if one.length_kind:
            table.lists[one.name] = PlyList(counts, values)
        else:
            table.values[one.name] = values
    return table
