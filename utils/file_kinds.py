"""What a file is that is not what it should be: what downloads leave under another file's name."""

from __future__ import annotations

BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS, whose file is elsewhere (git lfs pull)"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"%pdf", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"rar!\x1a\x07", "a RAR archive"),
)
"""In lower case; none of our readers takes any of them, but that of checkpoints ZIP archives."""
LONGEST = max(len(beginning) for beginning, _ in BEGINNINGS)


def stranger(content: bytes) -> str | None:
    """What a file is by its first bytes, in words, when it is one of these."""
    first = content[:LONGEST].lower()
    if content[8:10] == b'{"' and int.from_bytes(content[:8], "little") < 1 << 27:
        return "a safetensors file"
    return next((what for beginning, what in BEGINNINGS if first.startswith(beginning)), None)
