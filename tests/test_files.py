"""Photos of every kind in, files that appear whole, and files that are refused."""

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets.people.photo_folder import find_photos
from utils.errors import InputError
from utils.files import atomic_path, read_depth_png, read_photo, write_png


@pytest.fixture
def colors() -> np.ndarray:
    """(40, 60, 3) uint8: four flat corners, so that lossy formats change little and rotation shows."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30], picture[:20, 30:], picture[20:, :30], picture[20:, 30:] = (
        (200, 30, 30),
        (30, 200, 30),
        (30, 30, 200),
        (220, 220, 40),
    )
    return picture


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "tif", "bmp"])
def test_every_format_gives_the_picture(tmp_path, colors, suffix):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(colors).save(path, **({"quality": 98} if suffix in ("jpg", "jpeg", "webp") else {}))
    rgb, alpha = read_photo(path)
    assert alpha is None and rgb.dtype == np.uint8
    middle = (slice(5, 15), slice(5, 25))
    np.testing.assert_allclose(rgb[middle].mean((0, 1)), colors[middle].mean((0, 1)), atol=6)


def test_exif_rotation_is_honoured(tmp_path, colors):
    image = Image.fromarray(colors)
    exif = image.getexif()
    exif[274] = 6  # shown turned by 90 deg clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=98)
    rgb, _ = read_photo(tmp_path / "turned.jpg")
    assert rgb.shape == (60, 40, 3)
    np.testing.assert_allclose(rgb[10, 30], colors[10, 10], atol=12)


def test_sixteen_bits_become_eight(tmp_path, colors):
    deep = colors.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "deep.png"), cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png")[0], colors)
    rgb, _ = read_photo(tmp_path / "grey.png")
    np.testing.assert_array_equal(rgb, np.repeat(colors[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_modes_become_color(tmp_path, colors, mode):
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    Image.fromarray(colors).convert(mode).save(path)
    rgb, alpha = read_photo(path)
    assert rgb.shape == colors.shape and alpha is None and rgb.std() > 20


@pytest.mark.parametrize("sixteen", [False, True])
def test_alpha_counts_only_when_it_says_something(tmp_path, colors, sixteen):
    alpha = np.full((40, 60), 255, np.uint8)
    picture = np.dstack([colors[..., ::-1], alpha])
    depth = (np.uint16, 257) if sixteen else (np.uint8, 1)
    cv2.imwrite(str(tmp_path / "solid.png"), picture.astype(depth[0]) * depth[1])
    assert read_photo(tmp_path / "solid.png")[1] is None
    picture[:, 20:, 3] = 0
    cv2.imwrite(str(tmp_path / "cut.png"), picture.astype(depth[0]) * depth[1])
    rgb, alpha = read_photo(tmp_path / "cut.png")
    np.testing.assert_array_equal(rgb, colors)
    np.testing.assert_array_equal(alpha, picture[..., 3])


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"0" * 50])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match="bad.png: cannot be read"):
        read_photo(tmp_path / "bad.png")


def test_a_truncated_photo_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "half.jpg", quality=95)
    data = (tmp_path / "half.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="half.jpg"):
        read_photo(tmp_path / "half.jpg")


def test_a_missing_photo_is_named(tmp_path):
    with pytest.raises(InputError, match="nobody.png: no such file"):
        read_photo(tmp_path / "nobody.png")


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_pictures_come_back(tmp_path, channels):
    shape = (8, 9) if channels is None else (8, 9, channels)
    picture = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_depth_files_are_sixteen_bit_grey(tmp_path):
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    write_png(tmp_path / "depth.png", values)
    np.testing.assert_array_equal(read_depth_png(tmp_path / "depth.png"), values)
    write_png(tmp_path / "color.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(InputError, match="color.png: uint8 .*expected a 16-bit"):
        read_depth_png(tmp_path / "color.png")
    with pytest.raises(InputError, match="none.png: cannot be read"):
        read_depth_png(tmp_path / "none.png")


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


def test_photos_of_a_folder_are_found_by_name(tmp_path):
    touch(tmp_path, "b.JPG", "a.png", "a_mask.png", "a_keypoints.json", ".hidden.png", "notes.txt")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png").rmdir()
    assert list(find_photos(tmp_path)) == ["a", "b"]
    assert list(find_photos(tmp_path / "b.JPG")) == ["b"]


def test_folders_without_photos_and_twins_are_refused(tmp_path):
    with pytest.raises(InputError, match="no photo in it"):
        find_photos(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        find_photos(tmp_path / "nowhere")
    touch(tmp_path, "a.png", "a.jpg")
    with pytest.raises(InputError, match="same name as"):
        find_photos(tmp_path)
