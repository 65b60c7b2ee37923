"""Lists of training pairs: which pairs a set has, who of its people trains, validates and tests (METHOD.md 2.4)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datasets.pairs.pair_files import is_complete
from datasets.pairs.pair_layout import IMAGE_FILES, JOINTS_FILE, SHADED, Pair, viewpoint_of
from utils.errors import InputError
from utils.files import read_text, write_text

HELD_BACK = {"test": 0.1, "val": 0.1}
"""Fractions of the subjects; the rest trains."""
LISTED_PARTS = ("all", "train", "val", "test")
"""A set has a list of each."""


def find_pairs(root: Path, set_name: str) -> list[Pair]:
    """All complete pairs of a set, in order."""
    pairs = []
    for folder in (root / SHADED).glob("*"):
        view = viewpoint_of(folder.name)
        if view and view.set_name == set_name:
            # Only those are opened that have all their files.
            kinds = (*IMAGE_FILES, JOINTS_FILE)
            complete = [_subjects(root / kind / folder.name, ending) for kind, ending in kinds]
            pairs += [Pair(set_name, name, view.yaw) for name in set.intersection(*complete)]
    return sorted(pair for pair in pairs if is_complete(root, pair))


def _subjects(folder: Path, ending: str) -> set[str]:
    """Subjects that have a file {subject}{ending} in a folder."""
    names = os.listdir(folder) if folder.is_dir() else []
    return {name[: -len(ending)] for name in names if name.endswith(ending) and name != ending and name[0] != "."}


def _rank(subject: str) -> float:
    """A number in [0, 1) that depends on the name alone, so that new subjects never move old ones."""
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:6], "big") / 2**48


def split_subjects(subjects: Iterable[str]) -> dict[str, str]:
    """Which subject trains ("train"), validates ("val") and tests ("test"), decided by a hash of its name.

    Of three subjects or more, each part has at least one; one or two all train.
    """
    order = sorted(set(subjects), key=_rank)
    ranks = np.array([_rank(subject) for subject in order])
    tests, unseen = np.searchsorted(ranks, np.cumsum([HELD_BACK["test"], HELD_BACK["val"]]))
    if len(order) < 3:
        tests, unseen = 0, 0
    else:
        tests = int(np.clip(tests, 1, len(order) - 2))
        unseen = int(np.clip(unseen, tests + 1, len(order) - 1))
    return {name: "test" if k < tests else "val" if k < unseen else "train" for k, name in enumerate(order)}


def write_lists(root: Path, set_name: str) -> int:
    """Write list/{SET}_all.txt and _train, _val, _test from the pairs on disk.

    Returns:
        The number of pairs listed.
    """
    pairs = find_pairs(root, set_name)
    part = split_subjects(pair.subject for pair in pairs)
    for name in LISTED_PARTS:
        lines = [pair.list_line for pair in pairs if name in ("all", part[pair.subject])]
        write_text(root / "list" / f"{set_name}_{name}.txt", "".join(f"{line}\n" for line in lines))
    return len(pairs)


def lists_are_current(root: Path, set_name: str) -> bool:
    """Whether the lists of a set are there, and no file of the set has come or gone since they were written."""
    try:
        written = min((root / "list" / f"{set_name}_{part}.txt").stat().st_mtime_ns for part in LISTED_PARTS)
    except FileNotFoundError:
        return False
    kinds = {kind for kind, _ in (*IMAGE_FILES, JOINTS_FILE)}
    folders = [folder for kind in kinds for folder in (root / kind).glob("*_0_y_*_x") if _set_of(folder) == set_name]
    return all(folder.stat().st_mtime_ns <= written for folder in folders)


def _set_of(folder: Path) -> str | None:
    """The set that a folder of the layout belongs to."""
    view = viewpoint_of(folder.name)
    return view.set_name if view else None


def read_list(path: Path) -> list[Pair]:
    """The pairs of a list file; empty lines are skipped.

    Raises:
        InputError: the file is missing, empty, or a line does not name a pair.
    """
    lines = read_text(path, "a list of pairs").splitlines()
    try:
        pairs = [Pair.from_list_line(line) for line in lines if line.strip()]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not pairs:
        raise InputError(f"{path}: no lines, expected a list of pairs")
    return pairs
