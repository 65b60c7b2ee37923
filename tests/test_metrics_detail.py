"""Fine relief in closed form: waves, wedges and steps."""

import numpy as np
import pytest

from evaluation.normal_detail import DETAIL_SIGMA, detail_summary, relief, relief_pixels

SIZE = 192
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float64)
EVERYWHERE = np.ones((SIZE, SIZE), bool)
FLAT = np.full((SIZE, SIZE), 2.0)


def stored(x: np.ndarray | float, y: np.ndarray | float = 0.0) -> np.ndarray:
    """(R, R, 3) stored normals of slopes x and y."""
    code = np.stack(np.broadcast_arrays(x + 0 * ROWS, y + 0 * ROWS, np.ones_like(ROWS)), axis=-1)
    return (code / np.linalg.norm(code, axis=-1, keepdims=True) + 1) / 2


def waves(height: float, period: int, phase: float = 0.0) -> np.ndarray:
    return stored(height * np.sin(2 * np.pi * COLUMNS / period + phase))


def summary(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    numbers = detail_summary(predicted, truth, FLAT, EVERYWHERE)
    return numbers["detail_correlation"], numbers["detail_energy_%"]


def test_equal_normals_have_all_the_detail():
    noise = np.random.default_rng(0).normal(0, 0.2, (2, SIZE, SIZE))
    assert summary(stored(*noise), stored(*noise)) == (pytest.approx(1), pytest.approx(100))


def test_waves_of_half_the_height_have_a_quarter_of_the_energy():
    correlation, energy = summary(waves(0.01, 6), waves(0.02, 6))
    assert (correlation, energy) == (pytest.approx(1, abs=1e-4), pytest.approx(25, rel=1e-3))


def test_waves_a_quarter_of_their_length_away_correlate_with_nothing():
    correlation, energy = summary(waves(0.02, 8, np.pi / 2), waves(0.02, 8))
    assert abs(correlation) < 0.02 and energy == pytest.approx(100, rel=0.02)


def test_waves_upside_down_correlate_negatively():
    assert summary(waves(-0.02, 8), waves(0.02, 8))[0] == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize("period", [4, 8, 16])
def test_a_wave_passes_by_the_closed_form(period):
    """A Gaussian keeps exp(-(k sigma)^2 / 2) of a wave; the relief is the rest."""
    passed = relief(waves(0.01, period), EVERYWHERE)[96, 48:144, 0]
    k = 2 * np.pi / period
    assert np.abs(passed).max() == pytest.approx(0.01 * (1 - np.exp(-((k * DETAIL_SIGMA * SIZE) ** 2) / 2)), rel=0.02)


def test_a_smooth_prediction_has_no_detail_and_a_smooth_truth_none_to_compare_with():
    assert summary(stored(0.3), waves(0.02, 8)) == (pytest.approx(0, abs=0.01), pytest.approx(0, abs=1e-3))
    assert all(np.isnan(summary(waves(0.02, 8), np.full((SIZE, SIZE, 3), 0.5))))


def test_what_is_wrong_with_the_large_shape_does_not_count():
    tilted = stored(0.02 * np.sin(2 * np.pi * COLUMNS / 6) + 0.1)
    correlation, energy = summary(tilted, waves(0.02, 6))
    assert correlation > 0.98 and 90 < energy < 105


def test_the_silhouette_and_what_lies_beyond_do_not_count():
    present = np.zeros((SIZE, SIZE), bool)
    present[40:150, 30:160] = True
    truth, predicted = waves(0.02, 6), waves(0.01, 6)
    expected = detail_summary(predicted, truth, FLAT, present)
    predicted[~present], truth[~present] = 0, 0.9
    assert detail_summary(predicted, truth, FLAT, present) == pytest.approx(expected)
    where = relief_pixels(FLAT, present)
    assert where.sum() == (110 - 4) * (130 - 4), "more than 2 px from the outside, 8 of 768"


def test_jumps_of_the_truth_do_not_count():
    step = FLAT + 0.1 * (COLUMNS >= 96)
    where = relief_pixels(step, EVERYWHERE)
    assert not where[:, 93:99].any() and where[10, 92] and where[10, 99]
    where = relief_pixels(step.T, EVERYWHERE)
    assert not where[93:99].any() and where[92, 10] and where[99, 10]
    assert relief_pixels(FLAT + 0.05 * (COLUMNS >= 96), EVERYWHERE)[10, 95]


def test_no_subject_in_common_gives_no_numbers():
    numbers = detail_summary(waves(1, 8), waves(1, 8), FLAT, np.zeros((SIZE, SIZE), bool))
    assert all(np.isnan(value) for value in numbers.values())
