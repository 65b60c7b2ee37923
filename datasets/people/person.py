"""Joints and mask of a photo: the interfaces of their sources, what these return, and checks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from geometry.joint_repair import IncompletePersonError, repair
from geometry.keypoints import FINGERS, INDEX, Keypoints
from geometry.similarity import left_out
from utils.errors import InputError
from utils.files import check_name, read_photo


class NoPersonError(InputError):
    """There is no person in the photo."""


class NoSuchPersonError(NoPersonError):
    """There are not as many people in the photo as were asked for."""


class PersonCutOffError(InputError):
    """Too little of the person is in the photo, or known, to digitize it."""


class KeypointFileError(InputError):
    """A file with joints that cannot be used."""


class MaskError(InputError):
    """A mask that is missing, broken, or not that of the person."""


class ModelUnavailableError(InputError):
    """A detector or mask model whose package or weights are not on this machine, or broken."""


@dataclass(frozen=True)
class Photo:
    """One photo as it is displayed."""

    path: Path
    rgb: np.ndarray  # (H, W, 3) uint8
    alpha: np.ndarray | None  # (H, W) uint8, None when the file has none or a constant one
    is_file: bool = True  # whether joints or a mask may lie beside `path`; False: it is only a name

    @classmethod
    def read(cls, path: Path | str) -> Photo:
        """Read a photo file.

        Raises:
            InputError: the file is not a readable image, or its name cannot be that of results.
        """
        path = Path(path)
        check_name(path.stem, str(path))  # results are called after it
        return cls(path, *read_photo(path))

    @classmethod
    def of_pixels(cls, pixels: np.ndarray, name: str) -> Photo:
        """A photo that is no file.

        Args:
            pixels: (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
            name: for messages and results.

        Raises:
            InputError: another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
            raise InputError(
                f"{name}: array of {pixels.dtype} and shape {pixels.shape}, expected uint8 (H, W, 3) RGB"
                " or (H, W, 4) RGBA"
            )
        alpha = pixels[..., 3] if pixels.shape[2] == 4 and np.ptp(pixels[..., 3]) > 0 else None
        return cls(Path(name), np.ascontiguousarray(pixels[..., :3]), alpha, is_file=False)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) [px]."""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True)
class FoundKeypoints:
    """What a source found, with warnings for the user."""

    keypoints: Keypoints  # joints may be missing
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundMask:
    """What a source found, with warnings for the user."""

    mask: np.ndarray  # (H, W) bool, True on the person
    warnings: tuple[str, ...] = ()


class KeypointSource(Protocol):
    """Finds the 31 joints of the person in a photo."""

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """Joints in the photo's pixels.

        Raises:
            InputError: there is no person in the photo, or the file with the joints cannot be used.
        """
        ...


class MaskSource(Protocol):
    """Finds the pixels of the person in a photo."""

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The person who has these joints.

        Raises:
            InputError: there is no usable mask.
        """
        ...


@dataclass(frozen=True)
class Person:
    """Everything the networks need to know about the person in a photo."""

    keypoints: Keypoints  # every joint present
    mask: np.ndarray  # (H, W) bool
    warnings: tuple[str, ...]
    seen: np.ndarray = field(default_factory=lambda: np.ones(31, bool))  # (31,) bool, joints that the photo shows


def find_person(photo: Photo, keypoint_source: KeypointSource, mask_source: MaskSource) -> Person:
    """Joints and mask of the person in a photo, repaired and checked against each other.

    Raises:
        InputError: there is no usable person; the message names the photo.
    """
    found = keypoint_source.keypoints(photo)
    complete, warnings = complete_keypoints(photo, found.keypoints)
    found_mask = mask_source.mask(photo, found.keypoints)
    checks = check_mask(photo, complete, found_mask.mask)
    seen = seen_joints(complete, found_mask.mask)
    absent = [name.replace("_", " ") for name in left_out(seen)]
    cut = (f"left out, not in the photo or its mask: {', '.join(absent)}",) if absent else ()
    return Person(complete, found_mask.mask, (*found.warnings, *warnings, *found_mask.warnings, *checks, *cut), seen)


