"""Devices and precisions by the names that the command line knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from utils.distributed import local_rank
from utils.errors import InputError

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What convolutions read. TF32 is float32 whose mantissa a GPU cuts to 10 bits (`set_precision`)."""


def set_precision(name: str) -> None:
    """Let a GPU round to TF32 in all but "fp32"; PyTorch's own default is TF32 in the convolutions of float32.

    Args:
        name: of PRECISIONS. "bf16" and "fp16" leave some networks and all heads in float32, which then is TF32: no less
            exact than the others' 16 bits, where float32 itself takes most of a step's time. On a CPU "tf32" is "fp32".
    """
    torch.backends.cudnn.allow_tf32 = name != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = name != "fp32"


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Within the block, PyTorch's operators on the CPU work in as many threads, whichever thread calls them first."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str) -> torch.device:
    """auto (CUDA where there is one), cpu, cuda, cuda:n or mps; under torchrun each rank takes its own GPU.

    Raises:
        InputError: a name that is none of these, or a device that PyTorch does not see.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device {name}: expected auto, cpu, cuda, cuda:n or mps")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"--device {name}: PyTorch sees no Apple GPU here, expected cpu")
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        raise InputError(f"--device {name}: PyTorch sees no CUDA device here, expected cpu")
    index = local_rank() if device.index is None else device.index
    if index >= torch.cuda.device_count():
        raise InputError(f"--device cuda:{index}: there are {torch.cuda.device_count()} CUDA devices")
    return torch.device("cuda", index)
