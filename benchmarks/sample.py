"""The person that the stages work on: the first of samples/."""

from __future__ import annotations

from pathlib import Path

from datasets.openpose import OpenPoseFile
from datasets.people import Photo
from datasets.preprocess import SquareCanvas, canvas_coordinates
from geometry.similarity import PartPoses, pose_parts

PHOTO = Path(__file__).parents[1] / "samples" / "synthetic_200001.jpg"
CANVAS = 2048


def poses() -> PartPoses:
    """Part poses on the canvas, from the file beside the photo."""
    photo = Photo.read(PHOTO)
    keypoints = OpenPoseFile().keypoints(photo).keypoints
    canvas = SquareCanvas(*photo.rgb.shape[:2], CANVAS)
    return pose_parts(canvas_coordinates(keypoints.moved(canvas.points), CANVAS))
