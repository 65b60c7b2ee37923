"""The person that the stages work on: the first of samples/."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.people.openpose import OpenPoseFile
from datasets.people.person import Photo
from datasets.people.square_canvas import SquareCanvas, canvas_coordinates
from geometry.similarity import PartPoses, pose_parts

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "samples" / "synthetic_200001.jpg"
CANVAS = 2048


def joints(size: int = CANVAS) -> np.ndarray:
    """(31, 2) joints on the canvas [px], from the file beside the photo."""
    photo = Photo.read(PHOTO)
    height, width = photo.rgb.shape[:2]
    return OpenPoseFile().keypoints(photo).keypoints.moved(SquareCanvas(height, width, size).points).xy


def poses() -> PartPoses:
    """Part poses on the canvas."""
    return pose_parts(canvas_coordinates(joints(), CANVAS))
