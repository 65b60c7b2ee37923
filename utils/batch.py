"""Many files, one after another or side by side: what is done is skipped, what fails is named, the rest goes on."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from tqdm import tqdm

from utils.errors import InputError, one_line, plain_reason

DIED = "its process died twice, the second time alone: most likely out of memory"


@dataclass
class BatchReport:
    """What became of every item of a batch."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # name -> reason, one line

    @property
    def exit_code(self) -> int:
        return 1 if self.failures else 0

    def print_summary(self, verb: str) -> None:
        """One line of counts, then one line per failure on stderr."""
        print(f"{len(self.done)} {verb}, {len(self.skipped)} already there, {len(self.failures)} failed")
        for name, reason in self.failures.items():
            print(f"FAILED {name}: {reason}", file=sys.stderr)


def reason_of(error: BaseException) -> str:
    """One line for the summary. A defect of ours, neither the input's fault nor the system's, prints its stack too."""
    reason = plain_reason(error)
    if reason is None:
        traceback.print_exception(error, file=sys.stderr)
        reason = one_line(f"{type(error).__name__}: {error}")
    return reason


def run_batch(
    names: Sequence[str],
    work: Callable[[str], object],
    is_done: Callable[[str], bool],
    title: str,
    jobs: int = 1,
    apart: bool = False,
) -> BatchReport:
    """Do `work` for every name that is not done.

    Args:
        work: called with a name; with jobs > 1 or `apart` it must be picklable and runs in a fresh process. A process
            that dies is survived: its work is tried once more, alone.
        is_done: asked before the work starts.
        title: word beside the progress bar.
        jobs: processes side by side; 1 works in this process.
        apart: even one job works in a process of its own, because the work may take its process down.

    Returns:
        The report; Ctrl-C is not caught.
    """
    report = BatchReport(skipped=[name for name in names if is_done(name)])
    skipped = set(report.skipped)
    todo = [name for name in names if name not in skipped]
    for name, error in tqdm(_outcomes(todo, work, jobs, apart), total=len(todo), desc=title, disable=not todo):
        if error is None:
            report.done.append(name)
        else:
            report.failures[name] = reason_of(error)
    return report


def _outcomes(
    names: Sequence[str], work: Callable[[str], object], jobs: int, apart: bool
) -> Iterator[tuple[str, BaseException | None]]:
    if jobs == 1 and not apart:
        for name in names:
            try:
                work(name)
                yield name, None
            except Exception as error:
                yield name, error
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


def _side_by_side(
    names: Sequence[str], work: Callable[[str], object], jobs: int
) -> Iterator[tuple[str, BaseException | None]]:
    # spawn: torch, Open3D and OpenCV threads do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(work, name): name for name in names}
        for future in as_completed(futures):
            yield futures[future], future.exception()
