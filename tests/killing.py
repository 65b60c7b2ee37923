"""Scripts in processes of their own that die in the middle: at a change of the disk, or while they write a file."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.forking import SERVER, fork

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate")
"""Events by which Python tells that the disk is about to change; of "open", only those for writing."""


@dataclass(frozen=True)
class Death:
    """When a process is killed."""

    at_change: int | None = None  # before this change of the disk, counted from 1
    at_size: int | None = None  # as soon as a file that it writes is longer [bytes]
    at_file: str | None = None  # as soon as this is in its folder, whoever puts it there

    def arrange(self, folder: Path, counted: Any) -> None:
        """In the process itself.

        Args:
            folder: only changes in here count.
            counted: an integer shared with the test, of the changes so far.
        """

        def notice(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in CHANGES or not str(arguments[0]).startswith(str(folder)):
                return
            if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
            counted.value += 1
            if counted.value == self.at_change:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(notice)
        if self.at_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.at_size, self.at_size))


@dataclass(frozen=True)
class Ending:
    """Of a script's process."""

    code: int  # negative: the signal
    changes: int  # of the disk, that it made
    output: str  # stdout and stderr


def run(script: str, arguments: list[str], folder: Path, death: Death | None = None) -> Ending:
    """Run a script that writes into a folder."""
    counted = SERVER.Value("i", 0)
    log = folder.with_suffix(".log")
    process = fork(script, arguments, log, prepare=partial((death or Death()).arrange, folder, counted))
    if death and death.at_file:
        while process.is_alive() and not (folder / death.at_file).exists():
            time.sleep(0.001)
        process.kill()
    process.join(120)
    if process.exitcode is None:
        process.kill()
        process.join()
    return Ending(process.exitcode, counted.value, log.read_text(errors="replace") if log.exists() else "")
