"""OpenPose's JSON files (BODY_25 and both hands): read strictly, written so that they can be corrected by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.people.choice import Wanted, choose_person
from datasets.people.person import CONFIDENT, SHRUNK, FoundKeypoints, KeypointFileError, Photo
from datasets.people.point_orders import ORDERS, order_of
from geometry.joint_repair import IncompletePersonError, repair
from geometry.keypoints import FINGERS, HAND_PIP, INDEX, OPENPOSE_BODY, Keypoints
from utils.errors import InputError, shown
from utils.files import read_json, write_text

BODY_FIELD, HAND_FIELDS = "pose_keypoints_2d", {"left": "hand_left_keypoints_2d", "right": "hand_right_keypoints_2d"}
BODY_POINTS, HAND_POINTS = 25, 21
OTHER_BODIES = {18: "OpenPose's COCO model", 17: "plain COCO", 15: "OpenPose's MPI model", 135: "BODY_135"}
LARGEST_VALUE = 1e6
"""[px] No photo is as wide."""
OUTSIDE = 0.02
"""Of the photo's longer side: a confident joint this far outside means that the file belongs to another image."""


def keypoint_path(photo: Path) -> Path:
    """Where the joints of a photo are looked for: `{name}_keypoints.json` beside it."""
    return photo.with_name(f"{photo.stem}_keypoints.json")


