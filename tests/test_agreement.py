"""Depth that agrees with the normals: bodies in closed form, anchors that are wrong, masks of every shape."""

import numpy as np
import pytest
import torch

from geometry.agreement import LEAST_THICKNESS, WIDEST_ROUND, agree, kinks_of
from geometry.coarse_grid import coarse_of, lift_depth
from geometry.limb_shape import round_thickness
from geometry.normals import normals_from_depth
from geometry.pixel_sets import eroded, outline_distance, rim_of
from geometry.window import Window

CANVAS, SIZE = 1024, 256
"""A window of SIZE px, such as a limb has, of a canvas on which the anchor rules above 16 px."""
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] + 0.5
PIXEL = 4 / CANVAS
"""Network depth of one pixel."""


def stored_normals(depth: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(2, 3, h, w) stored normals of both depths (2, h, w) on the person."""
    alone = torch.from_numpy(np.where(person, depth, 0).astype(np.float32))[:, None]
    return normals_from_depth(alone, CANVAS).numpy()


def ball(row: float, column: float, radius: float, middle: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Front and back depth (2, h, w) of a ball under parallel rays, and where it is."""
    squared = radius**2 - (ROWS - row) ** 2 - (COLUMNS - column) ** 2
    half = np.sqrt(np.maximum(squared, 0)) * PIXEL
    return np.stack([middle - half, middle + half]), squared > 0


def spread(error: np.ndarray) -> float:
    """Root mean square about the mean: what is wrong with a shape, whatever its place."""
    return float(error.std())


def test_a_plane_that_tilts_as_its_normals_say_stays_where_it_is():
    person = np.zeros((SIZE, SIZE), bool)
    person[40:200, 60:220] = True
    front = 1.8 + 0.004 * (COLUMNS - 128) - 0.002 * (ROWS - 128)
    depth = np.stack([front, front + 0.5])
    agreed = agree(depth, stored_normals(depth, person), person, CANVAS)
    inner = eroded(person, 10)
    np.testing.assert_allclose(agreed[:, inner], depth[:, inner], atol=0.05 * PIXEL)


@pytest.mark.parametrize("wave", [24, 64, 128])
def test_waves_of_a_wrong_anchor_shrink_by_the_closed_form(wave):
    """Least squares of slopes and places: a wave of length w keeps 1 / (1 + (2 pi l / w)^2) of its height, l 1/64."""
    person = np.ones((SIZE, SIZE), bool)
    flat = np.stack([np.full((SIZE, SIZE), 1.8), np.full((SIZE, SIZE), 2.2)])
    wrong = flat + 0.01 * PIXEL * np.sin(2 * np.pi * ROWS / wave)
    agreed = agree(wrong, stored_normals(flat, person), person, CANVAS)
    kept = np.ptp((agreed - flat)[0, 64:192, 128]) / np.ptp((wrong - flat)[0, 64:192, 128])
    assert kept == pytest.approx(1 / (1 + (2 * np.pi * CANVAS / 64 / wave) ** 2), rel=0.03)


def test_a_ball_that_is_right_is_kept():
    truth, person = ball(128, 128, 80)
    agreed = agree(truth, stored_normals(truth, person), person, CANVAS)
    assert abs(agreed - truth)[:, eroded(person, 8)].max() < 1.5 * PIXEL


def test_normals_make_a_ball_of_a_slab():
    truth, person = ball(128, 128, 40)
    slab = np.stack([np.full_like(truth[0], 1.9), np.full_like(truth[0], 2.1)])
    agreed = agree(slab, stored_normals(truth, person), person, CANVAS)
    assert spread((agreed - truth)[0, person]) < 0.4 * spread((slab - truth)[0, person])


def test_noise_of_the_anchor_is_gone():
    truth, person = ball(128, 128, 80)
    noisy = truth + np.random.default_rng(0).normal(0, 1.0 * PIXEL, truth.shape)
    agreed = agree(noisy, stored_normals(truth, person), person, CANVAS)
    inner = eroded(person, 40)
    assert spread((agreed - truth)[0, inner]) < 0.1 * spread((noisy - truth)[0, inner])


def test_a_ball_before_another_stays_before_it():
    """Its outline is a jump of 40 px: told as flat by the normals, known by the anchor alone."""
    behind, first = ball(128, 128, 90, middle=2.2)
    before, second = ball(128, 128, 25, middle=2.2 - 130 * PIXEL)
    truth = behind.copy()
    truth[0] = np.where(second, before[0], behind[0])
    normals = stored_normals(behind, first)
    normals[0] = np.where(second, stored_normals(before, second)[0], normals[0])
    agreed = agree(truth, normals, first, CANVAS)
    away = ~rim_of(second) & eroded(first, 8)
    assert abs(agreed - truth)[0, away & second].mean() < 2.5 * PIXEL
    assert abs(agreed - truth)[0, away & ~second].mean() < 1.0 * PIXEL


def test_a_jump_of_an_enlarged_coarse_depth_makes_no_stairs():
    """A hand's outline runs across coarse pixels; along it, depth stays the same."""
    person = np.ones((SIZE, SIZE), bool)
    truth = np.stack([np.where(ROWS > COLUMNS, 1.7, 1.9), np.full((SIZE, SIZE), 2.2)]).astype(np.float32)
    lifted = lift_depth(torch.from_numpy(coarse_of(truth, SIZE))[None], Window.full(SIZE))[0].numpy()
    flat = stored_normals(np.ones_like(truth), person)
    stairs = []
    for kinks in (None, kinks_of(lifted)):
        front = agree(lifted, flat, person, CANVAS, kinks)[0]
        stairs.append(max(np.ptp(np.diagonal(front, offset)[64:-64]) for offset in range(-12, 13)))
    assert stairs[1] < 0.2 * stairs[0]


def odd_masks() -> dict[str, np.ndarray]:
    masks = {name: np.zeros((SIZE, SIZE), bool) for name in ("empty", "pixel", "line", "corner", "two")}
    masks["pixel"][5, 5] = True
    masks["line"][100, 20:200] = True
    masks["corner"][-30:, -40:] = True
    masks["two"][10:60, 10:60] = masks["two"][150:250, 100:140] = True
    return masks | {"checkers": (np.indices((SIZE, SIZE)).sum(0) % 2 == 0), "all": np.ones((SIZE, SIZE), bool)}


@pytest.mark.parametrize("name", odd_masks())
def test_any_mask_gives_finite_depth_that_does_not_cross_and_leaves_the_rest(name):
    person = odd_masks()[name]
    random = np.random.default_rng(1)
    anchor = random.uniform(1, 3, (2, SIZE, SIZE))
    normals = random.uniform(0, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    agreed = agree(anchor, normals, person, CANVAS)
    assert np.isfinite(agreed).all()
    assert (agreed[0] <= agreed[1])[person].all()
    np.testing.assert_array_equal(agreed[:, ~person], anchor[:, ~person])


def test_without_normals_the_anchor_is_kept_and_a_crossing_mended():
    truth, person = ball(128, 128, 60)
    nothing = np.zeros((2, 3, SIZE, SIZE), np.float32)
    agreed = agree(truth, nothing, person, CANVAS)
    assert abs(agreed - truth)[:, eroded(person, 6)].max() < 1.0 * PIXEL
    crossed = agree(truth[::-1], nothing, person, CANVAS)
    thickness = LEAST_THICKNESS * PIXEL * round_thickness(outline_distance(person), WIDEST_ROUND * CANVAS)
    assert (crossed[1] - crossed[0] >= thickness - 1e-6)[person].all()


def test_background_in_the_anchor_is_no_place():
    """The coarse mask may miss a part of the person: front 6 and back 0 there, as the networks say background."""
    truth, person = ball(128, 128, 60)
    holed = truth.copy()
    holed[:, 100:110, 150:170] = np.array([6.0, 0.0])[:, None, None]
    agreed = agree(holed, stored_normals(truth, person), person, CANVAS)
    assert abs(agreed - truth)[:, eroded(person, 6)].max() < 6 * PIXEL


def test_a_limb_gets_its_round_outline_back_from_a_coarse_anchor():
    """A cylinder; the anchor is its mean over 8 px, which is far too thick at the outline, the normals are right."""
    half = np.sqrt(np.maximum(20.0**2 - (COLUMNS - 128.3) ** 2, 0)) * PIXEL
    truth, person = np.stack([2 - half, 2 + half]), half > 0
    wide = np.where(person, half, 0).reshape(SIZE, -1, 8).sum(-1) / np.maximum(person.reshape(SIZE, -1, 8).sum(-1), 1)
    anchor = np.stack([2 - wide.repeat(8, axis=1), 2 + wide.repeat(8, axis=1)])
    agreed = agree(anchor, stored_normals(truth, person), person, CANVAS)
    rim = rim_of(person, outside=True)
    before, after, true = ((depth[1] - depth[0])[rim].mean() / PIXEL for depth in (anchor, agreed, truth))
    assert before > true + 6 and abs(after - true) < 2.5
    inner = person & ~rim
    assert abs(agreed - truth)[:, inner].mean() < 1.0 * PIXEL


def test_a_thin_limb_that_the_anchor_lost_is_not_flat():
    """Flat normals and an anchor without thickness, as the networks say of a raised forearm."""
    person = abs(COLUMNS - 128) < 9
    nothing = np.full((2, SIZE, SIZE), 2.0)
    flat = stored_normals(nothing, person)
    agreed = agree(nothing, flat, person, CANVAS)
    thickness = (agreed[1] - agreed[0])[128, 128] / PIXEL
    assert 9 < thickness < 18


def test_the_same_person_further_away_agrees_in_the_same_way():
    truth, person = ball(128, 128, 60)
    normals = stored_normals(truth, person)
    anchor = truth + 0.02 * np.sin(COLUMNS / 9)
    near, far = agree(anchor, normals, person, CANVAS), agree(anchor + 0.7, normals, person, CANVAS)
    np.testing.assert_allclose(far - near, 0.7, atol=1e-3 * PIXEL)


def test_a_mirrored_person_agrees_in_the_same_way():
    """Mirrored pixel by pixel, the code of slopes is told at the other pixel of a pair: nearly equal."""
    truth, person = ball(120, 140, 50)
    anchor = truth + 0.03 * np.cos(ROWS / 11)
    agreed = agree(anchor, stored_normals(truth, person), person, CANVAS)
    flipped = agree(anchor[..., ::-1], stored_normals(truth[..., ::-1], person[:, ::-1]), person[:, ::-1], CANVAS)
    difference = abs(flipped[..., ::-1] - agreed)[:, eroded(person, 6)]
    assert difference.mean() < 0.2 * PIXEL


def test_a_person_cut_by_the_picture_has_no_rim_there():
    """Legs that go on below the picture: front and back are not drawn together along its lowest row."""
    person = np.zeros((SIZE, SIZE), bool)
    person[60:, 100:160] = True
    half = np.sqrt(np.maximum(30.0**2 - (COLUMNS - 130) ** 2, 0)) * PIXEL
    truth = np.stack([2 - half, 2 + half])
    agreed = agree(truth, stored_normals(truth, person), person, CANVAS)
    lowest = (agreed[1] - agreed[0])[-1, 110:150]
    np.testing.assert_allclose(lowest, (agreed[1] - agreed[0])[-60, 110:150], atol=0.3 * PIXEL)


def test_the_same_input_gives_the_same_bits():
    truth, person = ball(128, 128, 70)
    normals = stored_normals(truth, person)
    np.testing.assert_array_equal(
        agree(truth + 0.1, normals, person, CANVAS), agree(truth + 0.1, normals, person, CANVAS)
    )
