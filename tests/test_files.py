"""Photos of every kind in, files that appear whole, and files that are refused."""

import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from datasets.pairs.pair_files import write_joints
from datasets.pairs.pair_layout import Pair
from tests.full_disk import files_up_to
from utils.atomic_file import atomic_path
from utils.checkpoint import write_checkpoint
from utils.errors import InputError, plain_reason
from utils.files import locked, read_depth_png, read_json, read_photo, read_text, write_bytes, write_png, write_text
from utils.pictures import PNG_SIGNATURE

ROOT = Path(__file__).parents[1]


@pytest.fixture
def colors() -> np.ndarray:
    """(40, 60, 3) uint8: four flat corners, so that lossy formats change little and rotation shows."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30], picture[:20, 30:], picture[20:, :30], picture[20:, 30:] = (
        (200, 30, 30),
        (30, 200, 30),
        (30, 30, 200),
        (220, 220, 40),
    )
    return picture


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "tif", "bmp"])
def test_every_format_gives_the_picture(tmp_path, colors, suffix):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(colors).save(path, **({"quality": 98} if suffix in ("jpg", "jpeg", "webp") else {}))
    rgb, alpha = read_photo(path)
    assert alpha is None and rgb.dtype == np.uint8
    middle = (slice(5, 15), slice(5, 25))
    np.testing.assert_allclose(rgb[middle].mean((0, 1)), colors[middle].mean((0, 1)), atol=6)


def test_exif_rotation_is_honoured(tmp_path, colors):
    image = Image.fromarray(colors)
    exif = image.getexif()
    exif[274] = 6  # shown turned by 90 deg clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=98)
    rgb, _ = read_photo(tmp_path / "turned.jpg")
    assert rgb.shape == (60, 40, 3)
    np.testing.assert_allclose(rgb[10, 30], colors[10, 10], atol=12)


def test_sixteen_bits_become_eight(tmp_path, colors):
    deep = colors.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png")[0], colors)
    rgb, _ = read_photo(tmp_path / "grey.png")
    np.testing.assert_array_equal(rgb, np.repeat(colors[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_modes_become_color(tmp_path, colors, mode):
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    Image.fromarray(colors).convert(mode).save(path)
    rgb, alpha = read_photo(path)
    assert rgb.shape == colors.shape and alpha is None and rgb.std() > 20


@pytest.mark.parametrize("sixteen", [False, True])
def test_alpha_counts_only_when_it_says_something(tmp_path, colors, sixteen):
    alpha = np.full((40, 60), 255, np.uint8)
    picture = np.dstack([colors[..., ::-1], alpha])
    depth = (np.uint16, 257) if sixteen else (np.uint8, 1)
    cv2.imwrite(str(tmp_path / "solid.png"), picture.astype(depth[0]) * depth[1])
    assert read_photo(tmp_path / "solid.png")[1] is None
    picture[:, 20:, 3] = 0
    cv2.imwrite(str(tmp_path / "cut.png"), picture.astype(depth[0]) * depth[1])
    rgb, alpha = read_photo(tmp_path / "cut.png")
    np.testing.assert_array_equal(rgb, colors)
    np.testing.assert_array_equal(alpha, picture[..., 3])


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"0" * 50])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match="bad.png: cannot be read"):
        read_photo(tmp_path / "bad.png")


def test_a_truncated_photo_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "half.jpg", quality=95)
    data = (tmp_path / "half.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="half.jpg"):
        read_photo(tmp_path / "half.jpg")


def test_a_missing_photo_is_named(tmp_path):
    with pytest.raises(InputError, match="missing.png: no such file"):
        read_photo(tmp_path / "missing.png")


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_pictures_come_back(tmp_path, channels):
    shape = (8, 9) if channels is None else (8, 9, channels)
    picture = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_depth_files_are_sixteen_bit_grey(tmp_path):
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    write_png(tmp_path / "depth.png", values)
    np.testing.assert_array_equal(read_depth_png(tmp_path / "depth.png"), values)
    write_png(tmp_path / "color.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="color.png: RGB picture of 4 x 4 px, expected a 16-bit"):
        read_depth_png(tmp_path / "color.png")
    with pytest.raises(InputError, match="none.png: no such file, expected a 16-bit"):
        read_depth_png(tmp_path / "none.png")


NOISE = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
WRITERS = {
    "picture": lambda folder: write_png(folder / "a.png", NOISE),
    "text": lambda folder: write_text(folder / "a.txt", "x" * 10_000),
    "joints": lambda folder: write_joints(folder, Pair("RP", "a", 0.0), np.zeros((31, 3))),
    "checkpoint": lambda folder: write_checkpoint(folder / "a.pt", {}, {"a": torch.zeros(5000)}),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("room", [0, 100, 800])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, kind, room):
    with files_up_to(room), pytest.raises(OSError, match="a") as caught:
        WRITERS[kind](tmp_path)
    reason = plain_reason(caught.value)
    assert str(tmp_path) in reason and "File too large, raise the limit" in reason
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    WRITERS[kind](tmp_path)


def test_names_that_are_not_utf8_are_read_and_written(tmp_path, colors):
    """As old archives have them; OpenCV ends the process on one."""
    name = os.fsdecode(b"caf\xe9.png")
    write_png(tmp_path / name, colors)
    np.testing.assert_array_equal(read_photo(tmp_path / name)[0], colors)
    write_png(tmp_path / name, np.zeros((4, 4), np.uint16))
    assert read_depth_png(tmp_path / name).shape == (4, 4)
    with pytest.raises(InputError, match=r"caf\\udce8.png: no such file"):
        read_photo(tmp_path / os.fsdecode(b"caf\xe8.png"))


@pytest.mark.parametrize(("place", "what"), [(0.5, "damaged at byte"), (None, "it is cut short")])
def test_a_damaged_png_is_named(tmp_path, place, what):
    """Pillow shows what is left of one without a word."""
    write_png(tmp_path / "a.png", NOISE)
    content = bytearray((tmp_path / "a.png").read_bytes())
    if place is None:
        del content[-5:]
    else:
        content[int(place * len(content))] ^= 255
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=f"a.png: cannot be read as an image .{what}"):
        read_photo(tmp_path / "a.png")


def test_a_file_of_a_format_that_is_not_named_starts_no_program(tmp_path, monkeypatch):
    """Pillow hands EPS to Ghostscript, whatever the suffix says."""
    (tmp_path / "bin").mkdir()
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}:{os.environ['PATH']}")
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "photo.png").write_text(text)
    with pytest.raises(InputError, match="photo.png: cannot be read as an image .none of PNG, JPEG"):
        read_photo(tmp_path / "photo.png")
    assert not (tmp_path / "started").exists()


def png_header(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "huge.png").write_bytes(png_header(40_000, 40_000))
    with pytest.raises(InputError, match="huge.png: 40000 x 40000 px, expected at most 120 megapixels"):
        read_photo(tmp_path / "huge.png")


def test_deep_color_is_rounded_not_cut(tmp_path):
    """16 bits to 8 by the nearest level, in whole numbers: no array of floats."""
    deep = np.random.default_rng(0).integers(0, 65536, (50, 50, 4)).astype(np.uint16)
    for suffix in ("png", "tif"):
        path = tmp_path / f"deep.{suffix}"
        cv2.imwrite(str(path), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
        rgb, alpha = read_photo(path)
        np.testing.assert_array_equal(np.dstack([rgb, alpha]), np.round(deep / 257))


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "photo.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(InputError, match=f"photo.png: no {'such' if kind == 'missing' else 'regular'} file"):
        read_photo(path)


def test_texts_with_a_mark_are_read_and_other_encodings_are_named(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("Zoë", encoding="utf-8-sig")
    assert read_text(path, "a list") == "Zoë"
    path.write_text("Zoë", encoding="utf-16")
    with pytest.raises(InputError, match="list.txt: UTF-16 at 0, expected UTF-8 text: a list"):
        read_text(path, "a list")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": }', "\0"])
def test_text_that_is_no_json_is_named(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="a.json: .*expected numbers"):
        read_json(tmp_path / "a.json", "numbers")


def test_numbers_of_thousands_of_digits_are_infinite(tmp_path):
    (tmp_path / "a.json").write_text(f"[{'9' * 5000}, -{'9' * 400}, 12]")
    assert read_json(tmp_path / "a.json", "numbers") == [np.inf, -np.inf, 12]


def test_a_file_system_without_locks_is_said_and_work_goes_on(tmp_path, monkeypatch, capsys):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        write_text(tmp_path / "a.txt", "done")
    assert "has no locks (No locks available), expected only one process" in capsys.readouterr().err


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path):
    """By the next process that writes there; what others are writing stays."""
    script = """
import os, signal, sys
from utils.atomic_file import atomic_path
with atomic_path(sys.argv[1]) as path:
    path.write_bytes(b"half")
    if len(sys.argv) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
    print("written", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "a.png")]
    assert subprocess.run([*command, "killed"], cwd=ROOT).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    old = tmp_path / ".b.0123abcd-7-0123abcd.png"  # of another machine
    new = tmp_path / ".c.0123abcd-7-0123abcd.png"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    busy = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert busy.stdout.readline() == b"written\n"
    assert not left.exists() and not old.exists() and len(list(tmp_path.iterdir())) == 2
    write_bytes(tmp_path / "d.png", b"whole")
    assert len(list(tmp_path.iterdir())) == 3
    busy.communicate()
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, "a.png", "d.png"]
