"""What every result was made of: only what is complete, and would come out the same, counts as done."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from utils.errors import InputError
from utils.files import read_json, write_text

PACKAGES = ("torch", "numpy", "opencv-python-headless", "onnxruntime", "open3d", "pillow")

NAMED = "named"
"""Key of a record with `stamps_from` the folder of the first input: files that only those know who read the inputs."""
UNFINISHED = "unfinished"
"""Key of a record whose result is being made again, or was when somebody stopped it."""


@dataclass(frozen=True)
class Records:
    """One JSON file for every result of one kind: its settings, its inputs and its files as they were."""

    root: Path  # folder of the results
    kind: str  # its records lie in {root}/records/{kind}
    settings: Mapping[str, Any]  # strings, numbers, lists: everything that the results depend on beside their inputs

    def path(self, name: str) -> Path:
        """Where the record of a result lies."""
        return self.root / "records" / self.kind / f"{name}.json"

    def why_again(self, name: str, inputs: Sequence[Path]) -> str | None:
        """Why the work has to be done: "" when it never was, else one phrase; None when it is done.

        Args:
            inputs: files from which the result is made; those that are not there count, too.
        """
        path = self.path(name)
        if not path.exists():
            return ""
        try:
            record = read_json(path, "the record of a result")
            if UNFINISHED in record:
                return ""
            settings, files = dict(record["settings"]), dict(record["files"])
        except (InputError, KeyError, TypeError, ValueError):
            return f"{path} cannot be read"
        for key, value in json.loads(json.dumps(self.settings)).items():
            if settings.get(key) != value:
                return f"{key} was {settings.get(key)}, is now {value}"
        changed = _differing(record.get("inputs"), stamps(inputs))
        if inputs and isinstance(named := record.get(NAMED), dict):
            changed += _differing(named, stamps_from(inputs[0].parent, [inputs[0].parent / place for place in named]))
        if changed:
            return f"{', '.join(changed)} changed since"
        for place, size in files.items():
            if _size(self.root / place) != size:
                return f"{self.root / place} is missing or was changed"
        return None

    def forget(self, name: str) -> None:
        """Take the mark of "done" away, before the work begins. Which files there are stays known."""
        files = self._files(self.path(name))
        if files:
            write_text(self.path(name), json.dumps({UNFINISHED: True, "files": files}, indent=1) + "\n")
        else:
            self.path(name).unlink(missing_ok=True)

    def _files(self, path: Path) -> list[str]:
        """Files that the result of a record has left, relative to the root."""
        try:
            files = list(read_json(path, "the record of a result")["files"]) if path.exists() else []
        except (InputError, KeyError, TypeError):
            return []
        return [file for file in files if isinstance(file, str) and ".." not in Path(file).parts and file[:1] != "/"]

    def _files_of_others(self, name: str) -> set[str]:
        """Files of all results of this kind but one."""
        own = self.path(name)
        others = (path for path in (self.root / "records" / self.kind).rglob("*.json") if path != own)
        return {file for path in others for file in self._files(path)}

    def write(self, name: str, inputs: Mapping[str, Any], files: Sequence[Path], **about: Any) -> None:
        """Mark a result as done; files of the one before that this one does not have, as of more people, are removed.

        Those that are another result's by now stay: the first person of photo a has the name of a photo a_1.

        Args:
            inputs: `stamps` of its inputs from before they were read.
            files: of the result, inside the root.
            about: what else is worth knowing, for people to read; NAMED counts as inputs.
        """
        left = set(self._files(self.path(name))).difference(file.relative_to(self.root).as_posix() for file in files)
        for place in left - self._files_of_others(name) if left else ():
            with contextlib.suppress(OSError, ValueError):  # a damaged record may name anything
                (self.root / place).unlink()
        sizes = {file.relative_to(self.root).as_posix(): _size(file) for file in files}
        record = {"settings": dict(self.settings), **about, "inputs": dict(inputs), "files": sizes}
        write_text(self.path(name), json.dumps(record, indent=1) + "\n")


def write_run(root: Path, script: str, settings: Mapping[str, Any]) -> None:
    """Write run.json into a folder of results: the options of the last run, and the versions that it ran with."""
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    write_text(root / "run.json", json.dumps({"script": script, **settings, "versions": versions}, indent=1) + "\n")


def fingerprint(path: Path | str) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def stamps(paths: Sequence[Path]) -> dict[str, list[int]]:
    """Name -> size [bytes] and time of the last change [ns] of the files that are there."""
    found = {path.name: _stamp(path) for path in paths}
    return {name: stamp for name, stamp in sorted(found.items()) if stamp is not None}


def stamps_from(folder: Path, paths: Sequence[Path]) -> dict[str, list[int] | None]:
    """The same by their way from a folder; None for files that are not there."""
    return {os.path.relpath(path, folder): _stamp(path) for path in paths}


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):  # it is not there, or no file can have that name
        return None
    return [status.st_size, status.st_mtime_ns]


def _differing(before: Any, now: Mapping[str, Any]) -> list[str]:
    """Names whose stamps are not the same, or that are in one of them only."""
    known = before if isinstance(before, dict) else {}
    return sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))


def _size(path: Path) -> int | None:
    """In bytes; None when there is no such file."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        return None
