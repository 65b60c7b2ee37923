"""The networks of the shipped checkpoint for one person, in PyTorch as at inference and in onnxruntime."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from geometry.parts import PARTS
from models.build import load_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate
from models.onnx_files import onnx_networks, write_onnx
from utils.choices import SHIPPED_CHECKPOINT

Run = Callable[[str], object]
"""Runs a network, by its name, once."""


def networks(runtime: str) -> Callable[[], None]:
    """Every network as often as a person needs it, the refiner on the whole canvas; without what stands between them.

    Args:
        runtime: "torch", or "onnxruntime" with as many threads.
    """
    model = load_digitizer(SHIPPED_CHECKPOINT).eval()
    crops = Counter(f"part_{part.kind.name}" for part in PARTS)
    run = _in_torch(model) if runtime == "torch" else _in_onnxruntime(model)

    def work() -> None:
        for name in onnx_networks(model):
            for _ in range(crops.get(name, 1)):
                run(name)

    return work


def _in_torch(model: Digitizer) -> Run:
    folded = onnx_networks(accelerate(model))
    inputs = {name: one.examples() for name, one in folded.items()}

    @torch.inference_mode()
    def run(name: str) -> Tensor:
        return folded[name].network(*inputs[name])

    return run


def _in_onnxruntime(model: Digitizer) -> Run:
    import onnxruntime

    options, sessions, inputs = onnxruntime.SessionOptions(), {}, {}
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        for name, one in onnx_networks(model).items():
            path = Path(folder) / f"{name}.onnx"
            write_onnx(one, path)
            sessions[name] = onnxruntime.InferenceSession(str(path), options)
            inputs[name] = {key: x.numpy() for key, x in zip(one.inputs, one.examples(), strict=True)}
    return lambda name: sessions[name].run(None, inputs[name])
