"""Material libraries of OBJ files, as exporters write them: tabs, options, paths of another machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.mesh_formats.content import SurfaceMaterial, Texture, beside, parse_numbers

PLAIN_GREY = (0.7, 0.7, 0.7)
OPTION_VALUES = {"-o": 3, "-s": 3, "-t": 3, "-mm": 2}
"""Numbers that an option of a map takes at most; all others take one word."""


def decoded(text: bytes) -> str:
    """UTF-8, or Latin-1 as older exporters write."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin1")


def libraries(folder: Path, line: str) -> list[Path]:
    """Where the libraries are, or would be, that stand behind mtllib: one name with blanks in it, or several."""
    whole = beside(folder, line)
    return [whole] if whole.is_file() else [beside(folder, name) for name in line.split()]


def read_mtl(path: Path) -> dict[str, SurfaceMaterial]:
    """The colors and color textures of a library's materials, by name."""
    materials: dict[str, SurfaceMaterial] = {}
    name = None
    for line in decoded(path.read_bytes()).removeprefix("\ufeff").splitlines():
        keyword, _, rest = line.strip().replace("\t", " ").partition(" ")
        rest = rest.strip()
        if keyword.lower() == "newmtl":
            name = rest
            materials[name] = SurfaceMaterial(PLAIN_GREY)
        elif name is None:
            continue
        elif keyword.lower() == "kd":
            rgb = parse_numbers(rest.encode())
            if rgb.size == 3 and np.isfinite(rgb).all():
                red, green, blue = np.clip(rgb, 0, 1).tolist()
                materials[name] = replace(materials[name], rgb=(red, green, blue))
        elif keyword.lower() == "map_kd":
            file = _without_options(rest)
            if file:
                materials[name] = replace(materials[name], texture=Texture(file, beside(path.parent, file)))
    return materials


def _without_options(text: str) -> str:
    """The file name behind the options of a map; it may have blanks."""
    while text.startswith("-"):
        option, _, text = text.partition(" ")
        text = text.lstrip()
        for taken in range(OPTION_VALUES.get(option.lower(), 1)):
            value, _, behind = text.partition(" ")
            if taken and not _is_number(value):
                break
            text = behind.lstrip()
    return text.strip().strip('"')


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
