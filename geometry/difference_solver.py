"""Sparse linear least squares of differences between pixels, of one or more layers of a picture.

    minimise   sum over differences of  weight (x[second] - x[first] - value)^2
             + sum over unknowns of     hold (x - start)^2

The normal equations are a screened Poisson problem with varying weights. Conjugate gradients, preconditioned by a
multigrid V-cycle, solve them in about a dozen steps whatever the size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import LinearOperator, cg

TOLERANCE = 1e-3
"""Of the residual's norm at the start."""
MOST_STEPS = 60
SMALLEST = 300
"""Unknowns from which on downwards a grid is solved by its inverse."""
DAMPING = 0.7
"""Of the Jacobi steps that smooth on every grid."""
SMOOTHING_STEPS = 2
"""Before and after the coarser grid, equally many: the cycle must be symmetric for conjugate gradients."""


@dataclass(frozen=True)
class Differences:
    """E equations between N unknowns."""

    first: np.ndarray  # (E,) int32
    second: np.ndarray  # (E,) int32
    value: np.ndarray  # (E,) float64, what x[second] - x[first] should be
    weight: np.ndarray  # (E,) float64, at least 0


def solve(start: np.ndarray, hold: np.ndarray, wanted: Differences, place: np.ndarray) -> np.ndarray:
    """The unknowns that fulfil the differences and stay near their start, in least squares.

    Args:
        start: (N,) float64.
        hold: (N,) float64 weights above 0 of staying at the start.
        wanted: the differences.
        place: (N, 3) int32 layer, row and column of every unknown, from 0; by it, grids are coarsened.

    Returns:
        (N,) float64, to TOLERANCE; the same bits on the same machine.
    """
    # Solving for the change from the start keeps float32 exact enough: places are near 2, their changes small.
    pull = wanted.weight * (start[wanted.second] - start[wanted.first] - wanted.value)
    force = np.bincount(wanted.first, pull, len(start)) - np.bincount(wanted.second, pull, len(start))
    grid = _Grid(wanted.first, wanted.second, wanted.weight, hold, place)
    cycle = LinearOperator(grid.matrix.shape, matvec=grid.cycle, dtype=np.float32)
    change, _ = cg(grid.matrix, force.astype(np.float32), rtol=TOLERANCE, maxiter=MOST_STEPS, M=cycle)
    return start + change


class _Grid:
    """The matrix of the normal equations, and below it the same problem on a grid of half the pixels a side.

    2x2 pixels of a layer become one unknown (unsmoothed aggregation). A slope makes twice the difference between blocks
    and has half as many in a row, so differences within a layer count half; those between layers do not.
    """

    def __init__(
        self, first: np.ndarray, second: np.ndarray, weight: np.ndarray, hold: np.ndarray, place: np.ndarray
    ) -> None:
        size = len(hold)
        diagonal = hold + np.bincount(first, weight, size) + np.bincount(second, weight, size)
        self.matrix = _symmetric(diagonal, first, second, -weight)
        self.damped = (DAMPING / diagonal).astype(np.float32)
        self.below: _Grid | None = None
        if size <= SMALLEST:
            self.inverse = np.linalg.inv(self.matrix.toarray().astype(np.float64)).astype(np.float32)
            return
        block_place, block = _blocks(place)
        self.spread = csr_array(
            (np.ones(size, np.float32), block, np.arange(size + 1, dtype=np.int32)), (size, len(block_place))
        )
        self.gather = self.spread.T.tocsr()
        within = place[first, 0] == place[second, 0]
        first, second, weight = _merged(block[first], block[second], np.where(within, 0.5, 1.0) * weight)
        self.below = _Grid(first, second, weight, np.bincount(block, hold, len(block_place)), block_place)

    def cycle(self, right: np.ndarray) -> np.ndarray:
        """One V-cycle from 0 towards matrix @ x = right, (N,) float32: a linear, symmetric, positive operator."""
        if self.below is None:
            return self.inverse @ right
        x = self.damped * right
        for _ in range(SMOOTHING_STEPS - 1):
            x += self.damped * (right - self.matrix @ x)
        x += self.spread @ self.below.cycle(self.gather @ (right - self.matrix @ x))
        for _ in range(SMOOTHING_STEPS):
            x += self.damped * (right - self.matrix @ x)
        return x


def _symmetric(diagonal: np.ndarray, first: np.ndarray, second: np.ndarray, values: np.ndarray) -> csr_array:
    """(N, N) float32 with `values` at (first, second) and at (second, first), added up where a pair comes twice."""
    size = len(diagonal)
    every = np.arange(size, dtype=np.int32)
    entries = np.concatenate([diagonal, values, values]).astype(np.float32)
    places = np.concatenate([every, first, second]), np.concatenate([every, second, first])
    return coo_array((entries, places), (size, size)).tocsr()


def _blocks(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, 3) layer, row and column of the 2x2 blocks that have unknowns, and (N,) int32 the block of each unknown."""
    halved = place // np.array([1, 2, 2], place.dtype)
    code = np.ravel_multi_index(tuple(halved.T), tuple(halved.max(axis=0) + 1))
    _, sample, block = np.unique(code, return_index=True, return_inverse=True)
    return halved[sample], block.astype(np.int32)


def _merged(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of blocks instead of pairs of pixels: none within a block, one of the weights' sum between the same two."""
    apart = first != second
    low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
    code = low.astype(np.int64) * (int(high.max(initial=0)) + 1) + high
    _, sample, pair = np.unique(code, return_index=True, return_inverse=True)
    return low[sample], high[sample], np.bincount(pair, weight[apart], len(sample))
