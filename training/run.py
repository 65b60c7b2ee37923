"""The description of one training run: what is trained, on what, from where to where."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from training.settings import PhaseSettings, Settings
from utils.distributed import is_main
from utils.errors import InputError

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class Run:
    """One run of one phase. Nothing in here changes while it trains."""

    settings: Settings
    phase: int  # 1 or 2
    root: Path  # data folder in the official layout
    folder: Path  # where the run's files go
    start_from: Path | None = None  # checkpoint to start from; phase 2 needs one of phase 1
    resume: bool = False  # go on with the run that the folder holds, if it holds one

    @property
    def options(self) -> PhaseSettings:
        """How this phase is optimised."""
        return self.settings.phase(self.phase)

    @property
    def last(self) -> Path:
        """The checkpoint that resuming reads."""
        return self.folder / LAST

    @property
    def best(self) -> Path:
        """The weights with the smallest validation loss."""
        return self.folder / BEST

    @property
    def source(self) -> Path | None:
        """The checkpoint that the run begins with: its own last one, the one to start from, or none."""
        return self.last if self.resume and self.last.is_file() else self.start_from


@contextmanager
def sole_use(run: Run) -> Iterator[None]:
    """Keep other runs off the folder as long as the block lasts; the system frees it when the process dies.

    Raises:
        InputError: another process trains into the folder, it holds a run that is not resumed, or phase 2 has nothing
            to start from.
    """
    if run.last.is_file() and not run.resume:
        raise InputError(f"{run.folder}: already holds a run, expected --resume or another --save_path")
    if run.phase == 2 and run.source is None:
        raise InputError("phase 2 starts from what phase 1 has learnt: expected --load_ckpt FILE")
    if not is_main():
        yield
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / ".training").open("w") as file:
        _lock(file, run.folder)
        yield


def _lock(file: TextIO, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        # A lock of the process, not of the file: workers that outlive it for a few seconds do not hold it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise InputError(f"{folder}: another run is training there, expected another --save_path") from None
        print(
            f"{folder}: its file system has no locks ({error.strerror}), expected that no other run trains there",
            file=sys.stderr,
        )
