"""Angles, depth errors and silhouettes, solved by hand."""

import numpy as np
import pytest
import torch

from evaluation.bootstrap import bootstrap_mean
from evaluation.map_errors import (
    angle_summary,
    depth_errors_mm,
    depth_summary,
    normal_angles,
    person_height,
    shift_aligned,
    silhouette_iou,
)
from geometry.camera import HALF_TANGENT
from geometry.depth import network_from_distance


def stored(*vector: float) -> list[float]:
    return [(value + 1) / 2 for value in vector]


def test_angles_between_stored_normals():
    a = np.array([stored(0, 0, 1), stored(1, 0, 0), stored(0, 0, 1), stored(0.5, 0, 0)])
    b = np.array([stored(0, 0, 1), stored(0, 1, 0), stored(0, 0, -1), stored(1, 0, 0)])
    np.testing.assert_allclose(normal_angles(a, b), [0, 90, 180, 0])
    np.testing.assert_allclose(normal_angles(torch.tensor(a), torch.tensor(b)), [0, 90, 180, 0])


def test_angles_are_precise_near_0():
    """The arc cosine of float32 could not tell 0.001 deg from 0."""
    tilt = np.radians(0.001)
    angle = normal_angles(np.array(stored(0, 0, 1)), np.array(stored(np.sin(tilt), 0, np.cos(tilt))))
    assert angle == pytest.approx(0.001, rel=1e-6)


def test_angle_summary_counts_fractions():
    summary = angle_summary(np.array([0.0, 11.25, 20.0, 29.0, 90.0]))
    assert summary == {
        "mean_deg": pytest.approx(30.05),
        "median_deg": 20.0,
        "under_11.25deg_%": 20.0,
        "under_22.5deg_%": 60.0,
        "under_30deg_%": 80.0,
    }
    assert all(np.isnan(value) for value in angle_summary(np.empty(0)).values())


def flat_person(size: int = 64, distance: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A wall at z = 1 - distance over the middle half of the rows: (depth, present)."""
    y = (1 - 2 * (np.arange(size) + 0.5) / size) * HALF_TANGENT
    x = (2 * (np.arange(size) + 0.5) / size - 1) * HALF_TANGENT
    rays = np.sqrt(1 + x[None, :] ** 2 + y[:, None] ** 2)
    present = np.zeros((size, size), dtype=bool)
    present[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = True
    return np.where(present, network_from_distance(distance * rays), 0.0), present


def test_person_height_is_the_extent_along_y():
    """32 of 64 rows: pixel centres span 31/64 of the image plane, 2 tan 25 deg at distance 1."""
    depth, present = flat_person()
    assert person_height(depth, depth, present) == pytest.approx(2 * HALF_TANGENT * 31 / 64)
    assert person_height(depth, depth, np.zeros_like(present)) == 0


def test_depth_error_in_millimetres_of_a_person_of_1_8_m():
    """A person 0.9 world units high is 1.8 m tall: one world unit is 2 m."""
    truth = network_from_distance(np.array([1.0, 1.1]))
    predicted = network_from_distance(np.array([1.01, 1.08]))
    np.testing.assert_allclose(depth_errors_mm(predicted, truth, height=0.9), [20.0, -40.0])


def test_one_shift_aligns_both_sides_but_keeps_a_wrong_thickness():
    errors = {"front": np.full(30, 50.0), "back": np.full(30, 50.0)}
    aligned = shift_aligned(errors)
    assert depth_summary(errors["front"], aligned["front"]) == {"raw_mm": 50, "aligned_mm": 0, "aligned_rms_mm": 0}
    too_thick = shift_aligned({"front": np.full(30, -10.0), "back": np.full(30, 10.0)})
    assert np.abs(too_thick["front"]).mean() + np.abs(too_thick["back"]).mean() == pytest.approx(20)


def test_silhouette_iou():
    a, b = np.zeros((2, 4, 4), dtype=bool)
    a[:, :2], b[:, 1:3] = True, True
    assert silhouette_iou(a, b) == pytest.approx(100 / 3)
    assert silhouette_iou(a, a) == 100
    assert np.isnan(silhouette_iou(np.zeros((2, 2)), np.zeros((2, 2))))


def test_bootstrap_interval_of_a_mean():
    """For n normal values the interval is the mean +- 1.96 standard errors, up to small-sample bias."""
    values = np.random.default_rng(0).normal(10, 2, 400)
    interval = bootstrap_mean(values, [str(k) for k in range(400)], seed=0)
    error = 1.96 * values.std() / 20
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - error, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + error, abs=0.02)
    assert interval == bootstrap_mean(values, [str(k) for k in range(400)], seed=0)


def test_views_of_one_person_do_not_narrow_the_interval():
    values = [1.0, 2.0, 4.0, 8.0]
    one = bootstrap_mean(values, ["a", "b", "c", "d"], seed=0)
    six = bootstrap_mean(np.repeat(values, 6), np.repeat(["a", "b", "c", "d"], 6), seed=0)
    assert (six.low, six.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert six.count == 24


def test_bootstrap_without_enough_people():
    assert np.isnan(bootstrap_mean([1.0, 1.5], ["a", "a"], seed=0).low)
    assert bootstrap_mean([1.0, float("nan")], ["a", "b"], seed=0).mean == 1.0
    assert bootstrap_mean([], [], seed=0).count == 0
