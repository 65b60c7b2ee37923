"""Pictures as phones, browsers and messengers save them."""

import sys

import numpy as np
import pytest
from PIL import Image

from utils.errors import InputError
from utils.files import read_photo

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)


@pytest.mark.parametrize(("suffix", "kind"), [("jfif", "JPEG"), ("avif", "AVIF"), ("gif", "GIF"), ("webp", "WEBP")])
def test_formats_of_phones_browsers_and_messengers_are_read(tmp_path, suffix, kind):
    """Of a moving picture, the first one."""
    first, second = (np.full((32, 48, 3), level, np.uint8) for level in (200, 50))
    more = {"save_all": True, "append_images": [Image.fromarray(second)]} if kind == "GIF" else {}
    Image.fromarray(first).save(tmp_path / f"a.{suffix}", kind, **more)
    rgb, alpha = read_photo(tmp_path / f"a.{suffix}")
    assert rgb.shape == (32, 48, 3) and alpha is None
    assert abs(rgb.astype(int) - 200).max() <= 3


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "IMG_0001.jpg"])
def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch, name):
    """By what is in the file: phones also write it into .jpg."""
    for package in ("pi_heif", "pillow_heif"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(InputError, match=f"{name}: a HEIC photo, .*pip install pi-heif"):
        read_photo(tmp_path / name)
