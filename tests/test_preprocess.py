"""Photo, mask and joints go to the canvas together; the photo is dimmed as at test."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from datasets.people.square_canvas import SquareCanvas, dimmed, prepared_photo, to_network
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
    assert (canvas.top, canvas.left) == pad
    square = canvas.image(photo)
    np.testing.assert_array_equal(square[pad[0] : pad[0] + hw[0], pad[1] : pad[1] + hw[1]], photo)
    np.testing.assert_array_equal(square[0], square[pad[0]])
    np.testing.assert_array_equal(square[:, -1], square[:, pad[1] + hw[1] - 1])
    mask = canvas.mask(np.ones(hw, bool))
    assert mask.sum() == hw[0] * hw[1], "nobody stands on the padding"


def test_photo_mask_and_joints_move_alike():
    photo, mask = np.zeros((300, 200, 3), np.uint8), np.zeros((300, 200), bool)
    photo[118:123, 58:63], mask[118:123, 58:63] = 255, True
    canvas = SquareCanvas(300, 200, 512)
    x, y = canvas.points(np.array([[60.0, 120.0]]))[0]
    for picture in (canvas.image(photo)[..., 0] > 128, canvas.mask(mask)):
        rows, columns = np.nonzero(picture)
        # The joints follow the published rule, without its half-pixel term: up to half a zoomed pixel away.
        assert abs(rows.mean() - y) < 1 and abs(columns.mean() - x) < 1


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


def test_a_backdrop_stands_where_nobody_is_and_changes_nothing_else():
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
