"""The person that the stages work on: the first of samples/."""

from __future__ import annotations

from pathlib import Path

from datasets.people.openpose import OpenPoseFile
from datasets.people.person import Photo
from datasets.people.square_canvas import SquareCanvas, canvas_coordinates
from geometry.similarity import PartPoses, pose_parts

PHOTO = Path(__file__).parents[1] / "samples" / "synthetic_200001.jpg"
CANVAS = 2048


def poses() -> PartPoses:
    """Part poses on the canvas, from the file beside the photo."""
    photo = Photo.read(PHOTO)
    keypoints = OpenPoseFile().keypoints(photo).keypoints
    height, width = photo.rgb.shape[:2]
    canvas = SquareCanvas(height, width, CANVAS)
    return pose_parts(canvas_coordinates(keypoints.moved(canvas.points).xy, CANVAS))
