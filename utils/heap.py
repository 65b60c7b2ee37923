"""Memory that a process has freed stays with it: what is freed and taken again with every picture costs page faults."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""glibc's names for `mallopt`."""
GROWTH = 64 * 2**20
"""[bytes] by which the heap grows at once."""


def keep_freed_memory() -> bool:
    """Let glibc take large blocks from the heap, and never give the heap back. For processes that repeat one work.

    Returns:
        Whether it was done; other C libraries have no such switch.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(name, value) for name, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, GROWTH)))
