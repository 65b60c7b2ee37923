"""The files of one training pair, written and read: five pictures and the joints (METHOD.md 2.4)."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from datasets.pairs.pair_layout import Pair
from geometry.keypoints import Keypoints
from utils.errors import InputError
from utils.files import open_at_once, read_depth_png, read_photo, write_bytes, write_png
from utils.pictures import PNG_END, PNG_SIGNATURE

LARGEST_JOINT_FILE = 2**16
"""Bytes; 31 joints take less than a thousand."""


@dataclass(frozen=True)
class PairImages:
    """The five pictures of a pair, size x size each, 0 on the background."""

    shaded_front: np.ndarray  # (size, size, 3) uint8 sRGB
    color_front: np.ndarray  # (size, size, 3) uint8 sRGB, unlit
    color_back: np.ndarray  # (size, size, 3) uint8 sRGB, unlit, on the front view's pixel grid
    depth_front: np.ndarray  # (size, size) uint16 file values
    depth_back: np.ndarray  # (size, size) uint16 file values


def write_images(root: Path, pair: Pair, images: PairImages) -> None:
    """Write the five pictures, each of them whole or not at all."""
    arrays = (images.shaded_front, images.color_front, images.color_back, images.depth_front, images.depth_back)
    for path, array in zip(pair.images, arrays, strict=True):
        write_png(root / path, array)


def write_joints(root: Path, pair: Pair, joints: np.ndarray) -> None:
    """Write (31, 3): x, y [px] and 1, or three zeros for a missing joint."""
    content = io.BytesIO()
    np.save(content, joints)
    write_bytes(root / pair.joints, content.getbuffer())


def joints_of(keypoints: Keypoints) -> np.ndarray:
    """Detected joints as they are filed: (31, 3) float64 x, y [px] and 1, or three zeros for a missing joint.

    The file counts from the picture's corner, like the projection of a scan's joints; detectors count from the centre
    of the first pixel.
    """
    rows = np.column_stack([keypoints.xy + 0.5, np.ones(len(keypoints.xy))])
    return np.where(keypoints.present[:, None], rows, 0.0)


def read_joints(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a joint file, ours or an official one: (31, 2 or 3) or its transpose, x and y first.

    Returns:
        (31, 2) float64 [px from the picture's corner], (31,) bool present. A joint that is not finite or lies exactly
        at (0, 0) is missing.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        array = _small_array(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected the joints of a render") from None
    except Exception as error:  # on arbitrary bytes numpy's reader of headers may raise anything, TokenError too
        raise InputError(f"{path}: cannot be read ({error}), expected an array of 31 joints") from error
    if array.ndim == 2 and array.shape[0] in (2, 3) and array.shape[1] == 31:
        array = array.T
    if array.shape not in ((31, 2), (31, 3)):
        raise InputError(f"{path}: shape {array.shape}, expected (31, 3) or (3, 31)")
    xy = array[:, :2]
    present = np.isfinite(xy).all(1) & (xy != 0).any(1)
    return np.where(present[:, None], xy, 0.0), present


def _small_array(path: Path) -> np.ndarray:
    """The numbers of a .npy file; its header is believed only as far as the file is long."""
    with open_at_once(path) as file:
        content = file.read(LARGEST_JOINT_FILE + 1)
    if len(content) > LARGEST_JOINT_FILE:
        raise ValueError(f"more than {LARGEST_JOINT_FILE} bytes")
    text = 10 if content[6:7] == b"\x01" else 12  # where the head's text begins, after its length
    shape, by_columns, dtype, start = _layout(content[: text + int.from_bytes(content[8:text], "little")])
    if dtype.kind not in "fiu":
        raise ValueError(f"an array of {dtype}")
    values = np.frombuffer(content, dtype, math.prod(shape), offset=start)
    return values.reshape(shape, order="F" if by_columns else "C").astype(np.float64)


@lru_cache(maxsize=16)
def _layout(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order, kind of number and start of the numbers, from the head of a .npy file. Those of a set are alike."""
    stream = io.BytesIO(head)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return *read_header(stream), stream.tell()


def _same_square(root: Path, paths: Iterable[str], arrays: Iterable[np.ndarray]) -> None:
    size = None
    for path, array in zip(paths, arrays, strict=True):
        size = size or array.shape[0]
        if array.shape[:2] != (size, size):
            raise InputError(
                f"{root / path}: {array.shape[1]} x {array.shape[0]} px, expected a square picture as large as the "
                f"others of the pair, {size} x {size}"
            )


def read_pair(root: Path, pair: Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What training reads of a pair.

    Returns:
        shaded front (size, size, 3) uint8 sRGB, front and back depth (size, size) uint16 file values.

    Raises:
        InputError: a file is missing or broken, or the pictures differ in size.
    """
    paths = (pair.shaded_front, pair.depth("front"), pair.depth("back"))
    photo, front, back = read_photo(root / paths[0])[0], *(read_depth_png(root / path) for path in paths[1:])
    _same_square(root, paths, (photo, front, back))
    return photo, front, back


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file [px], from its first bytes.

    Raises:
        InputError: it is missing, cannot be opened or is no PNG.
    """
    try:
        with open_at_once(path) as file:
            head = file.read(24)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected a picture of a training pair") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a picture of a training pair") from error
    if not head.startswith(PNG_SIGNATURE) or len(head) < 24:
        raise InputError(f"{path}: cannot be read as an image, expected a PNG")
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def is_whole_picture(path: Path) -> bool:
    """Whether a file begins and ends as a PNG does."""
    try:
        with open_at_once(path) as file:
            head = file.read(len(PNG_SIGNATURE))
            file.seek(-len(PNG_END), os.SEEK_END)
            return head == PNG_SIGNATURE and file.read(len(PNG_END)) == PNG_END
    except OSError:
        return False


def has_images(root: Path, pair: Pair) -> bool:
    """Whether all five pictures are there, none of them cut short."""
    return all(is_whole_picture(root / path) for path in pair.images)


def is_complete(root: Path, pair: Pair) -> bool:
    """Whether pictures and joints are there, and can be read."""
    try:
        read_joints(root / pair.joints)
    except InputError:
        return False
    return has_images(root, pair)
