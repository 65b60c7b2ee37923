"""Joints and mask of one photo by the bundled networks, loaded once."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.sample import PHOTO
from datasets.people.person import Photo
from datasets.people.person_sources import person_sources


def joints() -> Callable[[], None]:
    """Read the photo, find the person's joints."""
    source = person_sources("mediapipe").keypoints

    def work() -> None:
        source.keypoints(Photo.read(PHOTO))

    return work


def mask() -> Callable[[], None]:
    """Read the photo, cut the person out; the detector's pass is part of it."""
    sources = person_sources("mediapipe", "mediapipe")
    keypoints = sources.keypoints.keypoints(Photo.read(PHOTO)).keypoints

    def work() -> None:
        sources.mask.mask(Photo.read(PHOTO), keypoints)

    return work
