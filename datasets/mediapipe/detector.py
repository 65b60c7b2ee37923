"""The bundled source of joints: whole photos in, the 31 joints of one person out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datasets.mediapipe.joints import POSE_POINT, joints_from_pose, one_hand_each
from datasets.mediapipe.landmarks import Pose, find_hand, find_pose_twice
from datasets.mediapipe.networks import Networks
from datasets.mediapipe.people import find_people, person_region
from datasets.mediapipe.regions import Pyramid
from datasets.people import FoundKeypoints, NoPersonError, PersonCutOffError, Photo, choose_person
from geometry.keypoints import INDEX, Keypoints

PRESENCE = 0.5
VISIBLE = 0.3
"""Knees and ankles of people cut at the knees have a visibility below 0.05, of whole people above 0.9."""
OUTSIDE = 0.01
"""Of the photo's longer side: how far outside a joint may lie before it counts as cut off."""
SOURCE = "mediapipe"


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
        self.person, self.corrected = person, corrected
        self.networks = Networks(providers, threads)
        self._last: tuple[Photo, Keypoints, Pose] | None = None

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """Joints of the person, hidden ones predicted.

        Raises:
            NoPersonError: nobody is there, or not as many as `person` says.
            PersonCutOffError: the photo does not show the whole person.
            ModelUnavailableError: the networks cannot be loaded.
        """
        name, pyramid = photo.path.name, Pyramid(photo.rgb)
        people = find_people(self.networks, pyramid)
        if not people:
            raise NoPersonError(
                f"{name}: no person found; one who is small in the photo must be cropped, or the joints given in a file"
            )
        boxes = np.array([person.box for person in people])
        chosen, warnings = choose_person(boxes, photo.size, self.person, name)
        pose = find_pose_twice(self.networks, pyramid, people[chosen].region)
        if pose.presence < PRESENCE:
            raise NoPersonError(f"{name}: no person found (presence {pose.presence:.2f}, expected {PRESENCE})")
        hands = {side: self._hand(pyramid, pose, side) for side in ("left", "right")}
        joints = joints_from_pose(pose, one_hand_each(pose, hands), self.corrected, SOURCE)
        warnings = (*warnings, *_check_whole(joints, pose, photo))
        self._last = (photo, joints, pose)
        return FoundKeypoints(joints, warnings)

    def _hand(self, pyramid: Pyramid, pose: Pose, side: str):
        points = (pose.points[POSE_POINT[f"{side}_{name}"]] for name in ("wrist", "index", "pinky"))
        return find_hand(self.networks, pyramid, *points)

    def pose(self, photo: Photo, keypoints: Keypoints) -> Pose:
        """The person with these joints as the pose network sees it; no work when `keypoints` has just seen the photo.

        Args:
            keypoints: from any source; the shoulders and hips must be present.
        """
        if self._last is not None and self._last[0] is photo and self._last[1] is keypoints:
            return self._last[2]
        hips = keypoints.xy[[INDEX["left_hip"], INDEX["right_hip"]]].mean(0)
        shoulders = keypoints.xy[[INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(0)
        up = (shoulders - hips) / max(np.linalg.norm(shoulders - hips), 1e-9)
        radius = np.linalg.norm(keypoints.xy[keypoints.present] - hips, axis=1).max()
        return find_pose_twice(self.networks, Pyramid(photo.rgb), person_region(hips + 0.5, hips + 0.5 + radius * up))


def _check_whole(joints: Keypoints, pose: Pose, photo: Photo) -> tuple[str, ...]:
    """Warnings about joints outside the photo.

    Raises:
        PersonCutOffError: both of a pair of joints that 2K2K cannot do without are outside, or not to be seen.
    """
    margin = OUTSIDE * max(photo.size)
    beyond = np.maximum(-joints.xy, joints.xy - (np.array(photo.size) - 1)).max(axis=1)
    lost = {name for name, index in INDEX.items() if index < 23 and beyond[index] > margin}
    hidden = {
        f"{side}_{joint}"
        for side in ("left", "right")
        for joint in ("knee", "ankle")
        if pose.visibility[POSE_POINT[f"{side}_{joint}"]] < VISIBLE
    }
    for joint in ("eye", "shoulder", "hip", "knee", "ankle"):
        if {f"left_{joint}", f"right_{joint}"} <= lost | hidden:
            raise PersonCutOffError(f"{photo.path.name}: both {joint}s are outside the photo, expected a whole person")
    if not lost | hidden:
        return ()
    return ("outside the photo or hidden: " + ", ".join(sorted(lost | hidden, key=INDEX.__getitem__)),)
