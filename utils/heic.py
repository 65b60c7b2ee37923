"""HEIC, the photos of iPhones, where a package that reads them is installed."""

from __future__ import annotations

import importlib
from pathlib import Path

from utils.errors import InputError

PACKAGES = ("pi_heif", "pillow_heif")
BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
"""What stands at byte 8 of such files, whatever their suffix."""


def heic_formats(path: Path | str, content: bytes) -> tuple[str, ...]:
    """Pillow's name of the format, which Pillow knows from now on, for a HEIC file; () for any other.

    Raises:
        InputError: the file is HEIC and no package reads it.
    """
    if content[4:8] != b"ftyp" or content[8:12] not in BRANDS:
        return ()
    for package in PACKAGES:
        try:
            importlib.import_module(package).register_heif_opener()
        except ImportError:
            continue
        return ("HEIF",)
    raise InputError(f"{path}: a HEIC photo, expected the package that reads it: pip install pi-heif")
