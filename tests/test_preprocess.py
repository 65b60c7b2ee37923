"""Photo, mask and joints go to the canvas together; the photo is dimmed as at test."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torchvision.transforms.v2 import functional as adjust

from datasets.people.square_canvas import TRAINING_EXTENT, SquareCanvas, dimmed, prepared_photo, to_network
from geometry.camera import Camera
from tests.conftest import DATA


@pytest.mark.parametrize("photo", ["000028", "son"])
def test_joints_land_on_the_canvas_as_the_golden_ones(photo):
    with np.load(DATA / "keypoints_affines.npz") as golden:
        canvas = SquareCanvas(*golden[f"{photo}.image_size_hw"], 2048)
        moved = canvas.points(golden[f"{photo}.keypoints31_raw"][:, :2])
        np.testing.assert_allclose(moved, golden[f"{photo}.keypoints31_2048"][:, :2], atol=1e-9)


@pytest.mark.parametrize(("hw", "pad"), [((4, 7), (1, 0)), ((9, 4), (0, 2)), ((5, 5), (0, 0))])
def test_the_smaller_half_of_the_padding_comes_first_and_repeats_the_border(hw, pad):
    photo = np.random.default_rng(0).integers(0, 255, (*hw, 3), dtype=np.uint8)
    side = max(hw)
    canvas = SquareCanvas(*hw, side)
    assert (-canvas.top, -canvas.left) == pad
    square = canvas.image(photo)
    np.testing.assert_array_equal(square[pad[0] : pad[0] + hw[0], pad[1] : pad[1] + hw[1]], photo)
    np.testing.assert_array_equal(square[0], square[pad[0]])
    np.testing.assert_array_equal(square[:, -1], square[:, pad[1] + hw[1] - 1])
    mask = canvas.mask(np.ones(hw, bool))
    assert mask.sum() == hw[0] * hw[1], "no person on the padding"


def test_photo_mask_and_joints_move_alike():
    photo, mask = np.zeros((300, 200, 3), np.uint8), np.zeros((300, 200), bool)
    photo[118:123, 58:63], mask[118:123, 58:63] = 255, True
    canvas = SquareCanvas(300, 200, 512)
    x, y = canvas.points(np.array([[60.0, 120.0]]))[0]
    for picture in (canvas.image(photo)[..., 0] > 128, canvas.mask(mask)):
        rows, columns = np.nonzero(picture)
        # The joints follow the published rule, without its half-pixel term: up to half a zoomed pixel away.
        assert abs(rows.mean() - y) < 1 and abs(columns.mean() - x) < 1


def small_person(hw=(600, 900), box=(300, 100, 500, 160)):
    """Mask and joints of a person in the box (top, left, bottom, right)."""
    top, left, bottom, right = box
    mask = np.zeros(hw, bool)
    mask[top:bottom, left:right] = True
    return mask, np.array([[left, top], [right - 1, bottom - 1]], float)


def test_a_small_person_is_framed_as_large_as_in_training():
    mask, joints = small_person()
    canvas = SquareCanvas.around(mask, joints, 512)
    placed = canvas.mask(mask)
    assert np.ptp(np.flatnonzero(placed.any(1))) / 512 == pytest.approx(TRAINING_EXTENT, abs=0.01)
    rows, columns = (np.flatnonzero(placed.any(axis)) for axis in (1, 0))
    assert [rows.mean(), columns.mean()] == pytest.approx([255.5, 255.5], abs=3)
    np.testing.assert_allclose(canvas.points(joints), [[columns[0], rows[0]], [columns[-1], rows[-1]]], atol=2)


def test_a_person_as_large_as_in_training_keeps_the_official_square():
    mask, joints = small_person((600, 500), (40, 100, 460, 300))
    framed, official = SquareCanvas.around(mask, joints, 512), SquareCanvas(600, 500, 512)
    assert (framed.left, framed.top, framed.side) == (official.left, official.top, official.side)


@pytest.mark.parametrize("box", [(300, 100, 500, 160), (0, 0, 200, 60), (400, 850, 600, 900)])
def test_a_frame_stands_out_of_the_photo_with_its_border_repeated(box):
    photo = np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    canvas = SquareCanvas.around(*small_person(box=box), 512)
    canvas.size = canvas.side
    rows = np.clip(np.arange(canvas.top, canvas.top + canvas.side), 0, 599)
    columns = np.clip(np.arange(canvas.left, canvas.left + canvas.side), 0, 899)
    np.testing.assert_array_equal(canvas.image(photo), photo[np.ix_(rows, columns)])


def test_clouds_go_back_into_the_whole_photo():
    """Points of the frame's camera land on the same pixels of the photo when seen by the whole photo's camera."""
    whole, framed = SquareCanvas(600, 900, 512), SquareCanvas.around(*small_person(), 512)
    points = np.random.default_rng(0).uniform(-0.3, 0.3, (50, 3))
    in_photo = [
        Camera(512).project(seen) * (canvas.side / canvas.size) + (canvas.left, canvas.top)
        for canvas, seen in ((framed, points), (whole, framed.in_whole_photo(points)))
    ]
    np.testing.assert_allclose(*in_photo, atol=1e-6)
    np.testing.assert_allclose(whole.in_whole_photo(points), points, atol=1e-12)
    line = np.array([[0.1, 0.2, 0], [0.1, -0.3, 0]])
    assert np.ptp(framed.in_whole_photo(line), axis=0) == pytest.approx(np.ptp(line, axis=0))


def test_network_values_span_minus_one_to_one():
    values = to_network(np.array([[[0, 128, 255]]], np.uint8))[0, :, 0, 0]
    torch.testing.assert_close(values, torch.tensor([-1.0, 2 * 128 / 255 - 1, 1.0]))


def test_dimming_is_pillows_own():
    """Brightness, contrast and saturation in this order, each to 8 bits: no grey level off."""
    rgb = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    picture = Image.fromarray(rgb)
    for change, factor in ((ImageEnhance.Brightness, 0.7), (ImageEnhance.Contrast, 0.9), (ImageEnhance.Color, 0.8)):
        picture = change(picture).enhance(factor)
    np.testing.assert_array_equal(dimmed(rgb, 0.7, 0.9, 0.8), np.array(picture))


def test_the_test_photo_is_cut_out_and_dimmed():
    """Brightness, contrast and saturation by 0.85 of a grey person: closed form, truncated to 8 bits three times."""
    rgb = np.full((64, 64, 3), 200, np.uint8)
    person = np.zeros((64, 64), bool)
    person[:, :16] = True
    photo = prepared_photo(rgb, person, backdrop=())
    bright = 200 * 0.85
    mean = bright * 16 / 64
    inside, outside = 0.85 * bright + 0.15 * mean, 0.15 * mean
    assert photo[0, 0, 0] == pytest.approx(inside - 1.5, abs=1.51)
    assert photo[0, 63, 0] == pytest.approx(outside - 1.5, abs=1.51)
    assert outside > 5


def test_a_backdrop_stands_on_the_background_and_changes_nothing_else():
    """Black trousers end as dark as the paper's background; a backdrop tells them apart."""
    rgb = np.full((64, 64, 3), 200, np.uint8)
    rgb[32:] = 0
    person = np.zeros((64, 64), bool)
    person[:, :16] = True
    black, green = prepared_photo(rgb, person, ()), prepared_photo(rgb, person, (0, 255, 0))
    assert green.dtype == np.uint8
    assert (black[40, 8] == black[40, 40]).all()
    assert (green[~person] == (0, 255, 0)).all()
    assert (green[person] == black[person]).all()


def test_dimming_leans_on_the_whole_picture_and_computes_the_box_of_its_colors():
    """The bits of torchvision on the whole picture, wherever the colors are, and where there are none."""
    rng = np.random.default_rng(4)
    for box in (np.s_[5:40, 9:31], np.s_[0:64, 0:64], np.s_[63:, 63:], np.s_[0:0]):
        rgb = np.zeros((64, 64, 3), np.uint8)
        rgb[box] = rng.integers(0, 256, rgb[box].shape, dtype=np.uint8)
        for factors in ((0.7, 0.8, 0.9), (1.05, 1.1, 0.5)):
            picture = Image.fromarray(rgb)
            for change, factor in zip(
                (adjust.adjust_brightness, adjust.adjust_contrast, adjust.adjust_saturation), factors, strict=True
            ):
                picture = change(picture, factor)
            np.testing.assert_array_equal(dimmed(rgb, *factors), np.array(picture))
