"""Which share of the work is this process's, when torchrun started several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def rank() -> int:
    """This process's number among all that torchrun started; 0 when it was started alone."""
    return int(os.environ.get("RANK", 0))


def local_rank() -> int:
    """This process's number on its machine: the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", 0))


def world_size() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def share(items: Sequence[Item]) -> Sequence[Item]:
    """Every world_size-th item, from the rank-th on: all ranks together see each item once."""
    return items[rank() :: world_size()]
