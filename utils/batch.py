"""Many files, one after another or side by side: what is done is skipped, what fails is named, the rest goes on."""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from tqdm import tqdm

from utils.errors import InputError


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
    """One line for the summary. An error that is not about the input is a defect of ours, and prints its stack too."""
    if isinstance(error, InputError):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def run_batch(
    names: Sequence[str],
    work: Callable[[str], object],
    is_done: Callable[[str], bool],
    title: str,
    jobs: int = 1,
) -> BatchReport:
    """Do `work` for every name that is not done.

    Args:
        work: called with a name; with jobs > 1 it must be picklable and runs in a fresh process.
        is_done: asked before the work starts.
        title: word beside the progress bar.
        jobs: processes side by side; 1 works in this process.

    Returns:
        The report; Ctrl-C is not caught.
    """
    report = BatchReport(skipped=[name for name in names if is_done(name)])
    skipped = set(report.skipped)
    todo = [name for name in names if name not in skipped]
    for name, error in tqdm(_outcomes(todo, work, jobs), total=len(todo), desc=title, disable=not todo):
        if error is None:
            report.done.append(name)
        else:
            report.failures[name] = reason_of(error)
    return report


def _outcomes(
    names: Iterable[str], work: Callable[[str], object], jobs: int
) -> Iterator[tuple[str, BaseException | None]]:
    if jobs == 1:
        for name in names:
            try:
                work(name)
                yield name, None
            except Exception as error:
                yield name, error
        return
    # spawn: torch, Open3D and OpenCV threads do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(work, name): name for name in names}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                error = InputError("a worker process died, most likely out of memory: use fewer --jobs")
            yield futures[future], error
