"""Pickles of numbers: plain numeric arrays come out, nothing that they ask for is run.

numpy's own constructors trust a pickle: `ndarray(shape, dtype('O'), bytes)` or a state with an object field follow
pointers that the file made up. Stand-ins take their places here. They build arrays of booleans, integers, floats and
complex numbers out of exactly as many bytes as their shape needs.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import InputError
from utils.files import read_bytes

LARGEST_FILE = 1 << 28
"""[bytes] Fits of bodies take a few kilobytes."""
NUMERIC = re.compile(r"[<>=|]?(\?|[biufc]\d{1,2}|[bBhHiIlLqQefdFD])")
"""Names of numpy's plain numbers."""


class PlainDtype:
    """Stands in for numpy.dtype."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(name, str) or not NUMERIC.fullmatch(name):
            raise pickle.UnpicklingError(f"an array of dtype {str(name)[:40]!r}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of records")
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"byte order {str(state[1])[:40]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])

    def array(self, content: bytes | str, shape: Sequence[int], order: str) -> np.ndarray:
        """Bytes as a new array; Python 2 wrote them as text."""
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(content, (bytes, bytearray)):
            raise pickle.UnpicklingError(f"an array made of {type(content).__name__}")
        shape = tuple(shape)
        if any(type(size) is not int or size < 0 for size in shape):
            raise pickle.UnpicklingError("an array whose shape is not made of sizes")
        if len(content) != math.prod(shape) * self.dtype.itemsize:
            raise pickle.UnpicklingError(f"an array of shape {shape} in {len(content)} bytes")
        return np.frombuffer(content, self.dtype).reshape(shape, order="F" if order == "F" else "C").copy()


class ArrayType:
    """Stands in for numpy.ndarray and subclasses of it that add nothing. It can be named, not called."""

    def __new__(cls, *args: object) -> ArrayType:
        raise pickle.UnpicklingError("numpy.ndarray called with what the file says")


class PlainArray:
    """Stands in for an array whose content follows."""

    array = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        try:
            *_, shape, dtype, fortran, content = state
            self.array = dtype.array(content, shape, "F" if fortran else "C")
        except (TypeError, ValueError, AttributeError) as error:
            raise pickle.UnpicklingError("an array whose state is not shape, dtype, order and bytes") from error


def _reconstruct(kind: type, shape: object, code: object) -> PlainArray:
    if kind is not ArrayType:
        raise pickle.UnpicklingError("an array of an unknown class")
    return PlainArray()


def _scalar(dtype: PlainDtype, content: bytes | str) -> Any:
    return dtype.array(content, (), "C")[()]


def _from_buffer(content: bytes, dtype: PlainDtype, shape: Sequence[int], order: str, *axes: object) -> np.ndarray:
    return dtype.array(content, shape, order)


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding[:40]!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How protocol 2 writes no bytes."""
    return b""


NUMPY_GLOBALS: dict[str, Any] = {
    "numpy.dtype": PlainDtype,
    "_codecs.encode": _encode,
    "__builtin__.bytes": _no_bytes,
    **dict.fromkeys(("numpy.ndarray", "trimesh.caching.TrackedArray", "trimesh.util.TrackedArray"), ArrayType),
    **dict.fromkeys(("numpy.matrix", "numpy.matrixlib.defmatrix.matrix", "numpy.memmap"), ArrayType),
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}
"""What a pickle of arrays names -> what stands in for it. What is built with them goes through `plain`."""


def _storage(content: bytes) -> Any:
    import torch  # here, because it takes seconds and few files hold tensors

    # Only the older format can be trusted to be no larger in memory than in the file; torch pickles storages in it.
    if content[:2] == b"PK":
        raise pickle.UnpicklingError("a compressed tensor")
    return torch.load(io.BytesIO(content), weights_only=True)


def _tensor(storage: Any, offset: int, size: Sequence[int], stride: Sequence[int], *_: object) -> np.ndarray:
    import torch

    with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch, about its own old class
        count = len(storage)
    if math.prod(size) > count:
        raise pickle.UnpicklingError(f"a tensor of shape {tuple(size)} in {count} numbers")
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict()).numpy().copy()


TORCH_GLOBALS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.storage._load_from_bytes": _storage,
}


PythonUnpickler: Any = pickle._Unpickler
"""The reader in C lets a file of ten bytes ask for a memo of 32 GB."""


class _NumericUnpickler(PythonUnpickler):
    dispatch = dict(PythonUnpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in NUMPY_GLOBALS:
            return NUMPY_GLOBALS[full]
        if full in TORCH_GLOBALS:
            return TORCH_GLOBALS[full]
        raise pickle.UnpicklingError(f"it asks for {full[:80]}")

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], (PlainArray, PlainDtype)):
            raise pickle.UnpicklingError("it changes an object")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build

    def load_bytearray8(self) -> None:
        # never more memory than the file has bytes
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def plain(content: Any) -> Any:
    """What was unpickled with the stand-ins, with arrays in their places."""
    known: dict[int, Any] = {}

    def visit(value: Any) -> Any:
        if isinstance(value, PlainArray):
            return value.array
        if isinstance(value, PlainDtype):
            return value.dtype
        if not isinstance(value, (dict, list, tuple)) or id(value) in known:
            return known.get(id(value), value)
        if isinstance(value, tuple):
            known[id(value)] = tuple(visit(item) for item in value)
        elif isinstance(value, list):
            known[id(value)] = items = list[Any]()
            items.extend(visit(item) for item in value)
        else:
            known[id(value)] = table = type(value)()
            table.update((key, visit(item)) for key, item in value.items())
        return known[id(value)]

    return visit(content)


def read_numeric_pickle(path: Path) -> Any:
    """Read a pickle of numbers, texts, containers, numpy arrays and torch tensors; tensors come out as arrays.

    Raises:
        InputError: the file is missing, broken, larger than 256 MB, or asks for any other object.
    """
    content = read_bytes(path, "a pickle of arrays")
    try:
        if len(content) > LARGEST_FILE:
            raise pickle.UnpicklingError(f"{len(content)} bytes, expected at most {LARGEST_FILE}")
        return plain(_NumericUnpickler(io.BytesIO(content), encoding="latin1").load())
    except Exception as error:  # a broken pickle raises anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: refused ({reason}), expected a pickle of numeric arrays only") from error
