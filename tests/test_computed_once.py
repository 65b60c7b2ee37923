"""Properties computed once, for each object by itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from utils.computed_once import computed_once


class Thing:
    """Counts how often its value is computed, and waits there for another thing."""

    def __init__(self, meeting: threading.Barrier) -> None:
        self.meeting, self.times = meeting, 0

    @computed_once
    def value(self) -> int:
        """Computed only when another thing computes at the same time."""
        self.times += 1
        self.meeting.wait(timeout=10)
        return self.times


def test_objects_do_not_wait_for_each_other() -> None:
    meeting = threading.Barrier(2)
    things = [Thing(meeting), Thing(meeting)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda thing: thing.value, things)) == [1, 1]
    assert [thing.value for thing in things] == [1, 1]
    assert [thing.times for thing in things] == [1, 1]
