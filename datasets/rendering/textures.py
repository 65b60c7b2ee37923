"""Pictures that are wrapped around meshes, at the size that renders can show."""

from __future__ import annotations

import cv2
import numpy as np

from geometry.camera import Camera
from geometry.mesh import Mesh, are_places
from geometry.scan_frame import WIDTH_PER_REACH
from utils.files import read_bytes
from utils.mesh_formats.content import Texture
from utils.pictures import LARGEST_TEXTURE, TEXTURE_FORMATS, decoded, is_plain_png, opened, to_8_bit
from utils.srgb import linear_from_srgb, srgb_from_linear


def texels_per_pixel(mesh: Mesh, faces: np.ndarray, uv: np.ndarray, size: int) -> float:
    """How many widths of the texture lie on one width of the render's pixel, in the mean over the surface.

    Multiplied by the texture's width it is the step between neighbouring samples [texture px].

    Args:
        mesh: the whole mesh; its extent decides how large it is rendered.
        faces: (N,) the triangles that wear the texture.
        uv: (N, 3, 2) of their corners; NaN counts for nothing.
        size: of the render [px].
    """
    finite = mesh.vertices[are_places(mesh.vertices)]
    reach = float(np.ptp(finite, axis=0).max() / 2) if len(finite) else 0.0
    with np.errstate(all="ignore"):
        area = 2 * Mesh(mesh.vertices, mesh.faces[faces]).areas()
    edges = uv[:, 1:] - uv[:, :1]
    uv_area = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    good = np.isfinite(area) & np.isfinite(uv_area)
    if not area[good].sum() * reach > 0:
        return 0.0
    pixel_area = area[good].sum() * (Camera(size).focal / (WIDTH_PER_REACH * reach)) ** 2
    return float(np.sqrt(uv_area[good].sum() / pixel_area))


def read_texture(texture: Texture, texels_per_pixel: float) -> np.ndarray:
    """Read a texture, shrunk by 2, 4 or 8 when renders would skip its pixels (an 8k scan at 2048 px skips 4 of 5).

    Returns:
        (h, w, 3) uint8 RGB, the texture's factor multiplied in.

    Raises:
        InputError: missing, broken, cut short, or more than LARGEST_TEXTURE pixels.
    """
    name, content, expected = texture.name, texture.source, "the texture of the mesh"
    if not isinstance(content, bytes):
        name, content = str(content), read_bytes(content, expected)
    with opened(name, content, TEXTURE_FORMATS, expected, LARGEST_TEXTURE) as image:
        if is_plain_png(content, image):
            picture = decoded(content, image, cv2.IMREAD_COLOR_RGB, np.uint8)
        else:  # as it is stored: texture coordinates know of no rotation
            picture = np.asarray(to_8_bit(content, image).convert("RGB"))
    return _multiplied(_shrunk(picture, texels_per_pixel), texture.factor)


def _multiplied(picture: np.ndarray, factor: tuple[float, float, float]) -> np.ndarray:
    """The picture times a factor in linear light."""
    if factor == (1.0, 1.0, 1.0):
        return picture
    linear = linear_from_srgb(np.arange(256)[:, None] / 255) * np.array(factor)
    table = np.rint(srgb_from_linear(np.clip(linear, 0, 1)) * 255).astype(np.uint8)
    return np.stack([table[picture[..., channel], channel] for channel in range(3)], axis=-1)


def _shrunk(picture: np.ndarray, texels_per_pixel: float) -> np.ndarray:
    """A texture at 1, 1/2, 1/4 or 1/8 of its size, so that neighbouring samples are about a pixel apart."""
    step = texels_per_pixel * max(picture.shape[:2])
    shrink = 2 ** int(np.clip(np.floor(np.log2(max(step, 1.0)) + 0.5), 0, 3))
    if shrink == 1:
        return picture
    size = (max(picture.shape[1] // shrink, 1), max(picture.shape[0] // shrink, 1))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