SMALL_PERSON = 0.3
"""Of the photo's longer side: a person shorter than this is worth a warning."""


def complete_keypoints(photo: Photo, keypoints: Keypoints) -> tuple[Keypoints, tuple[str, ...]]:
    """Every joint placed, and the warnings: joints that a rule had to place, a small person.

    Raises:
        PersonCutOffError: too many joints are missing.
    """
    try:
        repaired = repair(keypoints)
    except IncompletePersonError as error:
        raise PersonCutOffError(f"{photo.path.name}: {error} ({keypoints.source})") from error
    complete, warnings = repaired.keypoints, []
    if repaired.notes:
        warnings.append(f"joints placed by rule: {_grouped(repaired.notes)}")
    extent = np.ptp(complete.xy, axis=0).max() / max(photo.size)
    if extent < SMALL_PERSON:
        warnings.append(f"the person spans only {100 * extent:.0f} % of the photo: expect little detail")
    return complete, tuple(warnings)


def trunk(keypoints: Keypoints) -> np.ndarray:
    """(2,) from the middle of the shoulders to the middle of the hips [px]; every joint must be present."""
    middle = {
        name: keypoints.xy[[INDEX[f"left_{name}"], INDEX[f"right_{name}"]]].mean(0) for name in ("shoulder", "hip")
    }
    return middle["hip"] - middle["shoulder"]


def _grouped(notes: tuple[str, ...]) -> str:
    """Notes "joint: rule" as one line in which every rule comes once."""
    joints: dict[str, list[str]] = {}
    for note in notes:
        joint, rule = note.split(": ")
        joints.setdefault(rule, []).append(joint)
    return "; ".join(f"{', '.join(names)} ({rule})" for rule, names in joints.items())


CONFIDENT = 0.3
"""Joints of at least this score take part in the checks of a mask and of a photo's size."""
JOINTS_IN_MASK = 0.8
"""Of the confident joints but the hands', ten of the 31, which masks lose first."""
HAND = {side: np.array([INDEX[f"{side}_wrist"], *FINGERS[side]]) for side in ("left", "right")}
HANDS = np.isin(np.arange(len(INDEX)), np.concatenate(list(HAND.values())))
HAND_LOST = 0.5
"""Fraction of a hand's confident joints in the mask below which a warning says so."""
SHRUNK = (3 / 4, 2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 8)
"""Factors by which photos are made smaller."""
MASK_MARGIN = 0.02
"""Of the longer side of the joints' box: how far beside the mask a joint may lie (ears and finger tips do)."""
SEEN_WITHIN = 0.15
"""Of the torso's length: a joint farther than this beside the mask, and of a low score, is not in the photo."""
MASK_FAR_FROM_JOINTS = 0.5
"""Intersection over union of the joints' box and the mask's box below which they seem to be of different things."""


