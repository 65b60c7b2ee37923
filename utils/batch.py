"""Many files, one after another or side by side: what is done is skipped, what fails is named, the rest goes on."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from tqdm import tqdm

from utils.child_processes import SPAWN, ctrl_c_held, end_with_parent
from utils.errors import InputError, one_line, plain_reason

DIED = "its process died twice, the second time alone: most likely out of memory"


Outcomes = Generator[tuple[str, BaseException | None], None, None]
"""Names with the error of their work, or None."""


class LeftOut(Exception):
    """Raised by the work: there is nothing to do for this item, and that is no failure."""


@dataclass(frozen=True)
class InThreads:
    """Work for threads of this process, whose libraries let Python go: each takes an item through both steps."""

    read: Callable[[str], Any]  # name -> what is worked on; in the order of the names, one at a time
    work: Callable[[Any], object]  # beside that of other items
    threads: int


@dataclass
class BatchReport:
    """The outcome of every item of a batch."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # name -> reason, one line
    failures: dict[str, str] = field(default_factory=dict)  # name -> reason, one line

    @property
    def exit_code(self) -> int:
        """0 when nothing failed, 1 otherwise."""
        return 1 if self.failures else 0

    def print_summary(self, verb: str) -> None:
        """One line of counts, one line per item left out, and one per failure on stderr."""
        left_out = f"{len(self.left_out)} left out, " if self.left_out else ""
        print(f"{len(self.done)} {verb}, {len(self.skipped)} already there, {left_out}{len(self.failures)} failed")
        for name, reason in self.left_out.items():
            print(f"left out {one_line(name)}: {reason}")
        for name, reason in self.failures.items():
            print(f"FAILED {one_line(name)}: {reason}", file=sys.stderr)


def reason_of(error: BaseException) -> str:
    """One line for the summary. A defect of ours, neither the input's fault nor the system's, prints its stack too."""
    reason = plain_reason(error)
    if reason is None:
        traceback.print_exception(error, file=sys.stderr)
        reason = one_line(f"{type(error).__name__}: {error}")
    return reason


def run_batch(
    names: Sequence[str],
    work: Callable[[str], object] | InThreads,
    is_done: Callable[[str], bool],
    title: str,
    jobs: int = 1,
    apart: bool = False,
) -> BatchReport:
    """Do `work` for every name that is not done.

    Args:
        work: called with a name; with jobs > 1 or `apart` it must be picklable and runs in a fresh process. A process
            that dies is survived: its work is tried once more, alone. Processes end with this one, however it ends.
            InThreads brings its own number, and takes neither.
        is_done: asked before the work starts.
        title: word beside the progress bar.
        jobs: processes side by side; 1 works in this process.
        apart: even one job works in a process of its own, because the work may take its process down.

    Returns:
        The report; Ctrl-C is not caught.
    """
    report = BatchReport()
    todo: list[str] = []
    for name in names:
        try:
            (report.skipped if is_done(name) else todo).append(name)
        except Exception as problem:  # as of a folder that nobody may read
            report.failures[name] = reason_of(problem)
    begun = _in_threads(todo, work) if isinstance(work, InThreads) else _outcomes(todo, work, jobs, apart)
    with closing(begun) as outcomes:
        for name, error in tqdm(outcomes, total=len(todo), desc=title, disable=not todo):
            if error is None:
                report.done.append(name)
            elif isinstance(error, LeftOut):
                report.left_out[name] = str(error)
            else:
                report.failures[name] = reason_of(error)
    return report


def _in_threads(names: Sequence[str], steps: InThreads) -> Outcomes:
    """In the order of the names, as `_outcomes`."""
    outcomes: deque[tuple[str, Future]] = deque((name, Future()) for name in names)
    waiting, turn = outcomes.copy(), threading.Lock()

    def take_next() -> None:
        with turn:
            name, outcome = waiting.popleft()
            try:
                item = steps.read(name)
            except BaseException as error:
                outcome.set_exception(error)
                return
        try:
            steps.work(item)
            outcome.set_result(None)
        except BaseException as error:
            outcome.set_exception(error)

    pool = ThreadPoolExecutor(steps.threads, "item")
    try:
        for _ in names:
            pool.submit(take_next)
        while outcomes:
            name, outcome = outcomes.popleft()  # errors hold on to what they happened to
            error = outcome.exception()
            if not isinstance(error, Exception | None):
                raise error  # what ends a program ends this one, whichever thread it comes from
            yield name, error
    finally:  # whatever stops the run: what has begun is finished, what waits is not begun
        pool.shutdown(cancel_futures=True)


def _outcomes(names: Sequence[str], work: Callable[[str], object], jobs: int, apart: bool) -> Outcomes:
    if jobs == 1 and not apart:
        for name in names:
            try:
                work(name)
                yield name, None
            except Exception as failure:
                yield name, failure
        return
    while names:
        lost = set()
        for name, error in _side_by_side(names, work, jobs):
            if isinstance(error, BrokenProcessPool):
                lost.add(name)
            else:
                yield name, error
        # A process that dies breaks the pool for all work that waits. Work is begun in order, so one of the first
        # `jobs` that are left broke it: each of them is tried again, alone.
        left = [name for name in names if name in lost]
        for name in left[:jobs]:
            [(_, error)] = _side_by_side([name], work, 1)
            yield name, InputError(DIED) if isinstance(error, BrokenProcessPool) else error
        names = left[jobs:]


def _side_by_side(names: Sequence[str], work: Callable[[str], object], jobs: int) -> Outcomes:
    # The work may hold a table of all names: it goes to each process once, and not along with every name.
    begin = (pickle.dumps(work),)
    with _sigterm_raises(), ProcessPoolExecutor(jobs, SPAWN, initializer=_begin, initargs=begin) as pool:
        try:
            with ctrl_c_held():
                futures = {pool.submit(_do, name): name for name in names}
            for future in as_completed(futures):
                yield futures[future], future.exception()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()
            raise


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM within the block leaves it as an exception, with the code that it would have left: what the pool has of
    the system is given back, where Python would complain of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        print("\nstopped by SIGTERM", file=sys.stderr)  # behind the progress bar
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_work: Callable[[str], object]
"""What this process does for every name; there is none but in the processes of `_side_by_side`."""


def _begin(pickled: bytes) -> None:
    global _work
    end_with_parent()  # before the imports that unpickling brings
    _work = pickle.loads(pickled)


def _do(name: str) -> None:
    _work(name)
