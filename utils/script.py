"""How a script begins and ends: in one line, whatever stops it. Scripts import this first, before what takes seconds.

A process whose program is not one of this project's is left as it is.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from utils.errors import plain_reason

STOPPED = 130
"""Exit code of a script that Ctrl-C ended, as shells have it."""
STOPPED_LINE = "stopped by Ctrl-C"

Main = Callable[..., int]


def ends_in_one_line(main: Main) -> Main:
    """A script's main whose errors end in one line on stderr: exit code 1, and 130 for Ctrl-C.

    A defect of ours keeps its stack trace.
    """
    if IS_PROGRAM:
        _end_of_imports()

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        _print_any_name()
        before, threading.excepthook = threading.excepthook, _thread_ended
        stops_at_once = signal.getsignal(signal.SIGINT) is _end_at_once
        if stops_at_once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            code = main(argv)
            _flush()
            return code
        except KeyboardInterrupt:
            print(STOPPED_LINE, file=sys.stderr)
            return STOPPED
        except Exception as error:
            reason = plain_reason(error)
            if reason is None:
                raise
            print(f"error: {reason}", file=sys.stderr)
            return 1
        finally:
            threading.excepthook = before
            if stops_at_once:
                signal.signal(signal.SIGINT, _end_at_once)
            if IS_PROGRAM:
                gc.freeze()  # Python looks through all that is not, once more, before it ends

    return run


@contextmanager
def importing() -> Iterator[None]:
    """The block imports what takes seconds: it is as at the beginning of the script, see the end of this file."""
    if not IS_PROGRAM:
        yield
        return
    gc.disable()
    stops_in_main = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if stops_in_main:
        signal.signal(signal.SIGINT, _end_at_once)
    try:
        yield
    finally:
        if stops_in_main:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _end_of_imports()


def _end_of_imports() -> None:
    """What is there now stays: the collector is spared it."""
    gc.freeze()
    gc.enable()


def _end_at_once(number: int, frame: FrameType | None) -> None:
    """What Ctrl-C does while a script imports and while Python ends: nothing there expects an exception."""
    os.write(2, f"{STOPPED_LINE}\n".encode())
    os._exit(STOPPED)


def _is_program() -> bool:
    """Whether this process runs a file of this project, and not one of the environment in it, such as pytest."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    return path.is_relative_to(Path(__file__).resolve().parents[1]) and not path.is_relative_to(sys.prefix)


def _flush() -> None:
    """Let what was printed reach its file or pipe now, where an error can still be told.

    Raises:
        OSError: it cannot; what is left is thrown away, so that Python does not try again.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    """One line about a thread of a library that an error of the system ends, as a full disk ends TensorBoard's."""
    reason = None if args.exc_value is None else plain_reason(args.exc_value)
    if reason is None:
        threading.__excepthook__(args)
    else:
        print(f"error: {reason}", file=sys.stderr)


def _print_any_name() -> None:
    """Let file names that are not UTF-8 be printed, as escapes."""
    output: Any = sys.stdout  # a test's stand-in may be any object
    if hasattr(output, "reconfigure"):
        output.reconfigure(errors="backslashreplace")


IS_PROGRAM = _is_program()
if IS_PROGRAM:
    gc.disable()  # until its main is defined: what it imports stays, and to look through it all takes half a second
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    # NumPy multiplies many points by small matrices here: OpenBLAS' threads wait for each other, and burn a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