def check_mask(photo: Photo, keypoints: Keypoints, mask: np.ndarray) -> tuple[str, ...]:
    """Warnings about a mask that the person with these joints may have.

    Args:
        keypoints: complete, in the photo's pixels.
        mask: (H, W) bool.

    Raises:
        MaskError: it has another size than the photo, is empty, is everywhere, or misses the joints.
    """
    name, (width, height) = photo.path.name, photo.size
    if mask.shape != (height, width):
        raise MaskError(f"{name}: mask of {mask.shape[1]} x {mask.shape[0]}, expected the photo's {width} x {height}")
    if not mask.any():
        raise MaskError(f"{name}: the mask is empty")
    if all(side.all() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1])):
        raise MaskError(f"{name}: the mask fills every border of the photo, expected the person in white on black")
    confident = keypoints.score >= CONFIDENT
    if not confident.any():
        return ()
    near = _near_mask(mask, keypoints.xy, MASK_MARGIN * np.ptp(keypoints.xy[confident], axis=0).max())
    inside = near[confident & ~HANDS]
    if len(inside) and inside.mean() < JOINTS_IN_MASK:
        raise MaskError(
            f"{name}: the mask holds {inside.sum()} of {len(inside)} confident joints of head, trunk and legs, expected"
            f" {100 * JOINTS_IN_MASK:.0f} %: it is not this person's{_factor(keypoints.xy[confident & ~HANDS], mask)};"
            f" try another --mask, put one of your own beside the photo as {photo.path.stem}_mask.png, or look at the"
            " joints (--save_keypoints)"
        )
    warnings = []
    lost = [side for side, of_hand in HAND.items() if (near | ~confident)[of_hand].mean() < HAND_LOST]
    if lost:
        warnings.append(f"{' and '.join(lost)} hand {'is' if len(lost) == 1 else 'are'} not in the mask: look at it")
    overlap = _box_overlap(keypoints.xy[confident], np.argwhere(mask)[:, ::-1])
    if overlap < MASK_FAR_FROM_JOINTS:
        warnings.append(
            f"the boxes of joints and mask overlap by {overlap:.2f} only: look whether they are the same person's"
        )
    return tuple(warnings)


def _factor(joints: np.ndarray, mask: np.ndarray) -> str:
    """A word about the factor by which (K, 2) joints would fit a mask, when there is one: another size of the photo."""
    margin = MASK_MARGIN * np.ptp(joints, axis=0).max()
    factors = [*SHRUNK, *(1 / factor for factor in SHRUNK)]
    inside = [_near_mask(mask, factor * joints, factor * margin).mean() for factor in factors]
    if max(inside) < JOINTS_IN_MASK:
        return ""
    factor = factors[int(np.argmax(inside))]
    return f" (multiplied by {factor:.3g} the joints would fit: were they made for another size of the photo?)"


def seen_joints(keypoints: Keypoints, mask: np.ndarray) -> np.ndarray:
    """(31,) bool: joints that the photo shows, that is inside it, and confident or near the mask.

    A rule and a detector place joints that the photo has cut off, too, or that a table hides.

    Args:
        keypoints: complete, in the photo's pixels.
        mask: (H, W) bool.
    """
    inside = ((keypoints.xy >= 0) & (keypoints.xy <= np.array(mask.shape[::-1]) - 1)).all(1)
    near = _near_mask(mask, keypoints.xy, SEEN_WITHIN * float(np.hypot(*trunk(keypoints))))
    return inside & (near | (keypoints.score >= CONFIDENT))


def _near_mask(mask: np.ndarray, joints: np.ndarray, margin: float) -> np.ndarray:
    """(K,) bool: which of the (K, 2) joints lie within `margin` [px] of the mask."""
    reach = max(margin, 1.0)
    return np.array([_is_near(mask, column, row, reach) for column, row in np.round(joints).astype(int)], bool)


def _is_near(mask: np.ndarray, column: int, row: int, reach: float) -> bool:
    """Whether a pixel of the photo lies within `reach` [px] of the mask; pixels beside the photo do not."""
    if not (0 <= column < mask.shape[1] and 0 <= row < mask.shape[0]):
        return False
    if mask[row, column]:
        return True
    top, left = max(row - int(reach), 0), max(column - int(reach), 0)
    rows, columns = np.nonzero(mask[top : row + int(reach) + 1, left : column + int(reach) + 1])
    return bool((np.hypot(rows + top - row, columns + left - column) <= reach).any())


def _box_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of the boxes around two (K, 2) sets of points [px]."""
    low = np.maximum(first.min(0), second.min(0))
    high = np.minimum(first.max(0), second.max(0))
    overlap = np.prod(np.clip(high - low, 0, None))
    return float(overlap / (np.prod(np.ptp(first, axis=0)) + np.prod(np.ptp(second, axis=0)) - overlap + 1e-9))
