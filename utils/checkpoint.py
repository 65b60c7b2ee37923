"""Checkpoint files: our own format, and the authors' through the table of names."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geometry.canvas import PAPER_CANVAS
from utils.atomic_file import atomic_path
from utils.checksums import checksum_problem
from utils.errors import InputError, shown
from utils.file_kinds import LONGEST, stranger
from utils.official_names import layer_names
from utils.tensor_file import read_tensor_file

FORMAT = "2k2k-pytorch/1"
OFFICIAL_MODEL = {
    "canvas": PAPER_CANVAS,
    "normal_widths": [64, 128, 256, 512],
    "depth_widths": [32, 64, 128, 256, 512],
    "refiner_width": 32,
}
"""The authors' files carry no config: this is the only model they can hold."""
WRAPPERS = ("module.", "_orig_mod.")
EXPECTED = "a checkpoint of this project, or the authors' .pth.tar with 'model_state_dict'"


@dataclass(frozen=True)
class Checkpoint:
    """What a file says about the model, with our tensor names."""

    model: dict[str, Any]  # numbers of models.build.ModelConfig
    weights: dict[str, Tensor]
    extra: dict[str, Any]  # everything else in the file: the state of training in ours, nothing of the authors'

    @property
    def has_refiner(self) -> bool:
        """Whether it holds the refiner of phase 2."""
        return any(name.startswith("refiner.") for name in self.weights)


def write_checkpoint(path: Path | str, model: Mapping[str, Any], weights: Mapping[str, Tensor], **extra: Any) -> None:
    """Write our format atomically: {format, model, weights, **extra}."""
    content = {"format": FORMAT, "model": dict(model), "weights": dict(weights), **extra}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch, about what the system said to Python
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint of ours or the authors', without running anything that it may contain.

    Raises:
        InputError: missing, truncated, foreign, or tensors that the table of names does not know.
    """
    content = _read(Path(path))
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds {type(content).__name__}, expected {EXPECTED}")
    if content.get("format") == FORMAT:
        extra = {key: value for key, value in content.items() if key not in ("format", "model", "weights")}
        if not isinstance(content.get("model"), dict) or not _are_weights(content.get("weights")):
            raise InputError(f"{path}: no model or no weights in it, expected {EXPECTED}")
        return Checkpoint(content["model"], _unwrapped(content["weights"]), extra)
    if "format" in content:
        raise InputError(f"{path}: format {shown(content['format'])}, expected {FORMAT!r}")
    weights = content.get("model_state_dict", content)
    if not _are_weights(weights):
        keys = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise InputError(f"{path}: holds {keys}, expected {EXPECTED}")
    return Checkpoint(dict(OFFICIAL_MODEL), from_official_names(weights, path), {})


def _unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without what DataParallel and torch.compile put before the names of all of them."""
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return dict(weights)


def _are_weights(weights: Any) -> bool:
    """Whether it is a mapping from names to tensors, and not empty."""
    return (
        isinstance(weights, Mapping)
        and bool(weights)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in weights.items())
    )


def _read(path: Path) -> Any:
    if not path.is_file():
        found = "no regular file" if path.exists() else "no such file"
        raise InputError(f"{path}: {found}, expected {EXPECTED}")
    problem = checksum_problem(path, f"restore it (git checkout {path}), or give weights of your own another name")
    if problem:
        raise InputError(problem)
    try:
        with path.open("rb") as file:
            what = stranger(first := file.read(LONGEST))
        if not first:
            raise pickle.UnpicklingError("it is empty")
        if what and not zipfile.is_zipfile(path):  # as torch's own files are
            cut = ", and cut short: download or copy it again" if first.startswith(b"PK") else ""
            raise pickle.UnpicklingError(f"{what}{cut}")
        return read_tensor_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected {EXPECTED}") from error
    except Exception as error:  # on arbitrary bytes the reader of a pickle may raise anything, IndexError too
        is_said = isinstance(error, pickle.UnpicklingError | zipfile.BadZipFile)
        reason = f"{error}" if is_said else "no file that torch wrote"
        raise InputError(f"{path}: cannot be read ({reason}), expected {EXPECTED}") from error


def from_official_names(weights: Mapping[str, Tensor], path: Path | str) -> dict[str, Tensor]:
    """Official tensor names -> ours, without a `module.` before all of them (DataParallel)."""
    layers, translated = layer_names(), {}
    for name, tensor in _unwrapped(weights).items():
        layer, _, leaf = name.rpartition(".")
        if layer not in layers:
            raise InputError(f"{path}: tensor '{name}' is unknown, expected {EXPECTED}")
        translated[f"{layers[layer]}.{leaf}"] = tensor
    return translated
