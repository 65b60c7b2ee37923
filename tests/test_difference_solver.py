"""The multigrid solver against a dense one, and its speed in steps."""

import numpy as np
import pytest

from geometry import difference_solver
from geometry.difference_solver import Differences, solve


def random_picture(side: int, seed: int) -> tuple[np.ndarray, np.ndarray, Differences, np.ndarray]:
    """Start, hold, differences and places of two layers of a mask with holes; weights over three decades."""
    random = np.random.default_rng(seed)
    mask = random.random((side, side)) < 0.8
    rows, columns = np.nonzero(mask)
    count = len(rows)
    number = np.full((side, side + 1), -1)
    number[:, :side][mask] = np.arange(count)
    under = np.vstack([number[1:, :side], np.full((1, side), -1)])[rows, columns]
    beside = number[rows, columns + 1]
    pairs = [(np.flatnonzero(there >= 0), there[there >= 0]) for there in (beside, under)]
    first = np.concatenate([ends[0] + k * count for k in (0, 1) for ends in pairs] + [np.arange(0, count, 7)])
    second = np.concatenate([ends[1] + k * count for k in (0, 1) for ends in pairs] + [np.arange(0, count, 7) + count])
    weight = 10 ** random.uniform(-3, 0, len(first))
    wanted = Differences(first.astype(np.int32), second.astype(np.int32), random.normal(size=len(first)), weight)
    place = np.stack([np.repeat([0, 1], count), np.tile(rows, 2), np.tile(columns, 2)], axis=1).astype(np.int32)
    return random.normal(size=2 * count), np.full(2 * count, 0.01), wanted, place


def dense(start: np.ndarray, hold: np.ndarray, wanted: Differences) -> np.ndarray:
    matrix = np.zeros((len(wanted.first), len(start)))
    matrix[np.arange(len(matrix)), wanted.first] = -1
    matrix[np.arange(len(matrix)), wanted.second] = 1
    root = np.sqrt(np.concatenate([wanted.weight, hold]))
    both = np.vstack([matrix, np.eye(len(start))]) * root[:, None]
    return np.linalg.lstsq(both, np.concatenate([wanted.value, start]) * root, rcond=None)[0]


@pytest.mark.parametrize("side", [1, 2, 9, 26])
def test_the_solution_is_that_of_dense_least_squares(side):
    start, hold, wanted, place = random_picture(side, seed=side)
    expected = dense(start, hold, wanted)
    found = solve(start, hold, wanted, place)
    assert np.linalg.norm(found - expected) <= 0.02 * np.linalg.norm(expected - start) + 1e-9


def test_what_is_already_right_does_not_move():
    start, hold, wanted, place = random_picture(12, seed=0)
    right = Differences(wanted.first, wanted.second, start[wanted.second] - start[wanted.first], wanted.weight)
    np.testing.assert_array_equal(solve(start, hold, right, place), start)


def test_steps_do_not_grow_with_the_picture(monkeypatch):
    """Without the coarser grids they would grow with its side: 16 times from 16 to 256 px."""
    counts = []
    plain = difference_solver.cg
    monkeypatch.setattr(difference_solver, "cg", lambda *a, **k: plain(*a, callback=lambda x: counts.append(1), **k))
    steps = {}
    for side in (16, 256):
        counts.clear()
        rows, columns = np.divmod(np.arange(side * side), side)
        right, down = np.flatnonzero(columns < side - 1), np.flatnonzero(rows < side - 1)
        ends = np.concatenate([right, down]), np.concatenate([right + 1, down + side])
        value = np.random.default_rng(0).normal(size=len(ends[0]))
        wanted = Differences(*(end.astype(np.int32) for end in ends), value, np.ones(len(value)))
        place = np.stack([0 * rows, rows, columns], axis=1).astype(np.int32)
        solve(np.zeros(side * side), np.full(side * side, 1e-6), wanted, place)
        steps[side] = len(counts)
    assert steps[256] <= 3 * steps[16] and steps[256] < 30
