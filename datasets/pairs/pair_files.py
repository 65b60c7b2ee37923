"""Where training pairs lie on disk: the official folders, names and list files, written and read (METHOD.md 2.4).

Only home of the layout, so that pairs made by the official renderer and by ours mix freely.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geometry.keypoints import Keypoints
from utils.errors import InputError
from utils.files import (
    PNG_END,
    PNG_SIGNATURE,
    check_name,
    read_depth_png,
    read_photo,
    read_text,
    write_bytes,
    write_png,
    write_text,
)

SHADED, UNLIT, DEPTH, JOINTS = "PERS/COLOR/SHADED", "PERS/COLOR/NOSHADING", "PERS/DEPTH", "PERS/keypoint"
"""Folders of the lit photos, unlit colors, depth and joints; each holds one folder a view (`viewpoint_of`)."""
IMAGE_FILES = (
    (SHADED, "_front.png"),
    (UNLIT, "_front.png"),
    (UNLIT, "_back.png"),
    (DEPTH, "_front.png"),
    (DEPTH, "_back.png"),
)
"""The five pictures of a pair: the folder of their kind, and what follows the subject in the name."""
JOINTS_FILE = (JOINTS, "_front.npy")
_VIEW = re.compile(r"(?P<set>.+)_0_y_(?P<yaw>-?\d+(\.\d+)?)_x")
LARGEST_JOINT_FILE = 2**16
"""Bytes; 31 joints take less than a thousand."""
HELD_BACK = {"test": 0.1, "val": 0.1}
"""Fractions of the subjects; the rest trains."""
LISTED_PARTS = ("all", "train", "val", "test")
"""A set has a list of each."""


@dataclass(frozen=True)
class Viewpoint:
    """A set of people seen from one side: what a folder of pictures is named after."""

    set_name: str
    yaw: float  # [deg] the people are turned about Y


def viewpoint_of(folder: str) -> Viewpoint | None:
    """The viewpoint of a folder's name, {SET}_0_y_{YAW}_x; None for any other name."""
    match = _VIEW.fullmatch(folder)
    return Viewpoint(match["set"], float(match["yaw"])) if match else None


@dataclass(frozen=True, order=True)
class Pair:
    """Names one training pair: a subject of a set, seen from one side."""

    set_name: str
    subject: str
    yaw: float  # [deg] the person is turned about Y

    def __post_init__(self) -> None:
        """Raises InputError for a name that would lead out of the data folder."""
        for name in (self.set_name, self.subject):
            check_name(name, "training pair")

    @property
    def folder(self) -> str:
        return f"{self.set_name}_0_y_{self.yaw:g}_x"

    @property
    def shaded_front(self) -> str:
        return f"{SHADED}/{self.folder}/{self.subject}_front.png"

    def color(self, side: str) -> str:
        """Unlit color; side is "front" or "back"."""
        return f"{UNLIT}/{self.folder}/{self.subject}_{side}.png"

    def depth(self, side: str) -> str:
        """Depth; side is "front" or "back"."""
        return f"{DEPTH}/{self.folder}/{self.subject}_{side}.png"

    @property
    def joints(self) -> str:
        return f"{JOINTS}/{self.folder}/{self.subject}{JOINTS_FILE[1]}"

    @property
    def joints_json(self) -> str:
        """Where owners of the official sets keep what OpenPose found on the render."""
        return f"PERS/keypoint_json/{self.folder}/{self.subject}_front_keypoints.json"

    @property
    def images(self) -> tuple[str, ...]:
        """The five pictures of the pair."""
        return tuple(f"{kind}/{self.folder}/{self.subject}{ending}" for kind, ending in IMAGE_FILES)

    @property
    def list_line(self) -> str:
        """The pair's line in a list file."""
        return f"/{self.shaded_front} /{self.color('front')} /{self.depth('front')}"

    @classmethod
    def from_list_line(cls, line: str) -> Pair:
        """The pair that a list file's line names.

        Raises:
            InputError: the line does not name one pair of the official layout.
        """
        shaded = Path(line.split()[0]) if line.split() else Path()
        view = viewpoint_of(shaded.parent.name)
        if view and shaded.name.endswith("_front.png"):
            pair = cls(view.set_name, shaded.name.removesuffix("_front.png"), view.yaw)
            if line.split() == pair.list_line.split():
                return pair
        raise InputError(
            f"line {line.strip()!r}, expected three paths like {cls('RP', 'rp_someone_posed_001', -30).list_line}"
        )


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
    with path.open("rb") as file:
        content = file.read(LARGEST_JOINT_FILE + 1)
    if len(content) > LARGEST_JOINT_FILE:
        raise ValueError(f"more than {LARGEST_JOINT_FILE} bytes")
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read_header(stream)
    if dtype.kind not in "fiu":
        raise ValueError(f"an array of {dtype}")
    values = np.frombuffer(content, dtype, math.prod(shape), offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C").astype(np.float64)


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
        with path.open("rb", buffering=0) as file:
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
        with path.open("rb", buffering=0) as file:
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


def find_pairs(root: Path, set_name: str) -> list[Pair]:
    """All complete pairs of a set, in order."""
    pairs = []
    for folder in (root / SHADED).glob("*"):
        view = viewpoint_of(folder.name)
        if view and view.set_name == set_name:
            # Only those are opened that have all their files.
            kinds = (*IMAGE_FILES, JOINTS_FILE)
            complete = [_subjects(root / kind / folder.name, ending) for kind, ending in kinds]
            pairs += [Pair(set_name, name, view.yaw) for name in set.intersection(*complete)]
    return sorted(pair for pair in pairs if is_complete(root, pair))


def _subjects(folder: Path, ending: str) -> set[str]:
    """Subjects that have a file {subject}{ending} in a folder."""
    names = os.listdir(folder) if folder.is_dir() else []
    return {name[: -len(ending)] for name in names if name.endswith(ending) and name != ending and name[0] != "."}


def _rank(subject: str) -> float:
    """A number in [0, 1) that depends on the name alone, so that new subjects never move old ones."""
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:6], "big") / 2**48


