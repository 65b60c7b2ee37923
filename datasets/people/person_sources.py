"""The sources of joints and masks by the names that the command line knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from datasets.people.choice import Wanted
from datasets.people.given_mask import GivenMask, has_given_mask
from datasets.people.mediapipe.detector import MediaPipeDetector
from datasets.people.mediapipe.person_mask import MediaPipeMask
from datasets.people.onnx_runtime import check_available
from datasets.people.openpose import OpenPoseFile, keypoint_path
from datasets.people.person import FoundKeypoints, FoundMask, KeypointSource, MaskSource, Photo
from datasets.people.rembg_masks import REMBG_MODELS, RembgMask
from datasets.people.rtmw import RtmwKeypoints
from geometry.keypoints import Keypoints
from utils.errors import InputError

KEYPOINT_CHOICES = ("auto", "file", "mediapipe", "rtmw")
"""`auto` takes the file beside the photo when there is one, else `mediapipe`; any other is used and nothing else."""
MASK_CHOICES = ("auto", "file", "mediapipe", "mediapipe-skirt", *REMBG_MODELS)
"""`auto` takes the file beside the photo or its alpha channel when there is one, else `mediapipe`."""


@dataclass(frozen=True)
class SourceOptions:
    """Options of the detectors."""

    person: int | None = None  # number from the left of the photo, from 1; None: the largest and most central
    corrected: bool = True  # move mediapipe's joints to where OpenPose would place them
    providers: tuple[str, ...] = ("CPUExecutionProvider",)  # of onnxruntime, in order of preference
    threads: int = 0  # of onnxruntime; 0 lets it choose


@runtime_checkable
class Opens(Protocol):
    """A source with networks."""

    def open(self) -> object:
        """Load them. Raises ModelUnavailableError when they are not on this machine and cannot be fetched."""
        ...


class ChoosesPerson(Protocol):
    """A source that can be told which of several people to take."""

    wanted: Wanted


@dataclass(frozen=True)
class PersonSources:
    """A source of joints and one of masks that share what they have in common."""

    keypoints: KeypointSource
    mask: MaskSource
    choosers: tuple[ChoosesPerson, ...] = ()

    def open(self) -> None:
        """Load, and where needed download, what every photo will need: what fails is said once, and not for each.

        Raises:
            ModelUnavailableError: weights are not there and cannot be fetched, or are broken.
        """
        for source in (self.keypoints, self.mask):
            if isinstance(source, Opens):
                source.open()

    def choose(self, person: int | None) -> None:
        """Take this person from now on in this thread: a number from the left, from 1; None: the most prominent."""
        for source in self.choosers:
            source.wanted.person = person


def person_sources(keypoints: str = "auto", mask: str = "auto", options: SourceOptions | None = None) -> PersonSources:
    """The sources that a user names, looked at once: their packages are there. Weights wait for `open` or a photo.

    Args:
        keypoints: one of KEYPOINT_CHOICES.
        mask: one of MASK_CHOICES.

    Raises:
        InputError: there is no source of that name, no such person, or a package or provider is missing.
    """
    options = options or SourceOptions()
    if options.person is not None and options.person < 1:
        raise InputError(f"--person {options.person}, expected a number from 1, counted from the left of the photo")
    if options.threads < 0:
        raise InputError(f"--threads {options.threads}, expected 0 or more")
    named = "--keypoints rtmw" if keypoints == "rtmw" else f"--mask {mask}"
    check_available(named, needed_packages(keypoints, mask), options.providers)
    detector = MediaPipeDetector(options.person, options.corrected, options.providers, options.threads)
    file, rtmw = OpenPoseFile(options.person), RtmwKeypoints(options.person, options.providers)
    by_name: dict[str, KeypointSource] = {
        "auto": _FileOr(file, detector),
        "file": file,
        "mediapipe": detector,
        "rtmw": rtmw,
    }
    if keypoints not in by_name:
        raise InputError(f"--keypoints {keypoints}, expected one of {', '.join(KEYPOINT_CHOICES)}")
    return PersonSources(by_name[keypoints], _mask_source(mask, options, detector), (file, detector, rtmw))


def needed_packages(keypoints: str, mask: str) -> list[str]:
    """Packages beside onnxruntime that sources need: those with weights that are fetched the first time."""
    return ["rtmlib"] * (keypoints == "rtmw") + ["rembg"] * (mask in REMBG_MODELS)


def _mask_source(choice: str, options: SourceOptions, detector: MediaPipeDetector) -> MaskSource:
    if choice == "auto":
        return _GivenOr(GivenMask(), MediaPipeMask(detector))
    if choice == "file":
        return GivenMask()
    if choice in ("mediapipe", "mediapipe-skirt"):
        return MediaPipeMask(detector, with_skirt=choice == "mediapipe-skirt")
    if choice in REMBG_MODELS:
        return RembgMask(choice, options.providers, options.threads)
    raise InputError(f"--mask {choice}, expected one of {', '.join(MASK_CHOICES)}")


@dataclass(frozen=True)
class KnownKeypoints:
    """Joints that the caller has."""

    found: Keypoints  # in the photo's pixels; joints may be missing

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """The given joints, whatever the photo."""
        return FoundKeypoints(self.found)


@dataclass(frozen=True)
class KnownMask:
    """A mask that the caller has."""

    found: np.ndarray  # (H, W) bool

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The given mask, whatever the photo and the joints."""
        return FoundMask(self.found)


@dataclass(frozen=True)
class _FileOr:
    """Joints from the file beside the photo when there is one, else from a detector. A broken file is an error."""

    file: OpenPoseFile
    detector: KeypointSource

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """The given joints, whatever the photo."""
        there = photo.is_file and keypoint_path(photo.path).exists()
        return (self.file if there else self.detector).keypoints(photo)


@dataclass(frozen=True)
class _GivenOr:
    """A mask that is given with the photo when there is one, else a model's. A broken file is an error."""

    given: GivenMask
    model: MaskSource

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The given mask, whatever the photo and the joints."""
        return (self.given if has_given_mask(photo) else self.model).mask(photo, keypoints)
