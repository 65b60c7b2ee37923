"""The sources of joints and masks by the names that the command line knows."""

from __future__ import annotations

from dataclasses import dataclass

from datasets.masks import GivenMask
from datasets.openpose import OpenPoseFile
from datasets.people import KeypointSource, MaskSource
from datasets.rembg_masks import REMBG_MODELS, RembgMask
from utils.errors import InputError

KEYPOINT_CHOICES = ("auto", "file")
MASK_CHOICES = ("auto", "file", *REMBG_MODELS)


@dataclass(frozen=True)
class SourceOptions:
    """What the detectors are told, whichever of them is used."""

    person: int | None = None  # number from the left of the photo, from 1; None: the largest and most central
    providers: tuple[str, ...] = ("CPUExecutionProvider",)  # of onnxruntime, in order of preference
    threads: int = 0  # of onnxruntime; 0 lets it choose


def keypoint_source(choice: str, options: SourceOptions) -> KeypointSource:
    """The source of joints that a user names.

    Raises:
        InputError: there is no source of that name.
    """
    if choice in ("auto", "file"):
        return OpenPoseFile(options.person)
    raise InputError(f"keypoints {choice!r}, expected one of {', '.join(KEYPOINT_CHOICES)}")


def mask_source(choice: str, options: SourceOptions) -> MaskSource:
    """The source of masks that a user names.

    Raises:
        InputError: there is no source of that name.
    """
    if choice in ("auto", "file"):
        return GivenMask()
    if choice in REMBG_MODELS:
        return RembgMask(choice, options.providers, options.threads)
    raise InputError(f"mask {choice!r}, expected one of {', '.join(MASK_CHOICES)}")
