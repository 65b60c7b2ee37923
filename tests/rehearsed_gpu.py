"""CUDA rehearsed without CUDA: tensors that say they lie on a GPU, and a count of what would make it wait.

FakeTensorMode refuses operands on two devices; autocast, channels-last and the choice of operators follow the CUDA
rules; shapes and strides are real, values are not: what is read back is 1. What this cannot see: kernels, NCCL, speed.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.cuda.amp.common
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
ROOT = Path(__file__).parents[1]
COPIES = {torch.ops.aten._to_copy.default: 0, torch.ops.aten.copy_.default: 1}
"""Operators that copy, and which argument they read."""


@dataclass
class Traffic:
    """Between a GPU and its host, by place: "file.py function" of this project."""

    waits: Counter[str] = field(default_factory=Counter)  # the host reads a value: all that was begun must end
    uploads: Counter[str] = field(default_factory=Counter)  # copies to the GPU; they wait unless the memory is pinned


def _place() -> str:
    """The line of this project that asked."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path != Path(__file__) and ".venv" not in path.parts:
            return f"{path.relative_to(ROOT)} {frame.name}"
    return "?"


class _Calls(TorchFunctionMode):
    """Knows when autocast may ask for a tensor's device."""

    def __init__(self) -> None:
        super().__init__()
        self.is_autocast = False  # whether a function is at work that was called under autocast
        self.newest: list[Tensor] = []  # what the last operator within a call gave
        self.leaves: dict[int, tuple[Tensor, Any]] = {}  # with the nodes that gather their gradients

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before, self.is_autocast, now = self.is_autocast, False, torch.is_autocast_enabled("cuda")
        if now and torch.is_grad_enabled():
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, Tensor) and leaf.requires_grad and leaf.is_leaf and id(leaf) not in self.leaves:
                    # Its node would be made within the call, where autograd's question looks like autocast's.
                    self.leaves[id(leaf)] = leaf, torch.autograd.graph.get_gradient_edge(leaf)
        self.is_autocast, self.newest = now, []
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.is_autocast = before


class _Operators(TorchDispatchMode):
    """Counts copies and readings below autograd; lets autograd run where there is no CUDA."""

    def __init__(self, traffic: Traffic, calls: _Calls) -> None:
        super().__init__()
        self.traffic, self.calls = traffic, calls

    def _device_for_cpp(self, tensor: Tensor) -> torch.device:
        """What C++ is told. Autograd would look for the threads of a CUDA device: "meta" works in this thread.

        Autocast wants the truth. It asks within the call of a function, about its arguments; autograd asks about what
        an operator has just given.
        """
        device = tensor.fake_device if isinstance(tensor, FakeTensor) else tensor.device
        if device.type != "cuda":
            return device
        is_result = any(tensor is one for one in self.calls.newest)
        return device if self.calls.is_autocast and not is_result else torch.device("meta")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.ops.prim.device.default:
            return self._device_for_cpp(args[0])
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "meta":
            kwargs["device"] = GPU
        if func is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            if args[0].fake_device.type == "cuda":
                self.traffic.waits[_place()] += 1
            return True if args[0].dtype == torch.bool else 1.0 if args[0].is_floating_point() else 1
        out = func(*args, **kwargs)
        self.calls.newest = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if func in COPIES:
            ends = args[COPIES[func]].device.type, out.device.type
            if ends == ("cpu", "cuda"):
                self.traffic.uploads[_place()] += 1
            if ends == ("cuda", "cpu"):
                self.traffic.waits[_place()] += 1
        return out


def _with_new_parameters(module: nn.Module, change: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """nn.Module._apply, which would swap the storages of parameters: fake ones have none."""
    for child in module.children():
        child._apply(change)
    with torch.no_grad():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(change(parameter), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = change(buffer)
    return module


@contextmanager
def rehearsed_gpu() -> Iterator[Traffic]:
    """Within the block, tensors that are made on GPU lie there as far as anyone can tell."""
    traffic, calls = Traffic(), _Calls()

    def backward(*args: Any, run: Callable = torch.autograd._engine_run_backward, **kwargs: Any) -> Any:
        with calls:  # what is recomputed calls functions too
            return run(*args, **kwargs)

    def array(tensor: Tensor) -> np.ndarray:
        assert tensor.device.type == "cpu", "numpy() of a tensor on a GPU"
        return np.ones(tensor.shape, str(tensor.dtype).removeprefix("torch."))

    def numbers(tensor: Tensor) -> Any:
        if tensor.device.type == "cuda":
            traffic.waits[_place()] += 1
        return np.ones(tensor.shape, str(tensor.dtype).removeprefix("torch.")).tolist()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
        patch.setattr(FakeTensor, "numpy", array)
        patch.setattr(FakeTensor, "tolist", numbers)
        patch.setattr(torch.autograd, "_engine_run_backward", backward)
        patch.setattr(nn.Module, "_apply", _with_new_parameters)
        with FakeTensorMode(allow_non_fake_inputs=True), _Operators(traffic, calls), calls:
            yield traffic
