"""onnxruntime, imported so that nothing leaves the machine. Only place that imports it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from datasets.people.person import ModelUnavailableError


def import_onnxruntime(wanted_by: str) -> ModuleType:
    """The onnxruntime module.

    Its Linux wheels (1.31) carry a telemetry client that is on by default: it writes a device id into the cache folder
    when imported, and posts to Microsoft. It is switched off here, unless the user has set the variable.

    Args:
        wanted_by: the model that needs it, for the message.

    Raises:
        ModelUnavailableError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Looked for first, because rembg ends the whole process when it is not there.
    if importlib.util.find_spec("onnxruntime") is None:
        raise ModelUnavailableError(f"{wanted_by}: the package onnxruntime is missing: pip install onnxruntime")
    return importlib.import_module("onnxruntime")


@contextmanager
def opening_weights(wanted_by: str, library: str, by_hand: str) -> Iterator[None]:
    """Around a library that downloads a model's weights and opens them.

    Args:
        wanted_by: the model, for the message.
        by_hand: where to put them without a network: "the file at ...".

    Raises:
        ModelUnavailableError: whatever the library raises: OSError without a network, ValueError, BadZipFile or
            UnboundLocalError after a broken download, for a truncated file onnxruntime's own classes, which derive from
            Exception only.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelUnavailableError(
            f"{wanted_by}: {library} could not open its weights ({type(error).__name__}: {reason}): connect to the"
            f" network, or put {by_hand}"
        ) from error


def check_available(wanted_by: str, packages: Sequence[str], providers: Sequence[str]) -> None:
    """Look for packages and providers, so that a wrong option is said once, and not for every photo.

    Args:
        wanted_by: the model that needs them, for the message.
        packages: beside onnxruntime.
        providers: of onnxruntime.

    Raises:
        ModelUnavailableError: one is not there.
    """
    for package in packages:
        import_onnxruntime(wanted_by)
        if importlib.util.find_spec(package) is None:
            raise ModelUnavailableError(f"{wanted_by}: the package {package} is missing: pip install {package}")
    if list(providers) != ["CPUExecutionProvider"]:
        known = import_onnxruntime(wanted_by).get_available_providers()
        unknown = sorted(set(providers) - set(known))
        if unknown:
            raise ModelUnavailableError(f"--providers {' '.join(unknown)}: expected some of {', '.join(known)}")


class OpenedOnce:
    """Networks that are opened when they are first needed, once: what fails is not tried again for every photo.

    Args:
        open: opens them, or raises ModelUnavailableError.
    """

    def __init__(self, open: Callable[[], Any]) -> None:
        self._open = open
        self._opened: Any = None
        self._problem: str | None = None
        self._turn = threading.Lock()

    def __call__(self) -> Any:
        """The networks.

        Raises:
            ModelUnavailableError: they cannot be opened, now or before.
        """
        with self._turn:
            if self._problem is not None:
                raise ModelUnavailableError(self._problem)
            if self._opened is None:
                try:
                    self._opened = self._open()
                except ModelUnavailableError as error:
                    self._problem = str(error)
                    raise
            return self._opened