def _triples(person: dict, field: str, points: int, where: str) -> np.ndarray:
    """(points, 3) x, y, score of one field of a person.

    Raises:
        KeypointFileError: the list is missing, has another length, or holds something that is not a finite number.
    """
    values = _field(person, field)
    if not isinstance(values, list):
        raise KeypointFileError(f"{where}.{field}: {type(values).__name__}, expected a list of {3 * points} numbers")
    if len(values) != 3 * points:
        layout = OTHER_BODIES.get(len(values) // 3) if points == BODY_POINTS and len(values) % 3 == 0 else None
        hint = f" ({layout}: run OpenPose with its BODY_25 model)" if layout else ""
        raise KeypointFileError(
            f"{where}.{field}: {len(values)} numbers{hint}, expected {points} points of x, y, score"
        )
    for position, value in enumerate(values):
        # Infinite and not-a-number values are not smaller either.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_VALUE:
            raise KeypointFileError(
                f"{where}.{field}[{position}]: {shown(value)}, expected a finite number below {LARGEST_VALUE:.0e}"
            )
    return np.array(values, dtype=np.float64).reshape(points, 3)


def _field(person: dict, field: str) -> object:
    """What a person has of a name; before version 1.2 OpenPose wrote it without its ending."""
    return person.get(field, person.get(field.removesuffix("_2d")))


def _person(person: object, where: str) -> Keypoints:
    if not isinstance(person, dict):
        raise KeypointFileError(f"{where}: {type(person).__name__}, expected an object with {BODY_FIELD}")
    joints = np.zeros((31, 3))
    body = _triples(person, BODY_FIELD, BODY_POINTS, where)
    order = order_of(body, CONFIDENT)
    if order is None:
        raise KeypointFileError(
            f"{where}.{BODY_FIELD}: 25 points that make no body in the order of {' or '.join(ORDERS)},"
            " expected what OpenPose's BODY_25 model writes"
        )
    joints[: len(OPENPOSE_BODY)] = body[list(ORDERS[order])]
    for side, field in HAND_FIELDS.items():
        # OpenPose without --hand writes no such field or an empty one: the fingers are missing, the file is sound.
        if _field(person, field):
            joints[list(FINGERS[side])] = _triples(person, field, HAND_POINTS, where)[list(HAND_PIP)]
    # OpenPose writes (0, 0, 0) for a joint it does not see; a file edited by hand may have left a score behind.
    joints[(joints[:, :2] == 0).all(axis=1), 2] = 0.0
    name, seen = where.split(":")[0], joints[joints[:, 2] > 0, :2]
    if len(seen) and np.abs(seen).max() <= 1:
        raise KeypointFileError(
            f"{where}.{BODY_FIELD}: all points lie between -1 and 1, expected pixels: OpenPose's keypoint_scale 0"
        )
    source = name if order == "BODY_25" else f"{name} in the order of {order}"
    return Keypoints.from_scores(joints[:, :2], joints[:, 2], source)


def read_people(path: Path | str) -> list[Keypoints]:
    """All people of an OpenPose file, as detected: joints may be missing.

    Raises:
        KeypointFileError: names the file and the field that is wrong.
    """
    path = Path(path)
    try:
        content = read_json(path, "OpenPose's JSON of the photo's joints")
    except InputError as error:
        raise KeypointFileError(str(error)) from error
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise KeypointFileError(f"{path}: no list named people, expected a file that OpenPose wrote")
    if not people:
        raise KeypointFileError(f"{path}: people is empty, expected at least one person")
    return [_person(person, f"{path.name}: people[{index}]") for index, person in enumerate(people)]


def openpose_json(keypoints: Keypoints) -> str:
    """One person as OpenPose would write it: neck and mid-hip are means, points that are not among the 31 are 0."""
    xy = np.where(keypoints.present[:, None], keypoints.xy, 0.0)
    joints = np.column_stack([xy, keypoints.score])
    body = np.zeros((BODY_POINTS, 3))
    body[list(OPENPOSE_BODY)] = joints[: len(OPENPOSE_BODY)]
    for point, joint in ((1, "shoulder"), (8, "hip")):
        pair = joints[[INDEX[f"left_{joint}"], INDEX[f"right_{joint}"]]]
        body[point] = pair.mean(0) if (pair[:, 2] > 0).all() else 0.0
    person = {"person_id": [-1], BODY_FIELD: _numbers(body)}
    for side, field in HAND_FIELDS.items():
        hand = np.zeros((HAND_POINTS, 3))
        hand[list(HAND_PIP)] = joints[list(FINGERS[side])]
        person[field] = _numbers(hand)
    return json.dumps({"version": 1.3, "people": [person]}) + "\n"


def _numbers(triples: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in triples.ravel()]


def write_keypoints(path: Path | str, keypoints: Keypoints) -> None:
    """Write one person as an OpenPose file, atomically; `read_people` gives the joints back to 0.001 px."""
    write_text(path, openpose_json(keypoints))


class OpenPoseFile:
    """Joints from the JSON file beside the photo.

    Args:
        person: number from the left of the photo, from 1; None takes the largest and most central.
    """

    def __init__(self, person: int | None = None) -> None:
        self.wanted = Wanted(person)

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """Joints as the file has them.

        Raises:
            KeypointFileError: the file is missing, malformed, or of an image of another size.
            NoPersonError: there is no such person in it.
        """
        path = keypoint_path(photo.path)
        people = _bodies(read_people(path), path)
        boxes = np.array([_box(person) for person in people])
        chosen, warnings = choose_person(boxes, photo.size, self.wanted.person, photo.path.name)
        _check_inside(people[chosen], photo, path)
        if people[chosen].source != path.name:
            warnings = (*warnings, f"joints from {people[chosen].source}")
        return FoundKeypoints(people[chosen], warnings)


def _confident(keypoints: Keypoints) -> np.ndarray:
    """(31,) bool: the joints that count; where none is confident, all that are there."""
    confident = keypoints.score >= CONFIDENT
    return confident if confident.any() else keypoints.present


def _bodies(people: list[Keypoints], path: Path) -> list[Keypoints]:
    """Those whose confident joints make a body: OpenPose finds ghosts of two or three weak points beside them.

    When no person's confident joints do, those whose joints all together make a body; else everybody with a joint.
    """
    people = [person for person in people if person.present.any()]
    if not people:
        raise KeypointFileError(f"{path}: every joint of every person is missing, expected a person")
    sure = [replace(p, score=np.where(_confident(p), p.score, 0.0)) for p in people]
    bodies = [p for p, strict in zip(people, sure, strict=True) if _makes_a_body(strict)]
    return bodies or [p for p in people if _makes_a_body(p)] or people


def _makes_a_body(keypoints: Keypoints) -> bool:
    try:
        repair(keypoints)
    except IncompletePersonError:
        return False
    return True


def _box(keypoints: Keypoints) -> np.ndarray:
    """(4,) left, top, right, bottom of the joints that count [px]."""
    xy = keypoints.xy[_confident(keypoints)]
    return np.r_[xy.min(0), xy.max(0)]


def _check_inside(keypoints: Keypoints, photo: Photo, path: Path) -> None:
    margin, size = OUTSIDE * max(photo.size), np.array(photo.size)
    confident = keypoints.score >= CONFIDENT
    beyond = np.maximum(-keypoints.xy, keypoints.xy - (size - 1)).max(axis=1)
    wrong = np.flatnonzero(confident & (beyond > margin))
    if not len(wrong):
        return
    x, y = keypoints.xy[wrong[0]]
    name = next(joint for joint, index in INDEX.items() if index == wrong[0])
    largest = float(np.min(size / np.maximum(keypoints.xy[confident].max(0), 1)))
    factor = next((f for f in SHRUNK if f <= largest < 1), None)
    fit = f"; multiplied by {factor:.3g} its joints would fit" if factor else ""
    raise KeypointFileError(
        f"{path}: {name} at ({x:.0f}, {y:.0f}) lies outside the photo of {size[0]} x {size[1]}, expected joints of this"
        f" photo: was the file made for an image of another size?{fit}"
    )
