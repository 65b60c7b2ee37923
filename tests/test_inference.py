"""The three lines of Python: a file, its pixels, and joints and mask that the caller has give the same person."""

import queue
import threading

import cv2
import numpy as np
import pytest

from geometry.camera import CENTRE, Camera
from geometry.keypoints import INDEX, Keypoints
from inference import PhotoDigitizer, photo_digitizer
from inference.photo_digitizer import outside_parts
from tests.conftest import TINY, standing_figure
from utils.errors import InputError
from utils.files import read_photo
from utils.mesh_files import WRITERS
from utils.ply import read_cloud


@pytest.fixture
def digitizer(checkpoint):
    return PhotoDigitizer.load(checkpoint, device="cpu")


@pytest.fixture
def figure():
    """Photo, joints and mask of the person in every photo of `photos`."""
    photo, mask, joints = standing_figure()
    return photo, Keypoints.from_scores(joints, np.full(31, 0.9), "test"), mask


def test_a_file_and_its_pixels_give_the_same_person(digitizer, photos, figure):
    photo, keypoints, mask = figure
    from_file = digitizer(photos / "anna.png")
    from_pixels = digitizer(photo, keypoints, mask)
    cut_out = digitizer(np.dstack([photo, mask * np.uint8(255)]), keypoints)
    assert (from_file.name, from_pixels.name) == ("anna", "photo")
    for other in (from_pixels, cut_out):
        # Joints in files are rounded to a thousandth of a pixel.
        np.testing.assert_allclose(other.maps.distance_front, from_file.maps.distance_front, atol=1e-4)
        np.testing.assert_array_equal(other.subject.mask, from_file.subject.mask)


def test_maps_cloud_and_files_say_the_same(digitizer, photos, tmp_path):
    person = digitizer(str(photos / "anna.png"), name="someone")
    maps, size = person.maps, TINY.canvas
    assert maps.distance_front.shape == maps.mask.shape == (size, size)
    assert maps.normals_back.shape == (size, size, 3) and maps.normals_back.min() >= 0
    body = maps.distance_front > 0
    assert (body == (maps.distance_back > 0)).all() and (maps.distance_front <= maps.distance_back).all()
    points = CENTRE + maps.distance_front[body][:, None] * Camera(size).rays()[body]
    np.testing.assert_allclose(person.cloud.points[: len(points)], points, atol=1e-6)
    # The canvas shows the whole square photo, so both clouds are one.
    np.testing.assert_allclose(person.cloud_in_photo.points, person.cloud.points, atol=1e-12)

    person.write(tmp_path / "run")
    np.testing.assert_array_equal(read_photo(tmp_path / "run" / "sheets" / "someone.png")[0], person.sheet)
    np.testing.assert_allclose(
        read_cloud(tmp_path / "run" / "output_plys_c" / "someone.ply").points, person.closed_cloud.points, atol=1e-6
    )


def test_the_surface_is_written_in_every_format(digitizer, photos, tmp_path):
    person = digitizer(photos / "anna.png")
    for suffix in WRITERS:
        person.write_surface(tmp_path / f"anna{suffix}", octree_depth=5)
        assert (tmp_path / f"anna{suffix}").stat().st_size > 1000


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8, 2), np.uint8), np.zeros((0, 8, 3), np.uint8)],
    ids=["grey", "floats", "two channels", "empty"],
)
def test_an_array_that_is_no_photo_is_named(digitizer, pixels):
    with pytest.raises(InputError, match=r"photo: array of .* expected uint8"):
        digitizer(pixels)


def test_files_that_happen_to_have_the_name_of_an_array_are_not_read(digitizer, figure, tmp_path, monkeypatch):
    photo, keypoints, mask = figure
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo_mask.png").write_bytes(b"no mask")
    (tmp_path / "photo_keypoints.json").write_bytes(b"no joints")
    assert len(digitizer(np.dstack([photo, mask * np.uint8(255)]), keypoints).cloud) > 0
    with pytest.raises(InputError, match="photo: no person found"):
        digitizer(np.zeros((64, 64, 3), np.uint8))


def test_a_person_beside_all_parts_is_said(digitizer, figure):
    """A skirt twice as wide as the legs; the fraction is that of the pixels without fused normals."""
    photo, keypoints, mask = figure
    usual = digitizer.find(photo, keypoints, mask).person.warnings
    assert not any("outside every part" in warning for warning in usual)
    at = lambda joint: sum(keypoints.xy[INDEX[f"{side}_{joint}"]] for side in ("left", "right")) / 2  # noqa: E731
    hips, ankles = at("hip"), at("ankle")
    wide = 0.8 * (ankles[1] - hips[1])
    skirt = np.round([hips, ankles + (wide, 0), ankles - (wide, 0)]).astype(np.int32)
    dressed = cv2.fillPoly(mask.astype(np.uint8), [skirt], 1) > 0
    person = digitizer(photo, keypoints, dressed)
    [warning] = [warning for warning in person.warnings if "outside every part" in warning]
    beside = person.subject.mask & ~person.result.covered[0, 0].numpy()
    assert float(warning.split(" %")[0]) == pytest.approx(100 * beside.sum() / person.subject.mask.sum(), abs=1.0)
    assert "normals are missing" in warning and "coarse" in outside_parts(person.subject, filled=True)


def test_a_process_waits_for_what_is_made_beside_the_loading(monkeypatch, tmp_path):
    """Python aborts when it ends while a daemon thread is in OpenCV: a broken checkpoint ends a script at once."""
    threads = queue.Queue()
    monkeypatch.setattr(photo_digitizer, "make_cielab_tables", lambda: threads.put(threading.current_thread()))
    with pytest.raises(InputError):
        PhotoDigitizer.load(tmp_path / "missing.pt", device="cpu")
    assert not threads.get(timeout=60).daemon
