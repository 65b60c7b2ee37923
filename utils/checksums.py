"""Checksums of files that come with the project: `SHA256SUMS` in their folder, as `sha256sum` writes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from utils.files import read_text, write_text

SUMS = "SHA256SUMS"


def _sums(folder: Path) -> dict[str, str]:
    text = read_text(folder / SUMS, "checksums") if (folder / SUMS).exists() else ""
    return {words[1]: words[0] for line in text.splitlines() if len(words := line.split()) == 2}


def checksum_problem(path: Path, restore: str, required: bool = False) -> str | None:
    """What is wrong with a file whose folder holds its checksum; None when it is right.

    Args:
        restore: what the user should do.
        required: whether a file without a checksum is wrong.
    """
    if required and not (path.parent / SUMS).is_file():
        return f"{path.parent / SUMS}: no such file: {restore}"
    expected = _sums(path.parent).get(path.name)
    if expected is None and not required:
        return None
    if not path.is_file():
        return f"{path}: no such file: {restore}"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == expected:
        return None
    wanted = f"{expected[:12]}... as in {SUMS}" if expected else f"a file that {SUMS} lists"
    return f"{path}: {path.stat().st_size} bytes with sha256 {found[:12]}..., expected {wanted}: {restore}"


def renew_checksum(path: Path) -> None:
    """Write the checksum of a new file in the place of the old one, where its folder holds one."""
    sums = _sums(path.parent)
    if path.name in sums:
        sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        write_text(path.parent / SUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()))
