"""Scripts in processes of their own, forked from one that has imported them: they start in no time."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

SCRIPTS = ("train", "test_model", "test_poisson", "render", "evaluate")
LATER = ("cv2", "matplotlib.backends.backend_agg", "matplotlib.figure", "torch._dynamo")
"""What scripts import while they run; PyTorch's optimisers import its compiler."""
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([*SCRIPTS, *LATER])


def nothing() -> None:
    """Prepare nothing."""


def fork(
    script: str,
    arguments: list[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[], None] = nothing,
) -> BaseProcess:
    """`python SCRIPT.py ARGUMENTS > LOG 2>&1`, with one thread; it runs already.

    Args:
        environment: what is added to the environment.
        prepare: called in the process, before the script.
    """
    process = SERVER.Process(target=_run, args=(script, arguments, log, dict(environment or {}), prepare))
    process.start()
    return process


def _run(
    script: str, arguments: list[str], log: Path, environment: Mapping[str, str], prepare: Callable[[], None]
) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(environment)
    # As in a process of its own: this one would start its workers from a server, too.
    multiprocessing.set_start_method("fork", force=True)
    torch.set_num_threads(1)
    main = importlib.import_module(script).main
    prepare()
    sys.exit(main(arguments))