def split_subjects(subjects: Iterable[str]) -> dict[str, str]:
    """Which subject trains ("train"), validates ("val") and tests ("test"), decided by a hash of its name.

    Of three subjects or more, each part has at least one; one or two all train.
    """
    order = sorted(set(subjects), key=_rank)
    ranks = np.array([_rank(subject) for subject in order])
    tests, unseen = np.searchsorted(ranks, np.cumsum([HELD_BACK["test"], HELD_BACK["val"]]))
    if len(order) < 3:
        tests, unseen = 0, 0
    else:
        tests = int(np.clip(tests, 1, len(order) - 2))
        unseen = int(np.clip(unseen, tests + 1, len(order) - 1))
    return {name: "test" if k < tests else "val" if k < unseen else "train" for k, name in enumerate(order)}


def write_lists(root: Path, set_name: str) -> int:
    """Write list/{SET}_all.txt and _train, _val, _test from the pairs on disk.

    Returns:
        The number of pairs listed.
    """
    pairs = find_pairs(root, set_name)
    part = split_subjects(pair.subject for pair in pairs)
    for name in LISTED_PARTS:
        lines = [pair.list_line for pair in pairs if name in ("all", part[pair.subject])]
        write_text(root / "list" / f"{set_name}_{name}.txt", "".join(f"{line}\n" for line in lines))
    return len(pairs)


def lists_are_current(root: Path, set_name: str) -> bool:
    """Whether the lists of a set are there, and no file of the set has come or gone since they were written."""
    try:
        written = min((root / "list" / f"{set_name}_{part}.txt").stat().st_mtime_ns for part in LISTED_PARTS)
    except FileNotFoundError:
        return False
    kinds = {kind for kind, _ in (*IMAGE_FILES, JOINTS_FILE)}
    folders = [folder for kind in kinds for folder in (root / kind).glob("*_0_y_*_x") if _set_of(folder) == set_name]
    return all(folder.stat().st_mtime_ns <= written for folder in folders)


def _set_of(folder: Path) -> str | None:
    """The set that a folder of the layout belongs to."""
    view = viewpoint_of(folder.name)
    return view.set_name if view else None


def read_list(path: Path) -> list[Pair]:
    """The pairs of a list file; empty lines are skipped.

    Raises:
        InputError: the file is missing, empty, or a line does not name a pair.
    """
    lines = read_text(path, "a list of pairs").splitlines()
    try:
        pairs = [Pair.from_list_line(line) for line in lines if line.strip()]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not pairs:
        raise InputError(f"{path}: no lines, expected a list of pairs")
    return pairs
