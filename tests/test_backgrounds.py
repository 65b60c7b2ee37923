"""Backgrounds and the composite."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.pairs.backgrounds import PhotoBackgrounds, ProceduralBackgrounds, composite, open_backgrounds, random_crop
from utils.errors import InputError


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:40, 15:45] = True
    return mask


def test_composite_changes_only_the_rim(mask: np.ndarray):
    """Inside is the person, outside the background; only pixels next to the outline may differ."""
    rng = np.random.default_rng(0)
    person, background = rng.integers(0, 256, (2, 60, 60, 3), dtype=np.uint8)
    copies = person.copy(), background.copy()
    photo = composite(person, mask, background)
    kernel = np.ones((3, 3), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), kernel).astype(bool)
    outer = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
    np.testing.assert_array_equal(photo[inner], person[inner])
    np.testing.assert_array_equal(photo[~outer], background[~outer])
    together = np.where(mask[..., None], person, background)
    smooth = cv2.GaussianBlur(cv2.medianBlur(together, 3), (5, 5), 0)
    # On a straight edge the 3 x 3 Gaussian is 1/4 outside and 3/4 inside: both sides of the rim are smoothed.
    np.testing.assert_array_equal(photo[19, 20:40], smooth[19, 20:40])
    np.testing.assert_array_equal(photo[20, 20:40], smooth[20, 20:40])
    np.testing.assert_array_equal(person, copies[0])
    np.testing.assert_array_equal(background, copies[1])


@pytest.mark.parametrize("where", [np.s_[20:40, 15:45], np.s_[:9, 50:], np.s_[57:, :], np.s_[:], np.s_[0:0]])
def test_only_the_box_around_the_person_is_computed(where):
    """And gives the bits of the whole picture, at its edges too."""
    mask = np.zeros((60, 60), dtype=bool)
    mask[where] = np.random.default_rng(1).random(mask[where].shape) < 0.9
    person, background = np.random.default_rng(0).integers(0, 256, (2, 60, 60, 3), dtype=np.uint8)
    expected = np.where(mask[..., None], person, background)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)
    rim = (soft > 0.2) & (soft < 0.8)
    expected[rim] = cv2.GaussianBlur(cv2.medianBlur(expected, 3), (5, 5), 0)[rim]
    np.testing.assert_array_equal(composite(person, mask, background), expected)


def test_crop_is_a_window_of_the_enlarged_photo():
    photo = np.random.default_rng(0).integers(0, 256, (150, 180, 3), dtype=np.uint8)
    crop = random_crop(photo, 256, np.random.default_rng(1))
    # scale = max(2 * 256 / 2048, 256 / 150) = 1.7067
    scale = 256 / 150
    wide = cv2.warpAffine(photo, np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]]),
                          (int(180 * scale), 256), borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    errors = [np.abs(wide[:, left : left + 256].astype(int) - crop).mean() for left in range(wide.shape[1] - 255)]
    assert min(errors) < 0.5


def test_photo_is_enlarged_twice_on_the_papers_canvas():
    """A ramp of one grey level per pixel rises by half a level per pixel of the canvas."""
    photo = np.broadcast_to((np.arange(1100) // 8).astype(np.uint8)[None, :, None], (1100, 1100, 3)).copy()
    row = random_crop(photo, 2048, np.random.default_rng(0))[1000, :, 0].astype(float)
    assert np.polyfit(np.arange(2048), row, 1)[0] == pytest.approx(1 / 16, rel=0.01)


def test_large_photo_is_averaged_not_skipped():
    """A 256 px canvas shows a photo at a quarter of its size: a fine checkerboard becomes grey."""
    photo = (np.indices((1200, 1200)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, -1)
    crop = random_crop(photo, 256, np.random.default_rng(0))
    assert crop.shape == (256, 256, 3) and np.abs(crop.astype(int) - 127).max() <= 2


def test_folder_of_photos_is_searched_and_broken_ones_passed_over(tmp_path: Path):
    (tmp_path / "Images/airport_inside").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "Images/airport_inside/a.jpg"), np.full((50, 70, 3), 90, np.uint8))
    (tmp_path / "Images/airport_inside/b.jpg").write_bytes(b"broken")
    source = open_backgrounds(tmp_path)
    assert len(source.files) == 2
    for seed in range(6):
        assert abs(int(source.background(64, np.random.default_rng(seed)).mean()) - 90) <= 1


def test_folder_without_photos_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="no photos"):
        PhotoBackgrounds.of_folder(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match="20 background photos"):
        PhotoBackgrounds.of_folder(tmp_path).background(32, np.random.default_rng(0))


def test_procedural_backgrounds_are_seeded_and_varied():
    source = ProceduralBackgrounds()
    first, again = (source.background(128, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    pictures = [source.background(128, np.random.default_rng(seed)).astype(float) for seed in range(24)]
    means = np.array([picture.mean((0, 1)) for picture in pictures])
    assert means.std(0).min() > 15
    assert sum(picture.std((0, 1)).max() > 20 for picture in pictures) >= 12
