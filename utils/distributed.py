"""Which part of the work is this process's, when several were started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from utils.errors import InputError

Item = TypeVar("Item")


def _number(name: str, default: int) -> int:
    """A variable of the environment.

    Raises:
        InputError: it is no whole number, or less than its default.
    """
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or int(text) < default:
        raise InputError(f"{name}={text} in the environment, expected a whole number from {default}")
    return int(text)


def rank() -> int:
    """This process's number among all that torchrun started; 0 when it was started alone.

    Raises:
        InputError: RANK is no number below WORLD_SIZE.
    """
    if (number := _number("RANK", 0)) >= world_size():
        raise InputError(f"RANK={number} in the environment, expected less than WORLD_SIZE={world_size()}")
    return number


def is_main() -> bool:
    """Whether this is the process that prints and writes for all."""
    return rank() == 0


def local_rank() -> int:
    """This process's number on its machine: the index of its GPU."""
    return _number("LOCAL_RANK", 0)


def world_size() -> int:
    """How many processes work together."""
    return _number("WORLD_SIZE", 1)


def local_world_size() -> int:
    """How many of them work on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def cores(jobs: int = 1) -> int:
    """How many cores this process may keep busy: OMP_NUM_THREADS, else its part of those that it may run on.

    torchrun sets the variable to 1 by itself where it starts several processes: there that is as if it were not set.

    Args:
        jobs: that it works on at a time; the cores are those of each.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isascii() and wanted.isdecimal() and int(wanted) > (local_world_size() > 1):
        allowed = int(wanted)
    else:
        everybodys = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        allowed = everybodys // local_world_size()
    return max(1, allowed // jobs)


def shard(items: Sequence[Item]) -> Sequence[Item]:
    """Every world_size-th item, from the rank-th on: all ranks together see each item once."""
    return items[rank() :: world_size()]
