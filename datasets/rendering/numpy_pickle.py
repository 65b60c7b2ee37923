"""Pickles of plain arrays, without running what else a pickle may hold."""

from __future__ import annotations

import codecs
import io
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy._core import multiarray

from utils.errors import InputError


def _load_storage(content: bytes) -> object:
    return torch.load(io.BytesIO(content), weights_only=True)


ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): codecs.encode,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **{
        (f"numpy.{core}.multiarray", name): getattr(multiarray, name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _load_storage,
}
"""All that a file of arrays needs; the values build arrays and do nothing else."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def read_numpy_pickle(path: Path) -> object:
    """Read a pickle of numbers, texts, containers, numpy arrays and torch tensors.

    Raises:
        InputError: the file is missing, broken, or asks for any other object.
    """
    try:
        with path.open("rb") as file:
            return _ArrayUnpickler(file, encoding="latin1").load()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected a pickle of arrays") from None
    except Exception as error:  # a broken pickle raises anything
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: refused ({reason}), expected a pickle of arrays only") from error
