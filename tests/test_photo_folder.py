"""Which photos a folder holds: each has a name of its own, and nothing is passed over in silence."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.people.photo_folder import find_photos
from utils.errors import InputError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.fixture
def clip(tmp_path):
    """Five frames of growing brightness."""
    path = tmp_path / "videos" / "walk.mp4"
    path.parent.mkdir()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for frame in range(5):
        writer.write(np.full((48, 64, 3), 40 * frame + 20, np.uint8))
    writer.release()
    return path


def test_masks_and_joints_belong_to_their_photo_and_everything_else_is_named(tmp_path):
    touch(tmp_path, "anna.jpg", "anna_mask.png", "anna_keypoints.json", "ben_mask.png", "notes.txt", ".hidden.png",
          "sub/carl.png")  # fmt: skip
    listed = find_photos([tmp_path])
    assert list(listed.photos) == ["anna"]
    assert sorted(listed.passed_over) == ["ben_mask.png", "notes.txt", "sub/"]
    assert "notes.txt" in listed.note()


def test_pictures_that_cannot_be_read_are_failures_of_their_own(tmp_path):
    touch(tmp_path, "anna.jpg", "raw.CR2", "layers.psd", "clip.mov")
    photos = find_photos([tmp_path]).photos
    assert set(photos) == {"anna", "raw", "layers", "clip"}
    for name in ("raw", "layers", "clip"):
        with pytest.raises(InputError, match=rf"{name}\..*expected"):
            photos[name].read()


def test_photos_of_one_name_get_names_of_their_own(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "A.webp", "b.png", "a_png.png", "sub/b.png")
    photos = find_photos([tmp_path], recursive=True).photos
    assert {name: photo.path.name for name, photo in photos.items()} == {
        "a_jpg": "a.jpg", "a_png": "a_png.png", "a_png_2": "a.png", "A_webp": "A.webp", "b": "b.png",
        "sub_b": "b.png"}  # fmt: skip
    assert photos["sub_b"].path.parent.name == "sub"


def test_several_photos_and_folders_are_one_list(tmp_path):
    touch(tmp_path, "one/a.png", "two/a.png", "three/b.png")
    photos = find_photos([tmp_path / "one", tmp_path / "two" / "a.png", tmp_path / "three"]).photos
    assert len(photos) == 3 and "b" in photos


def test_a_video_is_a_folder_of_frames(clip):
    photos = find_photos([clip.parent], every=2).photos
    assert list(photos) == ["walk_000000", "walk_000002", "walk_000004"]
    levels = [photos[name].read().rgb.mean() for name in sorted(photos, reverse=True)]
    np.testing.assert_allclose(levels, [180, 100, 20], atol=8)
    assert photos["walk_000002"].read().path.name == "walk_000002.png"


def test_a_video_that_cannot_be_decoded_is_one_failure(tmp_path, clip):
    (clip.parent / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (clip.parent / "cut.mp4").write_bytes(clip.read_bytes()[:600])
    photos = find_photos([clip.parent], every=4).photos
    assert list(photos) == ["cut", "noise", "walk_000000", "walk_000004"]
    for name in ("cut", "noise"):
        with pytest.raises(InputError, match=rf"{name}\.mp4: cannot be decoded, expected"):
            photos[name].read()


def test_joints_of_a_frame_lie_beside_the_video(clip):
    touch(clip.parent, "walk_000002_keypoints.json", "walk_000002_mask.png", "run_000002_mask.png")
    assert find_photos([clip.parent]).passed_over == ("run_000002_mask.png",)


@pytest.mark.parametrize("what", ["nowhere", "notes.txt", "empty"])
def test_no_photo_at_all_is_an_error(tmp_path, what):
    touch(tmp_path, "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected"):
        find_photos([tmp_path / what])


def test_links_that_lead_back_are_not_followed_and_are_named(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "anna.jpg").touch()
    for name, to in (("same", "."), ("above", "..")):
        (tmp_path / "sub" / name).symlink_to(to)
    listed = find_photos([tmp_path], recursive=True)
    assert list(listed.photos) == ["sub_anna"] and listed.passed_over == ("sub/above/", "sub/same/")


def test_a_mask_that_is_not_looked_for_is_named(tmp_path):
    """Some systems tell upper from lower case: there _mask.PNG is no mask."""
    for name in ("anna.jpg", "anna_mask.PNG", "ben.jpg", "ben_keypoints.json"):
        (tmp_path / name).touch()
    listed = find_photos([tmp_path])
    assert list(listed.photos) == ["anna", "ben"] and listed.passed_over == ("anna_mask.PNG",)


def test_files_of_a_command_line_belong_together_and_none_comes_twice(tmp_path):
    for name in ("anna.jpg", "anna_mask.png"):
        (tmp_path / name).touch()
    listed = find_photos([tmp_path / "anna.jpg", tmp_path / "anna_mask.png", tmp_path])
    assert list(listed.photos) == ["anna"] and listed.passed_over == ()


def test_a_pipe_that_is_called_a_video_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    assert "no regular file" in find_photos([tmp_path]).photos["clip"].problem
