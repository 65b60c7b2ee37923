"""Textures of meshes: whole, as they are stored, and no larger than memory allows."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets.rendering.textures import read_texture
from tests.test_files import png_header
from tests.test_photo_formats import corners
from utils.errors import InputError
from utils.mesh_formats.content import Texture


def texture(kind: str, **options: object) -> Texture:
    content = io.BytesIO()
    Image.fromarray(corners(24, 32)).save(content, kind, **options)
    return Texture("t", content.getvalue())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "TGA", "PPM"])
def test_textures_of_every_format_are_read(kind):
    np.testing.assert_allclose(read_texture(texture(kind), 0)[4:8, 4:12], corners(24, 32)[4:8, 4:12], atol=40)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TGA", "PPM"])
def test_a_texture_that_is_cut_short_is_named(kind):
    """Not worn as it is, grey from there on."""
    whole = texture(kind).source
    with pytest.raises(InputError, match="t: cannot be read as an image .*, expected the texture of the mesh"):
        read_texture(Texture("t", whole[: len(whole) * 3 // 4]), 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_texture_is_not_turned(kind):
    """Texture coordinates belong to the pixels as they are stored, whatever the camera wrote into EXIF."""
    exif = Image.Exif()
    exif[274] = 6
    assert read_texture(texture(kind, exif=exif), 0).shape == (24, 32, 3)


def test_a_texture_of_too_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(InputError, match="t: 40000 x 40000 px, expected at most 268 megapixels"):
        read_texture(Texture("t", png_header(40_000, 40_000)), 0)
