"""Text and JSON of users, and images in and out."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import ImageOps

from utils.atomic_file import atomic_path
from utils.errors import InputError, naming
from utils.file_kinds import stranger
from utils.heic import heic_as_png, is_heic
from utils.pictures import PHOTO_FORMATS, decoded, is_plain_png, opened, to_8_bit

# Measured on renders of 2048 px: 3x faster than level 1 alone, which tries all filters on every row, and 5 % smaller.
PNG_FLAGS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
PHOTO_SUFFIXES = tuple(".png .jpg .jpeg .jfif .webp .avif .gif .tif .tiff .bmp .heic .heif".split())

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Letters that turn the direction of writing for those behind them."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time works on a folder; the others wait. The system frees the lock when a process dies.

    A file system without locks is said, and the work is done without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: torchrun starts one process there
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            print(
                f"{folder}: its file system has no locks ({error.strerror}), expected only one process at a time there",
                file=sys.stderr,
            )
        yield


def check_name(name: str, where: str) -> None:
    """Look at a name that becomes a part of file names, so that none leads out of its folder.

    Args:
        where: the file that the name comes from, for the message.

    Raises:
        InputError: it is empty or hidden, a path, has control characters, or is not UTF-8.
    """
    if not name or name.startswith(".") or any(map(_is_no_letter, name)):
        raise InputError(
            f"{where}: the name {name!r}, expected a plain file name in UTF-8: no path, no control character"
        )


def _is_no_letter(letter: str) -> bool:
    """Whether names may not have it. Wide and narrow blanks and joiners are letters of names, as systems and people
    write them; what turns the direction of writing is not, for a name would show as another one."""
    return letter in "/\\" or letter in TURNING or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def is_closed(path: Path) -> bool:
    """Whether it is a folder that this user may not look into: pathlib passes over what is in it in silence."""
    return path.is_dir() and not os.access(path, os.R_OK | os.X_OK)


def check_writable(folder: Path) -> None:
    """Find out before long work whether files can be made in a folder, which is made if it is not there.

    Raises:
        OSError: they cannot.
    """
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def open_at_once(path: Path) -> BinaryIO:
    """A file for reading, without a buffer; a pipe that nobody writes to is an empty one and not waited for."""
    flags = getattr(os, "O_NONBLOCK", 0)  # Windows has no such pipes
    return open(path, "rb", buffering=0, opener=lambda name, how: os.open(name, how | flags))


def write_bytes(path: Path | str, content: bytes | memoryview) -> None:
    """Write a file atomically. Python writes it: libraries have been seen to report success on a full disk.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path) as temporary, open(temporary, "wb", buffering=0) as file:
        rest = memoryview(content).cast("B")
        while rest:
            rest = rest[file.write(rest) :]


def write_text(path: Path | str, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write_png(path: Path | str, image: np.ndarray) -> None:
    """Write a PNG atomically.

    Args:
        image: (H, W) uint8 or uint16, (H, W, 3) RGB or (H, W, 4) RGBA uint8.

    Raises:
        OSError: the file cannot be written.
    """
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    write_bytes(path, cv2.imencode(".png", image, PNG_FLAGS)[1].data)


def read_bytes(path: Path | str, expected: str) -> bytes:
    """The content of a file.

    Args:
        expected: what the file should be, for the message.

    Raises:
        InputError: it is missing, a folder, a pipe, a device or one of utils.file_kinds, or cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            found = "no regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {found}, expected {expected}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected {expected}") from error
    if what := stranger(content):
        raise InputError(f"{path}: {what}, expected {expected}")
    return content


def read_text(path: Path | str, expected: str) -> str:
    """The content of a text file of a user's: UTF-8, with or without the mark that some editors put first.

    Raises:
        InputError: as `read_bytes`, or the text is in another encoding.
    """
    content = read_bytes(path, expected)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte {content[error.start]:#x}"
        raise InputError(f"{path}: {found} at {error.start}, expected UTF-8 text: {expected}") from error


def _whole(digits: str) -> int | float:
    """An integer of JSON; Python turns texts of thousands of digits into floats only."""
    return int(digits) if len(digits) < 20 else float(digits)


def read_json(path: Path | str, expected: str) -> Any:
    """The content of a JSON file; numbers of 20 digits and more come as floats, which may be infinite.

    Raises:
        InputError: as `read_text`, or the text is not JSON.
    """
    text = read_text(path, expected)
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise InputError(f"{path}: lists within lists without end, expected {expected}") from error
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}), expected {expected}") from error


def read_depth_png(path: Path | str) -> np.ndarray:
    """Read a depth map's file values.

    Returns:
        (H, W) uint16; geometry.depth says what they mean.

    Raises:
        InputError: the file is missing, broken or not a 16-bit grey PNG.
    """
    expected = "a 16-bit grey depth PNG"
    content = read_bytes(path, expected)
    with opened(path, content, ("PNG",), expected) as image:
        if image.mode != "I;16":
            width, height = image.size
            raise InputError(f"{path}: {image.mode} picture of {width} x {height} px, expected {expected}")
        return decoded(content, image, cv2.IMREAD_UNCHANGED, np.uint16)


def read_photo(path: Path | str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a photo as it is displayed: EXIF rotation honoured, 8 or 16 bit, grey, palette or color.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) uint8 alpha: None where the file has none or it is the same everywhere.

    Raises:
        InputError: the file is missing, empty, truncated, not an image, or has more than LARGEST_PHOTO pixels.
    """
    expected = f"a photo: {', '.join(PHOTO_SUFFIXES)}"
    content = read_bytes(path, expected)
    if is_heic(content):
        content = heic_as_png(path, content, expected)
    with opened(path, content, PHOTO_FORMATS, expected) as picture:
        if is_plain_png(content, picture):
            return decoded(content, picture, cv2.IMREAD_COLOR_RGB, np.uint8), None
        image = to_8_bit(content, picture)
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
            return np.array(image if image.mode == "RGB" else image.convert("RGB")), None
        pixels = np.asarray(image.convert("RGBA"))
    alpha = pixels[..., 3]
    return np.ascontiguousarray(pixels[..., :3]), None if alpha.min() == alpha.max() else alpha
