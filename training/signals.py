"""Stopping when asked to, after the step at hand."""

from __future__ import annotations

import signal
from types import FrameType

import cv2

from utils.heap import keep_freed_memory


class StopRequest:
    """Notes SIGTERM and Ctrl-C instead of dying of them; a second one ends the process at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    @property
    def asked(self) -> bool:
        """Whether a signal has asked this process to stop."""
        return self.signal is not None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.signal = number


def prepare_worker(_: int) -> None:
    """For processes that read data: they end when the training does, not when a terminal signals the whole group.

    They keep what they have freed: 200 ms instead of 290 ms a sample at 2048 px, for 100 MB more a process (measured).
    """
    keep_freed_memory()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
