"""The bundled source of joints: whole photos in, the 31 joints of one person out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datasets.people.choice import Wanted, choose_person
from datasets.people.mediapipe.joints import POSE_POINT, joints_from_pose, one_hand_each
from datasets.people.mediapipe.landmarks import Hand, Pose, find_hand, find_pose_twice
from datasets.people.mediapipe.onnx_networks import Networks
from datasets.people.mediapipe.person_boxes import find_people, person_region
from datasets.people.mediapipe.regions import Pyramid
from datasets.people.person import (
    FoundKeypoints,
    NoPersonError,
    NoSuchPersonError,
    PersonCutOffError,
    Photo,
    complete_keypoints,
)
from geometry.keypoints import INDEX, JOINTS, PREDICTED_SCORE, Keypoints

PRESENCE = 0.9
"""Of a person in the second look. Whole people have 1.00; motorcycles that the detector took for one reach 0.7."""
VISIBLE = 0.3
"""Knees and ankles of people cut at the knees have a visibility below 0.05, of whole people above 0.9."""
OUTSIDE = 0.01
"""Of the photo's longer side: how far outside a joint may lie before it counts as cut off."""
MOST_LOST = 4
"""Of the joints above the hips that may be outside: an arm, but not half of the person."""
LEG_JOINTS = ("left_knee", "right_knee", "left_ankle", "right_ankle")
SOURCE = "mediapipe"


class _LastSeen(threading.local):
    """What a thread's last `keypoints` saw: others may look at other photos in between."""

    seen: tuple[Photo, Keypoints, Pose] | None = None


class MediaPipeDetector:
    """Joints from the bundled networks.

    Args:
        person: number from the left of the photo, from 1; None takes the largest and most central.
        corrected: move the joints to where OpenPose would place them.
        providers: onnxruntime execution providers.
        threads: of onnxruntime; 0 lets it choose.
    """

    def __init__(
        self,
        person: int | None = None,
        corrected: bool = True,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        threads: int = 0,
    ) -> None:
        self.wanted, self.corrected = Wanted(person), corrected
        self.networks = Networks(providers, threads)
        self._last = _LastSeen()

    def open(self) -> None:
        """Load the networks now. Raises ModelUnavailableError as `keypoints` does."""
        self.networks.open()

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """Joints of the person, hidden ones predicted.

        Raises:
            NoPersonError: no person is found, or not as many as `person` says.
            PersonCutOffError: the photo does not show the whole person.
            ModelUnavailableError: the networks cannot be loaded.
        """
        name, pyramid = photo.path.name, Pyramid(photo.rgb)
        number = self.wanted.person
        people = find_people(self.networks, pyramid, everyone=number is not None)
        if not people:
            raise NoSuchPersonError(
                f"{name}: no person found; one who is small in the photo must be cropped, or the joints given in a file"
            )
        boxes = np.array([person.box for person in people])
        chosen, warnings = choose_person(boxes, photo.size, number, name)
        pose = find_pose_twice(self.networks, pyramid, people[chosen].region)
        if pose.presence < PRESENCE:
            raise NoPersonError(f"{name}: no person found (presence {pose.presence:.2f}, expected {PRESENCE})")
        hands = {side: self._hand(pyramid, pose, side) for side in ("left", "right")}
        joints = joints_from_pose(pose, one_hand_each(pose, hands), self.corrected, SOURCE)
        joints, cut = _judged(joints, pose, photo)
        warnings = (*warnings, *cut)
        self._last.seen = (photo, joints, pose)
        return FoundKeypoints(joints, warnings)

    def _hand(self, pyramid: Pyramid, pose: Pose, side: str) -> Hand:
        points = (pose.points[POSE_POINT[f"{side}_{name}"]] for name in ("wrist", "index", "pinky"))
        return find_hand(self.networks, pyramid, *points)

    def pose(self, photo: Photo, keypoints: Keypoints) -> Pose:
        """The person with these joints as the pose network sees it; no work when `keypoints` has just seen the photo.

        Args:
            keypoints: from any source; joints may be missing.

        Raises:
            PersonCutOffError: too many joints are missing.
        """
        last = self._last.seen
        if last is not None and last[0] is photo and last[1] is keypoints:
            return last[2]
        complete, _ = complete_keypoints(photo, keypoints)
        hips = complete.xy[[INDEX["left_hip"], INDEX["right_hip"]]].mean(0)
        shoulders = complete.xy[[INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(0)
        up = (shoulders - hips) / max(np.linalg.norm(shoulders - hips), 1e-9)
        radius = np.linalg.norm(complete.xy - hips, axis=1).max()
        return find_pose_twice(self.networks, Pyramid(photo.rgb), person_region(hips + 0.5, hips + 0.5 + radius * up))


def _judged(joints: Keypoints, pose: Pose, photo: Photo) -> tuple[Keypoints, tuple[str, ...]]:
    """Joints outside the photo marked as predicted, and the warning about them.

    Raises:
        PersonCutOffError: both eyes, both shoulders or many joints above the hips are outside.
    """
    beyond = np.maximum(-joints.xy, joints.xy - (np.array(photo.size) - 1)).max(axis=1)
    outside = joints.present & (beyond > OUTSIDE * max(photo.size))
    lost = {name for name, index in INDEX.items() if outside[index]}
    lost |= {name for name in LEG_JOINTS if pose.visibility[POSE_POINT[name]] < VISIBLE}
    for joint in ("eye", "shoulder"):
        if {f"left_{joint}", f"right_{joint}"} <= lost:
            raise PersonCutOffError(f"{photo.path.name}: both {joint}s are outside the photo, expected both")
    lost_above = [name for name in JOINTS[: INDEX["left_hip"]] if name in lost]
    if len(lost_above) > MOST_LOST:
        raise PersonCutOffError(
            f"{photo.path.name}: {len(lost_above)} of the {INDEX['left_hip']} joints above the hips are outside it"
        )
    if not lost:
        return joints, ()
    score = np.where(outside, np.minimum(joints.score, PREDICTED_SCORE), joints.score)
    origin = tuple("predicted" if out else word for out, word in zip(outside, joints.origin, strict=True))
    names = ", ".join(sorted(lost, key=INDEX.__getitem__))
    return replace(joints, score=score, origin=origin), (f"outside the photo or hidden: {names}",)
