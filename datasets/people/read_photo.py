"""A photo as it is read for a run over many: with what its record will say of it, and with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from datasets.people.given_mask import mask_path
from datasets.people.openpose import keypoint_path
from datasets.people.person import Photo
from datasets.people.person_sources import SourceOptions, person_sources
from datasets.people.photo_folder import PhotoFile
from datasets.people.upright import UprightPerson, find_upright
from utils.errors import InputError
from utils.records import stamps


@dataclass(frozen=True)
class ReadPhoto:
    """A photo, and what its record will say of it."""

    name: str  # of the result
    inputs: Mapping[str, list[int]]  # stamps of the files, from before they were read
    photo: Photo
    upright: UprightPerson | None = None  # who is on it, where that was looked for already

    @classmethod
    def read(cls, name: str, file: PhotoFile) -> ReadPhoto:
        """Read it.

        Raises:
            InputError: it cannot be read.
        """
        return cls(name, stamps(input_files(file)), file.read())


def input_files(file: PhotoFile) -> list[Path]:
    """The files from which a photo's result is made; not all need to be there."""
    beside = file.path.with_name(f"{file.name}.png")
    return [file.path, mask_path(beside), keypoint_path(beside)]


def look_ahead(name: str, file: PhotoFile, keypoints: str, mask: str, options: SourceOptions) -> ReadPhoto | None:
    """Read a photo and look for the person, before there is a model; None where that fails, as it will once more.

    Args:
        keypoints, mask, options: of person_sources.
    """
    try:
        read = ReadPhoto.read(name, file)
        return replace(read, upright=find_upright(read.photo, person_sources(keypoints, mask, options)))
    except (InputError, OSError):
        return None
