"""What a computation costs, counted without doing it: operations, bytes, and the memory that is alive at its peak.

The networks are fake tensors (shapes without values), so the whole training step of the paper's model is walked through
in seconds and in no memory. What steers the walk, poses and masks, is real.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Operation:
    """One call of a PyTorch operator."""

    flop: int  # of convolutions and matrix products, a multiplication and an addition each; 0 for all others
    moved: int  # [bytes] its inputs read once and its outputs written once


@dataclass
class Costs:
    """What was counted."""

    operations: list[Operation] = field(default_factory=list)
    flop_of: Counter[str] = field(default_factory=Counter)  # operator -> FLOP
    live: int = 0  # [bytes] of all storages that exist
    peak: int = 0  # [bytes] the most that was ever alive

    @property
    def flop(self) -> int:
        """Of all operations together."""
        return sum(operation.flop for operation in self.operations)

    @property
    def moved(self) -> int:
        """[bytes]"""
        return sum(operation.moved for operation in self.operations)

    def seconds(self, flop_rate: float, bandwidth: float) -> float:
        """The roofline's estimate: every operation waits for its arithmetic or for its bytes, whichever is longer.

        Args:
            flop_rate: sustained [FLOP/s].
            bandwidth: sustained [bytes/s].
        """
        return sum(max(one.flop / flop_rate, one.moved / bandwidth) for one in self.operations)


class CountingMode(TorchDispatchMode):
    """Counts every operator that runs inside the `with` block.

    Args:
        held: tensors that exist already, such as the weights: they count in the memory.
    """

    def __init__(self, held: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.costs = Costs()
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        for tensor in held:
            self._hold(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        made = list(_tensors(out))
        for tensor in made:
            self._hold(tensor)
        # What gives no tensor, such as the question for a device, moves none.
        if made and not func.is_view and func not in FREE:
            self._count(func, args, kwargs or {}, out, made)
        return out

    def _count(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any, made: list[Tensor]) -> None:
        packet = func._overloadpacket
        flop = flop_registry[packet](*args, **kwargs, out_val=out) if packet in flop_registry else 0
        moved = sum(tensor.numel() * tensor.element_size() for tensor in (*_tensors((args, kwargs)), *made))
        self.costs.operations.append(Operation(flop, moved))
        self.costs.flop_of[str(packet)] += flop

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        self.costs.live += storage.nbytes()
        self.costs.peak = max(self.costs.peak, self.costs.live)
        weakref.finalize(storage, self._free, storage.nbytes())

    def _free(self, size: int) -> None:
        self.costs.live -= size


FREE = (torch.ops.aten.detach.default, torch.ops.aten.empty.memory_format, torch.ops.aten.empty_strided.default)
"""Operators that touch no memory."""


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def counted(work: Callable[[], object], held: Sequence[Tensor] = ()) -> Costs:
    """The costs of one call; `held` are the tensors that it starts with."""
    with CountingMode(held) as mode:
        work()
    return mode.costs
