"""Pictures as phones, browsers and messengers save them."""

import io
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.test_files import png_header
from utils.errors import InputError
from utils.files import read_photo

HEIC = Path(__file__).parent / "data" / "turned.heic"
UPRIGHT = (
    lambda rgb: rgb,
    lambda rgb: rgb[:, ::-1],
    lambda rgb: rgb[::-1, ::-1],
    lambda rgb: rgb[::-1],
    lambda rgb: rgb.swapaxes(0, 1),
    lambda rgb: np.rot90(rgb, -1),
    lambda rgb: rgb[::-1, ::-1].swapaxes(0, 1),
    lambda rgb: np.rot90(rgb),
)
"""What EXIF's orientations 1 to 8 do to the stored pixels."""


def corners(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: four flat corners, so that lossy formats change little and every orientation shows."""
    picture = np.full((height, width, 3), (220, 220, 40), np.uint8)
    top, left = height // 2, width // 2
    picture[:top, :left], picture[:top, left:], picture[top:, :left] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    return picture


@pytest.mark.parametrize(("suffix", "kind"), [("jfif", "JPEG"), ("avif", "AVIF"), ("gif", "GIF"), ("webp", "WEBP")])
def test_formats_of_phones_browsers_and_messengers_are_read(tmp_path, suffix, kind):
    """Of a moving picture, the first one."""
    first, second = (np.full((32, 48, 3), level, np.uint8) for level in (200, 50))
    more = {"save_all": True, "append_images": [Image.fromarray(second)]} if kind == "GIF" else {}
    Image.fromarray(first).save(tmp_path / f"a.{suffix}", kind, **more)
    rgb, alpha = read_photo(tmp_path / f"a.{suffix}")
    assert rgb.shape == (32, 48, 3) and alpha is None
    assert abs(rgb.astype(int) - 200).max() <= 3


def exif(orientation: int) -> bytes:
    record = Image.Exif()
    record[274] = orientation
    return record.tobytes()


def png(pixels: np.ndarray, orientation: int, first: bool) -> bytes:
    """A PNG whose EXIF stands before its pixels, as the standard shows it, or behind them, as ExifTool writes it."""
    content = cv2.imencode(".png", pixels)[1].tobytes()
    record = exif(orientation).removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(record)) + b"eXIf" + record + struct.pack(">I", zlib.crc32(b"eXIf" + record))
    place = 33 if first else len(content) - 12
    return content[:place] + chunk + content[place:]


def pillow(kind: str, **options: object):
    def encode(rgb: np.ndarray, orientation: int) -> bytes:
        content = io.BytesIO()
        Image.fromarray(rgb).save(content, kind, exif=exif(orientation), **options)
        return content.getvalue()

    return encode


WRITERS = {
    "JPEG": pillow("JPEG", quality=98, subsampling=0),
    "WebP": pillow("WEBP", lossless=True),
    "AVIF": pillow("AVIF", quality=95, subsampling="4:4:4"),
    "TIFF": pillow("TIFF"),
    "PNG": lambda rgb, orientation: png(rgb[..., ::-1], orientation, True),
    "PNG, EXIF last": lambda rgb, orientation: png(rgb[..., ::-1], orientation, False),
    "deep PNG": lambda rgb, orientation: png(rgb[..., ::-1].astype(np.uint16) * 257, orientation, True),
    "deep grey PNG": lambda rgb, orientation: png(rgb[..., 0].astype(np.uint16) * 257, orientation, True),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_exif_orientation_is_honoured(tmp_path, writer):
    stored = corners(24, 32)
    for orientation, upright in enumerate(UPRIGHT, start=1):
        (tmp_path / "a.png").write_bytes(WRITERS[writer](stored, orientation))
        expected = upright(stored[..., :1].repeat(3, axis=2) if "grey" in writer else stored)
        rgb, _ = read_photo(tmp_path / "a.png")
        assert rgb.shape == expected.shape, orientation
        assert abs(rgb.astype(int) - expected).mean() < 3, orientation


@pytest.mark.parametrize("quarters", range(4))
def test_a_heic_photo_is_turned_by_what_its_box_says_and_not_again_by_its_exif(tmp_path, quarters):
    """By "irot", counter-clockwise; phones write the same into EXIF, which the standard calls information only."""
    content = bytearray(HEIC.read_bytes())
    content[content.index(b"irot") + 4] = quarters
    (tmp_path / "a.heic").write_bytes(content)
    expected = np.rot90(corners(48, 64), quarters)
    rgb, _ = read_photo(tmp_path / "a.heic")
    assert rgb.shape == expected.shape and abs(rgb.astype(int) - expected).mean() < 6


def test_a_damaged_heic_photo_takes_only_its_own_reader_down(tmp_path):
    """pi-heif 1.4 follows a wild length in this one."""
    content = bytearray(HEIC.read_bytes())
    content[177:181] = b"\xff\xff\xff\x7f"
    (tmp_path / "a.heic").write_bytes(content)
    try:
        assert read_photo(tmp_path / "a.heic")[0].shape == (64, 48, 3)
    except InputError as error:
        assert "a.heic: cannot be read as an image (" in str(error)


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "IMG_0001.jpg"])
def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch, name):
    """By what is in the file: phones also write it into .jpg."""
    for package in ("pi_heif", "pillow_heif"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(HEIC.read_bytes())
    with pytest.raises(InputError, match=f"{name}: a HEIC photo, .*pip install pi-heif"):
        read_photo(tmp_path / name)


def test_a_png_that_cannot_hold_its_pixels_is_cut_short_before_memory_is_taken(tmp_path):
    (tmp_path / "claims.png").write_bytes(png_header(10_000, 10_000))
    with pytest.raises(InputError, match="claims.png: cannot be read as an image .it is cut short"):
        read_photo(tmp_path / "claims.png")


def test_avif_of_the_common_brand_is_no_heic(tmp_path):
    """Whose major brand is mif1: what it is compatible with says which of the two it is."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 100, 50)).save(stream, "AVIF")
    content = stream.getvalue()
    (tmp_path / "a.avif").write_bytes(content[:8] + b"mif1" + content[12:])
    assert read_photo(tmp_path / "a.avif")[0].shape == (6, 8, 3)
