"""HEIC, the photos of iPhones, where a package that reads them is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from utils.errors import InputError
from utils.pictures import LARGEST_PHOTO

PACKAGES = ("pi_heif", "pillow_heif")
BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"))
"""What stands at byte 8 of such files, whatever their suffix."""
EITHER = frozenset((b"mif1", b"msf1"))
"""What may stand there in AVIF files too: those name "avif" among what they are compatible with."""
LONGEST = 120.0
"""[s] Reading takes less than one."""
READER = """
import importlib, io, sys
from PIL import Image, UnidentifiedImageError
importlib.import_module(sys.argv[1]).register_heif_opener()
try:
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=("HEIF", "AVIF")) as image:
        if image.width * image.height > int(sys.argv[2]):
            raise ValueError(f"{image.width} x {image.height} px, expected at most {sys.argv[2]} pixels")
        image.load()
        image.info.clear()
        image.save(sys.stdout.buffer, "PNG", compress_level=1)
except UnidentifiedImageError:
    sys.exit("no HEIC picture in it")
except Exception as error:
    sys.exit(f"{error}")
"""
"""A program of its own, because such packages have been seen to crash on files that are damaged."""


def is_heic(content: bytes) -> bool:
    """Whether a file is HEIC, by its first bytes."""
    if content[4:8] != b"ftyp":
        return False
    compatible = content[16 : min(int.from_bytes(content[:4], "big"), 256)]
    return content[8:12] in BRANDS or (content[8:12] in EITHER and b"avif" not in compatible)


def heic_as_png(path: Path | str, content: bytes, expected: str) -> bytes:
    """A HEIC photo as a PNG, turned as its boxes say.

    Args:
        path: of the photo, for messages.
        expected: what the file should be, for messages.

    Raises:
        InputError: it cannot be read, or no package reads it.
    """
    package = next((name for name in PACKAGES if importlib.util.find_spec(name) is not None), None)
    if package is None:
        raise InputError(f"{path}: a HEIC photo, expected the package that reads it: pip install pi-heif")
    command = [sys.executable, "-c", READER, package, str(LARGEST_PHOTO)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        run = subprocess.run(command, input=content, capture_output=True, env=environment, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: not read within {LONGEST:.0f} s, expected {expected}") from None
    if run.returncode == 0:
        return run.stdout
    said = run.stderr.decode(errors="replace").strip().splitlines()
    why = f"it is damaged: {package} died of it" if run.returncode < 0 or not said else said[-1]
    raise InputError(f"{path}: cannot be read as an image ({why}), expected {expected}")
