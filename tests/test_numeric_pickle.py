"""Pickles of arrays: what public fits hold is read, what would follow the file's own pointers or run it is refused."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.rendering.scan_sources import read_facing
from utils.errors import InputError
from utils.numeric_pickle import read_numeric_pickle


def read(folder: Path, content: bytes) -> object:
    (folder / "a.pkl").write_bytes(content)
    return read_numeric_pickle(folder / "a.pkl")


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numbers_survive_every_protocol(tmp_path: Path, protocol: int):
    content = {
        "float": np.array([[0.5, 1], [2, 3]], np.float32),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.array([1, 2], ">i2"),
        "bool": np.array([True, False]),
        "none": np.zeros((0, 3)),
        "scalar": np.float64(0.25),
        "nested": [(np.arange(2, dtype=np.uint8), "text"), 3.5, None],
    }
    again = read(tmp_path, pickle.dumps(content, protocol))
    for name in ("float", "fortran", "big", "bool", "none", "scalar"):
        np.testing.assert_array_equal(again[name], content[name])
        assert again[name].dtype == content[name].dtype
    assert again["nested"][0][0].tolist() == [0, 1] and again["nested"][1:] == [3.5, None]


def test_tensors_come_out_as_arrays(tmp_path: Path):
    tensor = torch.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(read(tmp_path, pickle.dumps({"a": tensor}))["a"], tensor.numpy())


def test_fit_of_tracked_arrays_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The corrected fits of THuman2.0 hold trimesh's subclass of an array."""
    caching = types.ModuleType("trimesh.caching")

    class TrackedArray(np.ndarray):
        pass

    TrackedArray.__module__, TrackedArray.__qualname__ = "trimesh.caching", "TrackedArray"
    caching.TrackedArray = TrackedArray
    monkeypatch.setitem(sys.modules, "trimesh", types.ModuleType("trimesh"))
    monkeypatch.setitem(sys.modules, "trimesh.caching", caching)
    fit = {"global_orient": np.float32([[0.1, 0.6, -0.05]]), "scale": np.array([0.53]).view(TrackedArray)[0:1]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(fit, 3))
    assert read_facing(tmp_path / "a.pkl") == pytest.approx(np.degrees(0.6))


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def dtype(name: str, state: bytes = b"") -> bytes:
    return b"cnumpy\ndtype\n" + text(name) + b"\x85R" + state


POINTERS = b"C\x18" + b"A" * 24
RECORDS = b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}(" + text("a") + dtype("O") + b"K\x00\x86uK\x08K\x01K\x00tb"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


def state(shape: bytes, kind: bytes, content: bytes) -> bytes:
    return b"(K\x01" + shape + kind + b"\x89" + content + b"tb"


@pytest.mark.parametrize(
    "body",
    [
        b"cnumpy\nndarray\nK\x03\x85" + dtype("O") + POINTERS + b"\x87R",
        b"cnumpy\nndarray\nK\x03\x85" + dtype("f8") + POINTERS + b"\x87R",
        ARRAY + state(b"K\x03\x85", dtype("O"), POINTERS),
        ARRAY + state(b"K\x03\x85", dtype("V8", RECORDS), POINTERS),
        ARRAY + state(b"K\x03\x85", dtype("f8", RECORDS), POINTERS),
        ARRAY + state(b"K\x03\x85", dtype("f8,O"), POINTERS),
        ARRAY + state(b"K\x09\x85", dtype("f8"), POINTERS),
        ARRAY + state(b"J\xff\xff\xff\xff\x85", dtype("f8"), POINTERS),
        ARRAY + state(b"\x8a\x06\0\0\0\0\0\x10\x85", dtype("f8"), POINTERS),
        ARRAY + state(b"K\x03\x85", dtype("f8"), b"]"),
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85C\x01b\x87R",
        b"cnumpy.core.multiarray\nscalar\n" + dtype("O") + b"C\x08" + b"A" * 8 + b"\x86R",
        b"cnumpy\nndarray\n}" + text("array") + b"K\x01sb",
        b"cnumpy.core.multiarray\n_reconstruct\nN}" + text("__defaults__") + b"Nsb\x86b",
        b"cnumpy\nndarray\n)\x81",
        b"c_codecs\nencode\n" + text("a") + text("rot13") + b"\x86R",
        b"cnumpy\nload\n" + text("a.npy") + b"\x85R",
        b"Nr\xff\xff\xff\x7f",
        b"\x96\xff\xff\xff\xff\xff\x00\x00\x00",
    ],
)
def test_pickle_that_makes_up_memory_is_refused(tmp_path: Path, body: bytes):
    """Objects behind made-up pointers, shapes larger than the bytes, changed classes, memos and texts of gigabytes."""
    try:
        content = read(tmp_path, b"\x80\x05" + body + b".")
    except InputError as error:
        assert "a.pkl" in str(error) and "\n" not in str(error)
    else:
        assert content is None  # a memo of any index costs nothing here


def test_pickle_that_contains_itself_is_read(tmp_path: Path):
    loop: list = [np.zeros(2)]
    loop.append(loop)
    again = read(tmp_path, pickle.dumps(loop))
    assert again[1] is again
