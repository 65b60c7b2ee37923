"""Properties that are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any, TypeVar

Value = TypeVar("Value")


class computed_once(cached_property[Value]):
    """functools.cached_property without its lock, which Python 3.11 holds for all objects of a class together: there
    threads with an object each would wait for each other. Two threads with the same object may compute it twice."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        super().__init__(compute)
        self.lock = nullcontext()
