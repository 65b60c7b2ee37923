"""The bundled detector, mask and checkpoint on the project's own photos: what `make demo` relies on."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import test_model
from datasets.people.openpose import OpenPoseFile
from datasets.people.person import Photo, find_person
from datasets.people.person_sources import person_sources
from evaluation.measured_mesh import read_mesh
from evaluation.visible_part import visible_part
from geometry.camera import Camera
from utils.files import read_depth_png

ROOT = Path(__file__).parents[1]
PHOTOS = sorted((ROOT / "samples").glob("*.jpg"))


@pytest.mark.parametrize("path", PHOTOS[::3], ids=lambda path: path.stem)
def test_the_detector_finds_the_joints_of_the_rig(path):
    """Rig and detector place joints differently: a few percent of the person's height is agreement."""
    photo = Photo.read(path)
    truth = OpenPoseFile().keypoints(photo).keypoints
    sources = person_sources("mediapipe", "mediapipe")
    person = find_person(photo, sources.keypoints, sources.mask)
    error = np.linalg.norm(person.keypoints.xy - truth.xy, axis=1) / np.ptp(truth.xy[:, 1])
    assert np.median(error) < 0.02 and error.max() < 0.12
    assert 0.02 < person.mask.mean() < 0.3


def test_the_shipped_checkpoint_digitizes_a_photo_without_any_file_beside_it(tmp_path):
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / PHOTOS[0].name
    photo.write_bytes(PHOTOS[0].read_bytes())
    assert test_model.main(
        ["--data_path", str(photo.parent), "--load_ckpt", str(ROOT / "checkpoints" / "small.pt"),
         "--save_path", str(tmp_path), "--save_name", "run", "--device", "cpu"]
    ) == 0  # fmt: skip
    front = read_depth_png(tmp_path / "run" / "depth" / f"{photo.stem}_front.png") > 0
    mask = cv2.imread(str(tmp_path / "run" / "images" / f"{photo.stem}.png"), cv2.IMREAD_UNCHANGED)[..., 3] > 0
    assert (front & mask).sum() / (front | mask).sum() > 0.8, "the body fills the person's mask"


def _area(corners: np.ndarray) -> float:
    sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float(np.linalg.norm(np.cross(*sides), axis=1).sum() / 2)


@pytest.mark.parametrize("path", sorted((ROOT / "samples" / "scans").glob("*.ply")), ids=lambda path: path.stem)
def test_the_shapes_are_what_a_scanner_would_see_where_the_photo_shows_them(path):
    """No skin under the clothes, and in the camera's frame: joints lie on the projected shape."""
    mesh = read_mesh(path)
    seen_area, area = (_area(part.corners) for part in (visible_part(mesh), mesh))
    assert seen_area > 0.95 * area
    photo = Photo.read(ROOT / "samples" / f"{path.stem}.jpg")
    joints = OpenPoseFile().keypoints(photo).keypoints.xy
    seen = Camera(len(photo.rgb)).project(mesh.vertices)
    distance = np.linalg.norm(joints[:, None] - seen[None], axis=2).min(1)
    assert distance.max() < 0.01 * len(photo.rgb)
