"""A photo that lies on its side is turned, with the joints and the mask that belong to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.people.person import NoPersonError, Person, Photo, find_person, trunk
from datasets.people.person_sources import PersonSources
from geometry.keypoints import Keypoints

SIDEWAYS = (1, 3)
"""Quarter turns that a photo may need in which no upright person is found."""

DEGREES = {1: "90 deg to the left", 2: "180 deg", 3: "90 deg to the right"}


@dataclass(frozen=True)
class UprightPerson:
    """A person who stands, and the photo turned so that they do."""

    photo: Photo
    person: Person  # joints and mask in its pixels
    turns: int  # by which it was turned: quarter turns, counter-clockwise


def find_upright(photo: Photo, sources: PersonSources) -> UprightPerson:
    """The person in a photo, both turned so that the person stands.

    Where no person is found, the photo is also tried turned; not for one of several people, who are counted in
    the photo as it is.

    Raises:
        InputError: there is no usable person in it, whichever side is up.
    """
    try:
        person = find_person(photo, sources.keypoints, sources.mask)
        already = 0
    except NoPersonError:
        if any(source.wanted.person is not None for source in sources.choosers):
            raise
        for already in SIDEWAYS:
            turned = _turned_photo(photo, already)
            try:
                person = find_person(turned, sources.keypoints, sources.mask)
            except NoPersonError:
                continue
            photo = turned
            break
        else:
            raise
    more = quarter_turns(person.keypoints)
    turns = (already + more) % 4
    if turns == 0:
        return UprightPerson(photo, person, 0)
    note = f"the person does not stand: the photo was turned by {DEGREES[turns]}"
    person = replace(_turned_person(person, more), warnings=(note, *person.warnings))
    return UprightPerson(_turned_photo(photo, more), person, turns)


def quarter_turns(keypoints: Keypoints) -> int:
    """How many quarter turns, counter-clockwise, make a person stand; every joint must be present."""
    right, down = trunk(keypoints)
    # A trunk that points to the right of the picture must be turned clockwise, that is three times the other way.
    return int(np.round(np.arctan2(-right, down) / (np.pi / 2))) % 4


def turned_points(xy: np.ndarray, size: tuple[int, int], turns: int) -> np.ndarray:
    """(N, 2) pixel indices of a photo of (width, height) after quarter turns, counter-clockwise (numpy.rot90)."""
    width, height = size
    for _ in range(turns):
        xy = np.stack([xy[:, 1], width - 1 - xy[:, 0]], axis=1)
        width, height = height, width
    return xy


def _turned_photo(photo: Photo, turns: int) -> Photo:
    alpha = None if photo.alpha is None else np.ascontiguousarray(np.rot90(photo.alpha, turns))
    return replace(photo, rgb=np.ascontiguousarray(np.rot90(photo.rgb, turns)), alpha=alpha)


def _turned_person(person: Person, turns: int) -> Person:
    size = (person.mask.shape[1], person.mask.shape[0])
    return replace(
        person,
        keypoints=person.keypoints.moved(lambda xy: turned_points(xy, size, turns)),
        mask=np.ascontiguousarray(np.rot90(person.mask, turns)),
    )
