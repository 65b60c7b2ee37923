"""The networks of a checkpoint in ONNX say what they say in PyTorch."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import export_onnx
from models.build import build_digitizer, load_digitizer
from models.onnx_files import OnnxNetwork, onnx_networks, write_onnx
from tests.conftest import TINY


@torch.no_grad()
def largest_difference(one: OnnxNetwork, path, seed: int) -> float:
    """Between the file in onnxruntime and the network in PyTorch, on random inputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    inputs = one.examples(seed)
    [seen] = session.run([one.output], dict(zip(one.inputs, (x.numpy() for x in inputs), strict=True)))
    expected = one.network(*inputs).numpy()
    assert seen.shape == expected.shape and seen.dtype == np.float32 and expected.std() > 1e-3
    return float(np.abs(seen - expected).max())


def test_onnxruntime_gives_what_pytorch_gives(checkpoint, tmp_path):
    pytest.importorskip("onnx", reason="pip install -r requirements-onnx.txt")
    assert export_onnx.main([str(checkpoint), str(tmp_path / "onnx")]) == 0
    networks = onnx_networks(load_digitizer(checkpoint).eval())
    assert {path.name for path in (tmp_path / "onnx").iterdir()} == {f"{name}.onnx" for name in networks}
    assert len(networks) == 8
    for name, one in networks.items():
        assert largest_difference(one, tmp_path / "onnx" / f"{name}.onnx", seed=1) < 1e-4, name


def test_a_residual_refiner_adds_the_lifted_depth_in_onnx_too(tmp_path):
    pytest.importorskip("onnx", reason="pip install -r requirements-onnx.txt")
    torch.manual_seed(0)
    refiner = onnx_networks(build_digitizer(replace(TINY, canvas=128, residual=True)).eval())["refiner"]
    write_onnx(refiner, tmp_path / "refiner.onnx")
    assert largest_difference(refiner, tmp_path / "refiner.onnx", seed=1) < 1e-4


def test_without_the_package_the_way_to_it_is_named(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export_onnx.main([str(checkpoint), str(tmp_path / "onnx")]) == 1
    printed = capsys.readouterr().err
    assert "pip install -r requirements-onnx.txt" in printed and printed.count("\n") == 1
    assert not (tmp_path / "onnx").exists()
