"""Text and JSON of users, and images in and out."""

from __future__ import annotations

import io
import json
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from utils.atomic_file import atomic_path
from utils.errors import InputError
from utils.heic import heic_formats

# Measured on renders of 2048 px: 3x faster than level 1 alone, which tries all filters on every row, and 5 % smaller.
PNG_FLAGS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
PNG_SIGNATURE, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
PHOTO_SUFFIXES = tuple(".png .jpg .jpeg .jfif .webp .avif .gif .tif .tiff .bmp .heic .heif".split())
PHOTO_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
"""Pillow's names for them; of a moving one the first picture is taken. HEIC needs a package (utils.heic)."""
LARGEST_PHOTO = 120_000_000
"""Pixels; a picture of that many takes about a gigabyte while it is read."""
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit prints advice to programmers; _opened checks ours before decoding


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
    if not name or name.startswith(".") or any(letter in name for letter in "/\\") or not name.isprintable():
        raise InputError(
            f"{where}: the name {name!r}, expected a plain file name in UTF-8: no path, no control character"
        )


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
        InputError: it is missing, a folder, a pipe or a device, or cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            found = "no regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {found}, expected {expected}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected {expected}") from error


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
    with _opened(path, content, ("PNG",), expected) as image:
        if image.mode != "I;16":
            width, height = image.size
            raise InputError(f"{path}: {image.mode} picture of {width} x {height} px, expected {expected}")
        return _decoded(content, image, cv2.IMREAD_UNCHANGED, np.uint16)


def read_photo(path: Path | str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a photo as it is displayed: EXIF rotation honoured, 8 or 16 bit, grey, palette or color.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) uint8 alpha: None where the file has none or it is the same everywhere.

    Raises:
        InputError: the file is missing, empty, truncated, not an image, or has more than LARGEST_PHOTO pixels.
    """
    expected = f"a photo: {', '.join(PHOTO_SUFFIXES)}"
    content = read_bytes(path, expected)
    formats = PHOTO_FORMATS + heic_formats(path, content)
    with _opened(path, content, formats, expected) as opened:
        if opened.format == "PNG" and opened.mode == "RGB" and str(opened.tile[0].args) == "RGB" and not opened.info:
            return _decoded(content, opened, cv2.IMREAD_COLOR_RGB, np.uint8), None
        image = _to_8_bit(content, opened)
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
            return np.array(image.convert("RGB")), None
        pixels = np.asarray(image.convert("RGBA"))
    alpha = pixels[..., 3]
    return np.ascontiguousarray(pixels[..., :3]), None if alpha.min() == alpha.max() else alpha


@contextmanager
def _opened(path: Path | str, content: bytes, formats: tuple[str, ...], expected: str) -> Iterator[ImageFile.ImageFile]:
    """A picture whose file is whole, as Pillow decodes it.

    Args:
        formats: Pillow's names. It is given no choice: a file of another one may start a program (Ghostscript).
    """
    try:
        if not content:
            raise ValueError("it is empty")
        _check_png(content)
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=formats) as image:
            width, height = image.size
            if width * height > LARGEST_PHOTO:
                raise InputError(f"{path}: {width} x {height} px, expected at most {LARGEST_PHOTO // 10**6} megapixels")
            yield image
    except InputError:
        raise
    except Exception as error:  # on broken bytes Pillow's readers raise anything
        if isinstance(error, MemoryError):
            raise
        why = f"none of {', '.join(formats)}" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{path}: cannot be read as an image ({why}), expected {expected}") from error


def _decoded(content: bytes, image: ImageFile.ImageFile, how: int, dtype: type) -> np.ndarray:
    """The pixels of a plain PNG: by OpenCV, which takes a third of the time; by Pillow where it says nothing."""
    values = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    is_whole = values is not None and values.dtype == dtype and values.shape[:2] == (image.height, image.width)
    return np.asarray(values) if is_whole else np.array(image)


def _check_png(content: bytes) -> None:
    """Raise ValueError for a PNG that is cut short or damaged; Pillow shows what is left of one without a word."""
    if not content.startswith(PNG_SIGNATURE):
        return
    place, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        head = content[place : place + 8]
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        checksum = content[place + 8 + length : place + 12 + length]
        if len(checksum) < 4:
            raise ValueError("it is cut short")
        # Lower case: a chunk that no picture needs.
        if kind[:1].isupper() and zlib.crc32(content[place + 4 : place + 8 + length]) != int.from_bytes(
            checksum, "big"
        ):
            raise ValueError(f"damaged at byte {place}")
        place += 12 + length


def _to_8_bit(content: bytes, image: ImageFile.ImageFile) -> Image.Image:
    """Deep grey (which Pillow clips when it converts) and deep color (of which it keeps the upper bytes), rounded."""
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image))
        return Image.fromarray(_rounded(np.clip(values, 0, None, out=values if values.flags.writeable else None)))
    if image.mode not in ("RGB", "RGBA") or not any(";16" in str(tile.args) for tile in image.tile):
        return image
    if image.format != "PNG":
        image.load()  # raises where the file is cut short, which OpenCV does not; PNG has been checked
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if values is None or values.dtype != np.uint16 or values.shape != (image.height, image.width, len(image.mode)):
        return image
    code = cv2.COLOR_BGR2RGB if image.mode == "RGB" else cv2.COLOR_BGRA2RGBA
    shallow = Image.fromarray(cv2.cvtColor(_rounded(values), code))
    shallow.getexif().update(image.getexif())
    return shallow


def _rounded(values: np.ndarray) -> np.ndarray:
    """Numbers from 0 as uint8: of 16 bits, or of 8 where none is larger, or floats up to 1; no copy in between."""
    top = values.max()
    if top <= 1 and np.issubdtype(values.dtype, np.floating):
        return cv2.convertScaleAbs(values, alpha=255)
    return cv2.convertScaleAbs(values, alpha=1 / 257 if top > 255 else 1)
