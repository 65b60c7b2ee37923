"""The order of the samples: everybody once per epoch, the same from any step, shared among processes, and echoed."""

import numpy as np
import pytest

from training.reading import batches_of_steps
from training.sampler import ECHO_LAG, ResumableBatchSampler
from training.settings import PhaseSettings


def test_order_visits_everybody_once_per_epoch_and_goes_on_anywhere():
    options = PhaseSettings(epochs=3, batch_size=2, accumulate=2)
    order = ResumableBatchSampler(11, options, seed=1)
    batches = list(order)
    assert len(batches) == len(order) == 3 * order.steps_per_epoch * 2
    for epoch in range(3):
        seen = [position for batch in batches for e, position in batch if e == epoch]
        assert len(seen) == len(set(seen)) == 8
    assert list(ResumableBatchSampler(11, options, seed=1, first_step=3)) == batches[6:]


@pytest.mark.parametrize("first_step", [0, 1, 31, 100])
def test_an_echo_learns_from_every_batch_again_with_other_batches_between(first_step):
    options = PhaseSettings(epochs=5, batch_size=2, accumulate=2, echo=3)
    whole, order = (ResumableBatchSampler(50, options, seed=1, first_step=first) for first in (0, first_step))
    assert whole.steps == 3 * 5 * 12
    assert len(list(whole)) == len(whole) == 2 * 5 * 12

    def learnt(order):
        return [[tuple(batch) for batch in step] for step in batches_of_steps(iter(order), order)]

    steps = learnt(whole)
    assert learnt(order) == steps[first_step:]
    readings = [whole.reading_of(step) for step in range(whole.steps)]
    for reading in range(2 * ECHO_LAG, 5 * 12 - 2 * ECHO_LAG):
        places = [step for step, other in enumerate(readings) if other == reading]
        assert len(places) == 3
        assert min(np.diff(places)) > ECHO_LAG


def test_ranks_share_the_batches_of_one_process(monkeypatch):
    alone = list(ResumableBatchSampler(16, PhaseSettings(epochs=2, batch_size=4), seed=1))
    parts = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    for number in ("0", "1"):
        monkeypatch.setenv("RANK", number)
        parts.append(list(ResumableBatchSampler(16, PhaseSettings(epochs=2, batch_size=2), seed=1)))
    assert [a + b for a, b in zip(*parts, strict=True)] == alone
    assert len(alone) == 8
