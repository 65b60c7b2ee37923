"""Files that appear whole or not at all; what a process that was killed has left of one is cleared away by the next."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import naming

TEMPORARY = re.compile(r"\..*\.(?P<place>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}(\.[^.]*)?")
"""Names of files that are being written: where, and by which process."""
LONGEST_WRITE = 24 * 3600.0
"""[s] Of other machines nothing is known but the age of their files: older ones are nobody's any more."""
_ours: set[Path] = set()
_cleared: set[tuple[int, Path]] = set()  # folders, by the process that looked


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A path to write to that becomes `path` when the block ends well, and vanishes when it does not.

    The temporary name keeps the suffix, so that writers that choose a format by suffix work. Missing parent folders
    are made; temporary files that killed processes have left in the folder are removed.

    Raises:
        OSError: the file cannot be written; it names `path`.
    """
    path = Path(path)
    owner = f"{_place()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary = path.with_name(f".{path.stem[:40]}.{owner}{path.suffix}")
    _ours.add(temporary)
    try:
        with naming(path):  # writers know the temporary file at most
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path.parent)
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        _ours.discard(temporary)


@functools.cache
def _place() -> str:
    """Eight digits for where a process's number is its own: this machine until it starts anew, or this container."""
    known = [platform.node()]
    with contextlib.suppress(OSError):  # Linux
        known += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256("\n".join(known).encode(errors="surrogateescape")).hexdigest()[:8]


def _clear(folder: Path) -> None:
    """Remove temporary files whose process is gone, once for every folder."""
    if (os.getpid(), folder) in _cleared:
        return
    _cleared.add((os.getpid(), folder))
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = TEMPORARY.fullmatch(entry.name)
            if name and _is_abandoned(Path(entry.path), name["place"], int(name["process"])):
                with contextlib.suppress(OSError):
                    os.unlink(entry)


def _is_abandoned(path: Path, place: str, process: int) -> bool:
    """Whether nobody is writing a temporary file any more."""
    if place != _place() or sys.platform == "win32":
        return time.time() - path.stat().st_mtime > LONGEST_WRITE
    if process == os.getpid():
        return path not in _ours  # of an earlier process with our number
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
