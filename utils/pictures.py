"""Picture files that are whole, of a format that we name and not too large, as Pillow and OpenCV decode them."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from utils.errors import InputError

PNG_SIGNATURE, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
PLAIN_CHUNKS = frozenset((b"IHDR", b"IDAT", b"IEND"))
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the color type in its header."""
DEFLATE_AT_MOST = 1032
"""Bytes that one byte of a deflate stream can become."""
PHOTO_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
"""Pillow's names for them; of a moving one the first picture is taken. HEIC needs a package (utils.heic)."""
TEXTURE_FORMATS = (*PHOTO_FORMATS, "TGA", "PPM")
LARGEST_PHOTO, LARGEST_TEXTURE = 120_000_000, 16_384**2
"""Pixels; a picture of 120 million takes about a gigabyte while it is read."""
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit prints advice to programmers; `opened` checks ours before decoding


@contextmanager
def opened(
    name: object, content: bytes, formats: tuple[str, ...], expected: str, largest: int = LARGEST_PHOTO
) -> Iterator[ImageFile.ImageFile]:
    """A picture whose file is whole, as Pillow decodes it.

    Args:
        name: of the file, for messages.
        formats: Pillow's names. It is given no choice: a file of another one may start a program (Ghostscript).
        expected: what the file should be, for messages.
        largest: pixels that it may have at most.

    Raises:
        InputError: it is empty, cut short, damaged, of another format or too large; also what the block raises.
    """
    try:
        if not content:
            raise ValueError("it is empty")
        _check_png(content)
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=formats) as image:
            width, height = image.size
            if width * height > largest:
                raise InputError(f"{name}: {width} x {height} px, expected at most {largest // 10**6} megapixels")
            _check_amount(content)
            yield image
    except InputError:
        raise
    except Exception as error:  # on broken bytes Pillow's readers raise anything
        if isinstance(error, MemoryError):
            raise
        why = f"none of {', '.join(formats)}" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"{name}: cannot be read as an image ({why}), expected {expected}") from error


def decoded(content: bytes, image: ImageFile.ImageFile, how: int, dtype: type) -> np.ndarray:
    """The pixels of a plain PNG: by OpenCV, which takes a third of the time; by Pillow where it says nothing.

    Args:
        how: OpenCV's flags.
        dtype: that both must give.
    """
    values = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    is_whole = values is not None and values.dtype == dtype and values.shape[:2] == (image.height, image.width)
    return np.asarray(values) if is_whole else np.array(image)


def is_plain_png(content: bytes, image: ImageFile.ImageFile) -> bool:
    """Whether a file is an 8-bit RGB PNG with nothing but pixels in it: no rotation (some tools put it last)."""
    if image.format != "PNG" or image.mode != "RGB" or str(image.tile[0].args) != "RGB":
        return False
    return PLAIN_CHUNKS.issuperset(kind for _, _, kind in _png_chunks(content))


def to_8_bit(content: bytes, image: ImageFile.ImageFile) -> Image.Image:
    """Deep grey (which Pillow clips when it converts) and deep color (of which it keeps the upper bytes), rounded.

    Returns:
        The image itself, or a shallow one with its EXIF rotation, if it still has to be turned.
    """
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image))
        shallow = _rounded(np.clip(values, 0, None, out=values if values.flags.writeable else None))
    elif image.mode in ("RGB", "RGBA") and any(";16" in str(tile.args) for tile in image.tile):
        deep = _deep_color(content, image)
        if deep is None:
            return image
        code = cv2.COLOR_BGR2RGB if image.mode == "RGB" else cv2.COLOR_BGRA2RGBA
        shallow = cv2.cvtColor(_rounded(deep), code)
    else:
        return image
    turned = Image.fromarray(shallow)
    turned.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turned


def _deep_color(content: bytes, image: ImageFile.ImageFile) -> np.ndarray | None:
    """(H, W, 3 or 4) uint16 BGR or BGRA of a file with 16 bits; None where OpenCV does not give them."""
    if image.format != "PNG":
        image.load()  # raises where the file is cut short, which OpenCV does not; PNG has been checked
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if values is None or values.dtype != np.uint16 or values.shape != (image.height, image.width, len(image.mode)):
        return None
    return np.asarray(values)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Numbers from 0 as uint8: of 16 bits, of 8 where none is larger, of more, or floats up to 1; without a copy."""
    top = values.max()
    if top > 65535 or (top <= 1 and np.issubdtype(values.dtype, np.floating)):
        return cv2.convertScaleAbs(values, alpha=255 / max(float(top), 1.0))
    return cv2.convertScaleAbs(values, alpha=1 / 257 if top > 255 else 1)


def _png_chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, length and kind of every chunk up to the last one; ValueError where the file is cut short."""
    place, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if place + 12 + length > len(content):
            raise ValueError("it is cut short")
        yield place, length, kind
        place += 12 + length


def _check_png(content: bytes) -> None:
    """Raise ValueError for a PNG that is cut short or damaged; Pillow shows what is left of one without a word."""
    if not content.startswith(PNG_SIGNATURE):
        return
    for place, length, kind in _png_chunks(content):
        end = place + 8 + length
        # Lower case: a chunk that no picture needs.
        if kind[:1].isupper() and zlib.crc32(content[place + 4 : end]).to_bytes(4, "big") != content[end : end + 4]:
            raise ValueError(f"damaged at byte {place}")


def _check_amount(content: bytes) -> None:
    """Raise ValueError for a PNG that cannot hold the pixels that it claims, before memory is taken for them."""
    if not content.startswith(PNG_SIGNATURE):
        return
    width, height, depth, kind = struct.unpack_from(">IIBB", content, len(PNG_SIGNATURE) + 8)
    packed = sum(length for _, length, chunk in _png_chunks(content) if chunk == b"IDAT")
    if width * height * depth * PNG_CHANNELS.get(kind, 1) > 8 * DEFLATE_AT_MOST * packed:
        raise ValueError("it is cut short")
