"""Training ends by name where normals are dead or numbers are not finite."""

import pytest
import torch

from training.failure import TrainingFailed
from training.guards import NonFiniteGuard, refuse_dead_normals


def test_normals_that_are_black_but_for_a_few_pixels_are_named():
    """As they look when nearly all of them have fallen below a plain ReLU; a small person is not that."""
    black, small = torch.zeros(2, 1, 6, 64, 64)
    black[..., 5, 5:20] = 0.2
    small[..., 10:16, 10:17] = 0.6
    refuse_dead_normals({"coarse_normals": small}, "after 300 steps")
    with pytest.raises(TrainingFailed, match="coarse_normals: the front normals are black in x, y, z"):
        refuse_dead_normals({"coarse_normals": black}, "after 300 steps")


def test_ten_steps_in_a_row_that_are_not_finite_end_the_training():
    guard = NonFiniteGuard(limit=10)
    terms = {"normals/face": torch.tensor(float("nan")), "normals/arm": torch.tensor(1.0)}
    gradients = {"face.head.weight": torch.tensor([float("nan")]), "arm.head.weight": torch.tensor([0.0])}
    for step in range(9):
        guard.failed(step, terms, gradients)
    guard.passed()
    for step in range(9):
        guard.failed(step, terms, gradients)
    assert guard.skipped == 18
    with pytest.raises(TrainingFailed, match="loss normals/face, gradient of face: not finite for 10 steps"):
        guard.failed(9, terms, gradients)
