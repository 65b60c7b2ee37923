"""The one error for what a user hands in, and the one line that says what went wrong."""

from __future__ import annotations

import errno
import os
import re
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEAD, TAIL = 420, 160
"""Characters that are kept of a message's beginning and end when it is longer than both: the file stands at the
beginning, what was expected at the end."""
REMEDIES = {
    errno.ENOSPC: "free some space or name another folder",
    errno.EDQUOT: "free some space or name another folder",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) or name another folder",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "name a file or folder to which you have access",
    errno.EPERM: "name a file or folder to which you have access",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}
"""What to do about an error of the system."""


def one_line(text: str) -> str:
    """A message as one printable line of at most HEAD + TAIL characters and a few dots.

    Control characters and bytes of names that are not UTF-8 are written as escapes.
    """
    line = re.sub(r"\s*[\t-\r\x1c-\x1f\x85\u2028\u2029]+\s*", " ", text).strip()
    if len(line) > HEAD + TAIL:
        line = f"{line[:HEAD]} ... {line[-TAIL:]}"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def shown(value: object) -> str:
    """A value for a message: its repr, of which a long or deep one shows its beginning."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = 80
    return short.repr(value)


class InputError(Exception):
    """A file, flag or value of the user's that cannot be used.

    The message is one line: which file, which value, what was expected. A script prints it without a stack trace; in a
    batch the rest goes on.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def plain_reason(error: BaseException) -> str | None:
    """One line about an error that is no defect of ours (bad input, the system, no memory); None for all others."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        remedy = REMEDIES.get(error.errno)
        what = f"{os.strerror(error.errno)}, {remedy}" if remedy else os.strerror(error.errno)
        return one_line(f"{os.fsdecode(error.filename)}: {what}" if isinstance(error.filename, str | bytes) else what)
    if isinstance(error, MemoryError):
        return "out of memory: expected fewer --jobs, a smaller file or a machine with more"
    return None


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let every error of the system in the block name the file that the user knows, and not another one or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error
