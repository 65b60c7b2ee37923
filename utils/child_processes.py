"""Processes that this one starts: they end when it does, however that is, and Ctrl-C ends them without a word."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

Result = TypeVar("Result")

SPAWN = multiprocessing.get_context("spawn")
"""Threads of torch, Open3D and OpenCV do not survive a fork."""


@contextmanager
def beside(work: Callable[..., Result], *arguments: object) -> Iterator[Callable[[], Result | None]]:
    """Let a process of its own work while the block does something else; it ends with the block.

    Args:
        work: picklable, as its arguments and its result.

    Yields:
        What waits for the result; it is None when the process ended without one, or could not be begun.
    """
    receiver, sender = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_send, args=(sender, work, arguments))

    def result() -> Result | None:
        try:
            return receiver.recv()
        except EOFError:
            return None

    try:
        with ctrl_c_held():
            process.start()
    except OSError:
        yield lambda: None
        return
    finally:
        sender.close()
    try:
        yield result
    finally:
        process.kill()
        process.join()
        receiver.close()


def _send(sender: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    end_with_parent()
    sender.send(work(*arguments))


@contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Ctrl-C within the block comes at its end. Processes that it starts go on holding it back, into their imports."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Let this process end at once when its parent does, and at Ctrl-C, without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see ctrl_c_held
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        # Also while a library holds Python's lock, as Open3D's solver does.
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_wait_for_end, args=(parent.sentinel,), daemon=True).start()


def _wait_for_end(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
