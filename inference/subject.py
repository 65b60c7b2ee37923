"""A person of a photo on the canvas of the model: what the networks are asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.people.person import Person, Photo
from datasets.people.square_canvas import SquareCanvas, canvas_coordinates
from geometry.similarity import PartPoses, pose_parts
from utils.errors import InputError


@dataclass(frozen=True)
class Subject:
    """One person, in the photo and on the R x R canvas."""

    name: str  # of the result's files
    photo: Photo  # turned upright
    turns: int  # by which it was turned: quarter turns, counter-clockwise
    person: Person  # joints and mask in the pixels of `photo`
    canvas: SquareCanvas  # from the pixels of `photo` to the canvas
    rgb: np.ndarray  # (R, R, 3) uint8
    mask: np.ndarray  # (R, R) bool
    joints: np.ndarray  # (31, 2) [px of the canvas]
    poses: PartPoses

    @classmethod
    def place(cls, photo: Photo, person: Person, canvas: SquareCanvas, turns: int = 0, name: str = "") -> Subject:
        """Photo, mask and joints on a canvas, with the poses of the parts.

        Args:
            turns: by which the photo was turned upright before.
            name: of the result's files; the photo's own when empty.

        Raises:
            InputError: a part's joints are all at the same place.
        """
        keypoints = person.keypoints.moved(canvas.points)
        try:
            poses = pose_parts(canvas_coordinates(keypoints.xy, canvas.size), person.seen)
        except ValueError as error:
            raise InputError(f"{photo.path.name}: {error}") from error
        return cls(
            name=name or photo.path.stem,
            photo=photo,
            turns=turns,
            person=person,
            canvas=canvas,
            rgb=canvas.image(photo.rgb),
            mask=canvas.mask(person.mask),
            joints=keypoints.xy,
            poses=poses,
        )

    def warned(self, warning: str | None) -> Subject:
        """With one more warning about the person, if there is one."""
        if warning is None:
            return self
        return replace(self, person=replace(self.person, warnings=(*self.person.warnings, warning)))

    @property
    def frame(self) -> dict[str, object]:
        """Which square of the photo the canvas shows, for the record of a result."""
        return {
            "photo_width_height": list(self.photo.size),
            "turned_counter_clockwise_deg": 90 * self.turns,
            "square_left_top_side": [self.canvas.left, self.canvas.top, self.canvas.side],
            "canvas": self.canvas.size,
        }

    @property
    def predicted(self) -> np.ndarray:
        """(31,) bool: joints that a rule placed."""
        return np.array([origin == "predicted" for origin in self.person.keypoints.origin])
