"""Which photos a user means, each with a name of its own; whatever is skipped is said."""

from __future__ import annotations

import mimetypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.people.person import Photo
from datasets.people.video import Video
from utils.errors import InputError, one_line
from utils.files import PHOTO_SUFFIXES, is_closed

OTHER_PICTURES = frozenset(
    ".arw .cr2 .cr3 .dng .nef .orf .raf .rw2 .exr .hdr .jp2 .jxl .psd .tga .svg .eps .ppm .pgm".split()
)
"""Pictures that are not read, beside those that the system's table of types knows."""
COMPANION = re.compile(r"(?P<of>.+)_(mask\.png|keypoints\.json)", re.IGNORECASE)
"""Masks and joints that lie beside the photo to which they belong."""
NAMED_AT_MOST = 10


@dataclass(frozen=True)
class PhotoFile:
    """One photo, or one frame of a video."""

    path: Path
    video: Video | None = None  # whose frame it is
    frame: int = 0  # its number, from 0
    problem: str | None = None  # why it cannot be read

    @property
    def name(self) -> str:
        """Without suffix: the photo's own, or the video's with the frame's number."""
        return self.path.stem if self.video is None else f"{self.path.stem}_{self.frame:06d}"

    def read(self) -> Photo:
        """The photo; a frame's joints and mask are looked for beside the video, by the frame's name.

        Raises:
            InputError: it cannot be read.
        """
        if self.problem is not None:
            raise InputError(f"{self.path}: {self.problem}")
        if self.video is None:
            return Photo.read(self.path)
        return Photo(self.path.with_name(f"{self.name}.png"), self.video.read(self.frame), None)


@dataclass(frozen=True)
class PhotoList:
    """What is to be done, and what lies beside it."""

    photos: dict[str, PhotoFile]  # name of the result -> photo
    passed_over: tuple[str, ...]  # names of everything that is no photo, nor belongs to one

    def note(self) -> str | None:
        """One line about what was passed over; None when there was nothing."""
        if not self.passed_over:
            return None
        more = len(self.passed_over) - NAMED_AT_MOST
        named = ", ".join(self.passed_over[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
        return one_line(f"passed over, no photos: {named}")


def find_photos(paths: Sequence[Path | str], recursive: bool = False, every: int = 1) -> PhotoList:
    """Photos and videos of files and folders.

    Hidden files are not looked at. Photos that differ in their suffix or folder only get it as part of their name.

    Args:
        recursive: go into sub-folders, too.
        every: take every N-th frame of a video.

    Raises:
        InputError: a path is not there, or there is no photo at all.
    """
    bases: dict[Path, Path] = {}  # of each file the folder that was named
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder, expected photos")
        bases |= {file: path if path.is_dir() else path.parent for file in sorted(_files_of(path, recursive))}
    files, left = _sorted_out(list(bases))
    found: list[tuple[str, PhotoFile]] = []
    for file in files:
        prefix = "_".join([*file.relative_to(bases[file]).parts[:-1], ""])
        found += [(prefix, photo) for photo in _photos_of(file, every)]
    passed_over = [str(file.relative_to(bases[file])) + ("/" if file.is_dir() else "") for file in left]
    if not found:
        where = ", ".join(map(str, paths))
        raise InputError(f"{where}: no photo in it, expected {', '.join(PHOTO_SUFFIXES)} or a video")
    return PhotoList(_named(found), tuple(passed_over))


def _files_of(path: Path, recursive: bool, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """A file itself; a folder's files, and its sub-folders where they are not gone into.

    Args:
        above: the folders that lead here, without links: none of them is gone into again.
    """
    if not path.is_dir():
        yield path
        return
    above = (*above, path.resolve())
    for entry in path.iterdir():
        if entry.name.startswith("."):
            continue
        if recursive and entry.is_dir() and entry.resolve() not in above and not is_closed(entry):
            yield from _files_of(entry, recursive, above)
        else:
            yield entry


def _sorted_out(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """(photos and videos, everything else but what belongs to them)."""
    pictures = [f for f in files if _looks_like(f, "image") and not COMPANION.fullmatch(f.name)]
    videos = [f for f in files if _looks_like(f, "video")]
    owners = {f.with_suffix("") for f in pictures}
    clips = {f.with_suffix("") for f in videos}
    left = []
    for file in set(files).difference(pictures, videos):
        companion = COMPANION.fullmatch(file.name)
        is_looked_for = companion and companion[2] == companion[2].lower()  # systems differ about other spellings
        owner = file.with_name(companion["of"]) if companion and is_looked_for else None
        if owner is None or not (owner in owners or owner.with_name(re.sub(r"_\d+$", "", owner.name)) in clips):
            left.append(file)
    return sorted(pictures + videos), sorted(left)


def _looks_like(file: Path, kind: str) -> bool:
    """Whether a file's name says that it is an "image" or a "video"."""
    suffix = file.suffix.lower()
    if kind == "image" and (suffix in PHOTO_SUFFIXES or suffix in OTHER_PICTURES):
        return not file.is_dir()
    return (mimetypes.guess_type(f"x{suffix}")[0] or "").startswith(f"{kind}/") and not file.is_dir()


def _photos_of(file: Path, every: int) -> list[PhotoFile]:
    if _looks_like(file, "video"):
        try:
            video = Video(file)
            return [PhotoFile(file, video, frame) for frame in range(0, video.frames, every)]
        except InputError as error:
            return [PhotoFile(file, problem=str(error).removeprefix(f"{file}: "))]
    if file.suffix.lower() not in PHOTO_SUFFIXES:
        return [PhotoFile(file, problem=f"cannot be read, expected {', '.join(PHOTO_SUFFIXES)}: convert it")]
    return [PhotoFile(file)]


def _named(found: list[tuple[str, PhotoFile]]) -> dict[str, PhotoFile]:
    """Names that are different, also where upper and lower case are the same, sorted."""
    plain = [prefix + photo.name for prefix, photo in found]
    often = Counter(name.casefold() for name in plain)
    named: dict[str, PhotoFile] = {}
    taken = {name.casefold() for name in plain if often[name.casefold()] == 1}
    for name, (_, photo) in zip(plain, found, strict=True):
        if often[name.casefold()] > 1:
            first = name = f"{name}_{photo.path.suffix[1:].lower()}"
            number = 1
            while name.casefold() in taken:
                number += 1
                name = f"{first}_{number}"
            taken.add(name.casefold())
        named[name] = photo
    return dict(sorted(named.items()))
