"""Files that torch.save wrote: tensors, numbers, texts and containers come out, nothing that they ask for is run.

torch.load(weights_only=True) still calls constructors with what the file says, and believes its sizes. Here tensors
are views of bytes that are in the file, and every key of a mapping is a plain value.
"""

from __future__ import annotations

import io
import math
import pickle
import sys
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from utils.numeric_pickle import NUMPY_GLOBALS, PlainArray, PlainDtype, PythonUnpickler, plain

LARGEST_PICKLE = 1 << 26
"""[bytes] Of names and numbers beside the tensors; an optimiser of 1500 tensors takes 300 KB."""
LARGEST_TENSOR = 1 << 28
"""Numbers: a tensor may repeat those of its storage."""
OLD_MAGIC, OLD_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""First two pickles of a file in torch's format before 1.6."""
KINDS = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip
PLAIN_KEYS = (str, int, float, bool, bytes, type(None))


class _StorageKind:
    """Stands in for a class such as torch.FloatStorage."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def _refuse(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(what)


def _tensor(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object) -> Tensor:
    if not isinstance(storage, Tensor) or any(type(n) is not int or n < 0 for n in (offset, *size, *stride)):
        raise _refuse("a tensor that is not a part of its storage")
    if math.prod(size) > max(len(storage), LARGEST_TENSOR):
        raise _refuse(f"a tensor of {math.prod(size)} numbers")
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


GLOBALS: dict[str, Any] = NUMPY_GLOBALS | {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"torch.{name}Storage": _StorageKind(dtype) for name, dtype in KINDS.items()},
}
"""What a file may name -> what stands in for it."""


class _TensorUnpickler(PythonUnpickler):
    """One pickle of a file.

    Args:
        storage: (type, key, count) -> (count,) tensor.
    """

    dispatch = dict(PythonUnpickler.dispatch)

    def __init__(self, file: BinaryIO, storage: Callable[[torch.dtype, str, int], Tensor]) -> None:
        super().__init__(file, encoding="latin1")
        self.storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in GLOBALS:
            raise _refuse(f"it asks for {module}.{name}"[:100])
        return GLOBALS[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Tensor:
        if (
            not isinstance(pid, tuple)
            or len(pid) < 5
            or pid[0] != "storage"
            or any(part is not None for part in pid[5:])
        ):
            raise _refuse("something else than tensors outside of its pickle")
        kind, key, count = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageKind) or not isinstance(key, str) or type(count) is not int or count < 0:
            raise _refuse("a storage that is none")
        return self.storage(kind.dtype, key, count)

    def load_build(self) -> None:
        state, built = self.stack.pop(), self.stack[-1]
        if isinstance(built, (PlainArray, PlainDtype)):
            built.__setstate__(state)
        elif type(built) is not OrderedDict:  # of a state dict: the versions of its modules, which are not used
            raise _refuse("it changes an object")

    dispatch[pickle.BUILD[0]] = load_build

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        self._set(self.pop_mark())

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def _set(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or any(type(key) not in PLAIN_KEYS for key in items[::2]):
            raise _refuse("a mapping whose keys are no names or numbers")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _no_such(self) -> None:
        raise _refuse("a part that torch does not write")

    for code in (pickle.DICT, pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2,
                 pickle.EXT4, pickle.ADDITEMS, pickle.FROZENSET, pickle.BYTEARRAY8, pickle.NEXT_BUFFER,
                 pickle.READONLY_BUFFER):  # fmt: skip
        dispatch[code[0]] = _no_such


def read_tensor_file(path: Path) -> Any:
    """The content of a file by torch.save. Tensors of the format since 1.6 are mapped: what is not used costs nothing.

    Raises:
        Exception: of any kind, where the file is broken or asks for more.
    """
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            return plain(_read_zip(path, zipfile.ZipFile(file)))
        file.seek(0)
        return plain(_read_old(io.BytesIO(file.read()), path.stat().st_size))


def _read_zip(path: Path, archive: zipfile.ZipFile) -> Any:
    parts = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in parts if name.endswith("/data.pkl")]
    if len(pickles) != 1 or parts[pickles[0]].file_size > LARGEST_PICKLE:
        raise _refuse("a ZIP archive that torch did not write")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in parts and archive.read(f"{folder}byteorder")[:10] != sys.byteorder.encode():
        raise _refuse("numbers in another byte order")
    content = np.memmap(path, np.uint8, mode="c")

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        info = parts[f"{folder}data/{key}"]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != count * dtype.itemsize:
            raise _refuse(f"{count} numbers in {info.file_size} bytes")
        if not count:
            return torch.empty(0, dtype=dtype)
        # Behind the file's own header: 30 bytes, of which the last four are the lengths of two more fields.
        header = content[info.header_offset : info.header_offset + 30].tobytes()
        start = info.header_offset + 30 + sum(int.from_bytes(header[k : k + 2], "little") for k in (26, 28))
        if info.CRC and _crc32(path, start, info.file_size) != info.CRC:  # 0: torch was told to leave it out
            raise _refuse("its numbers have changed since they were written: download or copy it again")
        data = torch.from_numpy(content[start : start + info.file_size])
        if data.data_ptr() % dtype.itemsize:
            data = data.clone()
        return data.view(dtype)

    return _TensorUnpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def _crc32(path: Path, start: int, size: int) -> int:
    """Of a part of a file, which is read and not mapped: what is not used shall take no memory."""
    crc = 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size > 0 and (part := file.read(min(size, 1 << 20))):
            crc, size = zlib.crc32(part, crc), size - len(part)
    return crc


def _read_old(file: io.BytesIO, size: int) -> Any:
    """torch's format before 1.6: pickles one after another, then the numbers of all storages."""
    storages: dict[str, Tensor] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Tensor:
        if key not in storages:
            if sum(t.nbytes for t in storages.values()) + count * dtype.itemsize > size:
                raise _refuse("more numbers than the file has bytes: is it cut short?")
            storages[key] = torch.empty(count, dtype=dtype)
        return storages[key]

    def load() -> Any:
        return _TensorUnpickler(file, storage).load()

    if load() != OLD_MAGIC or load() != OLD_PROTOCOL or load().get("little_endian") is not True:
        raise _refuse("not a file of torch")
    content, keys = load(), load()
    for key in keys:
        numbers = storages[key]
        count = int.from_bytes(file.read(8), "little")
        data = file.read(numbers.nbytes)
        if count != len(numbers) or len(data) != numbers.nbytes:
            raise _refuse("numbers are missing at its end: is it cut short?")
        if count:
            numbers.copy_(torch.frombuffer(bytearray(data), dtype=numbers.dtype))
    return content
