"""Changes to valid files that know what the files are made of: the parts are changed, and what holds them is mended."""

from __future__ import annotations

import io
import json
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]
NUMBERS = (
    "nan", "inf", "-inf", "-1", "0", "1e400", "-1e400", "1e-320", "99999999", "4294967296", "-2147483649", "0x10", "",
    "1.5.2", "9" * 400, "9" * 5000, "1_000", "٣", "½",
)  # fmt: skip
WORDS = ("", "a" * 5000, "../../etc/passwd", "/dev/zero", "..\\..\\x", "\x00", "\x1b[31m", "é" * 3, "\udce9", "None")
JSON_VALUES = (
    None, True, False, -1, 0, 2**31, 2**70, 1e308, float("nan"), float("inf"), "", "text", [], {}, [[]], [None],
    {"a": 1}, [1, [2, [3]]], "../../x", "/dev/zero",
)  # fmt: skip


def _pick(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def flipped(content: bytes, rng: Rng) -> bytes:
    """Some bytes, or the file's length, or a whole piece of it."""
    data = bytearray(content)
    if not data:
        return b"\0"
    start = int(rng.integers(len(data)))
    length = min(int(2 ** rng.uniform(0, 10)), len(data) - start)
    how = int(rng.integers(7))
    if how == 0:
        del data[start:]
    elif how == 1:
        del data[start : start + length]
    elif how == 2:
        data[start:start] = data[start : start + length]
    elif how == 3:
        data[start : start + length] = rng.bytes(length)
    elif how == 4:
        data[start : start + 4] = _pick(rng, (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80"))
    elif how == 5:
        data[start:start] = _pick(rng, (b"\0", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", rng.bytes(8)))
    else:
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def text(content: bytes, rng: Rng) -> bytes:
    """A number, a word or a line of a text."""
    how = int(rng.integers(6))
    lines = content.split(b"\n")
    k = int(rng.integers(len(lines)))
    if how == 0:
        del lines[k]
    elif how == 1:
        lines.insert(k, lines[int(rng.integers(len(lines)))])
    elif how == 2:
        return content.decode("latin1").encode(_pick(rng, ("utf-8-sig", "utf-16", "utf-32")))
    elif how in (3, 4):
        found = list(re.finditer(rb"-?\d+\.?\d*(e-?\d+)?" if how == 3 else rb"[A-Za-z_][\w./-]*", content))
        if not found:
            return flipped(content, rng)
        at = _pick(rng, found)
        new = _pick(rng, NUMBERS if how == 3 else WORDS)
        return content[: at.start()] + new.encode("utf-8", "surrogateescape") + content[at.end() :]
    else:
        lines[k] = lines[k] + b" " + _pick(rng, NUMBERS).encode()
    return b"\n".join(lines)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value of a tree."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in _places(node[key])]


def changed_json(document: Any, rng: Rng) -> Any:
    """A value, a key or an item of a tree, in place."""
    places = _places(document)
    if not places:
        return _pick(rng, JSON_VALUES)
    holder, key = _pick(rng, places)
    how = int(rng.integers(4))
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif how == 2 and isinstance(holder, dict):
        other, other_key = _pick(rng, places)
        if not any(other is inside or inside is holder for inside, _ in _places(holder[key])):
            holder[key] = json.loads(json.dumps(other[other_key]))
    else:
        holder[key] = _pick(rng, JSON_VALUES)
    return document


def json_text(content: bytes, rng: Rng) -> bytes:
    if rng.random() < 0.3:
        return text(content, rng)
    return json.dumps(changed_json(json.loads(content), rng)).encode()


def json_lines(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    k = int(rng.integers(len(lines)))
    lines[k] = json_text(lines[k], rng) if lines[k].strip() else rng.bytes(5)
    return b"\n".join(lines)


def png(content: bytes, rng: Rng) -> bytes:
    """A chunk of a PNG, with its checksum mended."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    place, chunks = 8, []
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    k = int(rng.integers(len(chunks)))
    kind, data = chunks[k]
    if kind == b"IDAT" and rng.random() < 0.5:
        data = zlib.compress(flipped(zlib.decompressobj().decompress(data), rng))
    chunks[k] = (kind, flipped(data, rng))
    parts = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    return content[:8] + b"".join(parts)


def npy(content: bytes, rng: Rng) -> bytes:
    """A word or number of the header, with its length mended."""
    length = int.from_bytes(content[8:10], "little")
    if rng.random() < 0.5:
        return flipped(content, rng)
    header = text(content[10 : 10 + length].rstrip(), rng)[:60_000]
    return content[:8] + len(header).to_bytes(2, "little") + header + content[10 + length :]


def opcodes(content: bytes, rng: Rng) -> bytes:
    """One operation of a pickle taken out, doubled, moved or changed."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    starts = [place for _, _, place in pickletools.genops(content)] + [len(content)]
    parts = [content[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    k, other = (int(n) for n in rng.integers(len(parts), size=2))
    how = int(rng.integers(4))
    if how == 0:
        del parts[k]
    elif how == 1:
        parts.insert(k, parts[other])
    elif how == 2:
        parts[k], parts[other] = parts[other], parts[k]
    else:
        parts[k] = flipped(parts[k], rng)
    return b"".join(parts)


def archive(content: bytes, rng: Rng) -> bytes:
    """One part of a ZIP archive; the pickle by its operations."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    name = _pick(rng, [n for n in parts if n.endswith("data.pkl")] * 3 + list(parts))
    parts[name] = (opcodes if name.endswith("data.pkl") else flipped)(parts[name], rng)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED) as new:
        for part, data in parts.items():
            new.writestr(part, data)
    return written.getvalue()


def glb(content: bytes, rng: Rng) -> bytes:
    """The JSON chunk of a binary glTF, with its lengths mended."""
    if rng.random() < 0.3:
        return flipped(content, rng)
    length = int.from_bytes(content[12:16], "little")
    document = json.dumps(changed_json(json.loads(content[20 : 20 + length]), rng)).encode()
    document += b" " * (-len(document) % 4)
    rest = content[20 + length :]
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(document) + len(rest))
    return head + struct.pack("<I4s", len(document), b"JSON") + document + rest


def header_then_bytes(content: bytes, rng: Rng) -> bytes:
    """The text of a PLY's header, or the numbers behind it."""
    end = content.find(b"end_header\n") + len(b"end_header\n")
    if rng.random() < 0.5:
        return text(content[:end], rng) + content[end:]
    return content[:end] + flipped(content[end:], rng)


def twice(mutation: Mutation) -> Mutation:
    """A mutation, now and then of its own result."""

    def mutate(content: bytes, rng: Rng) -> bytes:
        content = mutation(content, rng)
        try:
            return mutation(content, rng) if rng.random() < 0.25 else content
        except Exception:  # what is broken has no parts any more
            return content

    return mutate
