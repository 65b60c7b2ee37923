"""The photos of a folder, by name."""

from __future__ import annotations

from pathlib import Path

from utils.errors import InputError
from utils.files import PHOTO_SUFFIXES


def find_photos(path: Path | str) -> dict[str, Path]:
    """Photos of a folder (not of its sub-folders), or one photo file.

    Hidden files and `*_mask.png`, which lie beside the photos they belong to, are not photos.

    Returns:
        Name without suffix -> file, sorted by name.

    Raises:
        InputError: nothing there, no photo in it, or two photos that would write the same results.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder, expected photos")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    photos: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() not in PHOTO_SUFFIXES or file.name.startswith(".") or file.stem.endswith("_mask"):
            continue
        if file.stem in photos:
            raise InputError(f"{file}: same name as {photos[file.stem].name}, expected one photo per name")
        photos[file.stem] = file
    if not photos:
        raise InputError(f"{path}: no photo in it, expected {', '.join(PHOTO_SUFFIXES)}")
    return photos
