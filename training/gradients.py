"""Gradients that all processes agree on: averaged network by network while the next network still computes.

Why not DistributedDataParallel: the networks of a phase run one after another, each with a backward pass of its own,
and the coarse normal network takes in the gradient of the coarse depth network by hand (training.steps). DDP would have
to wrap every network under another name, would need `no_sync` for all batches of a step but the last, and would leave
BatchNorm's statistics to the first process, where here they are averaged too. Done by hand it is one page, and gives
the same mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.ranks import naming_lost_processes
from utils.distributed import world_size


class GradientExchange:
    """The gradients of some networks, and their mean over all processes.

    With several processes, a network's gradients live in one buffer for the whole run: autograd adds to it in place,
    and it is sent as it is. A process alone lets autograd make new ones each step, which spares one pass over them.

    Args:
        networks: in the order in which a step completes their gradients.
        in_place: keep the buffers in a process alone, too: for passes that are recorded (training.recorded).
    """

    def __init__(self, networks: Mapping[str, nn.Module], in_place: bool = False) -> None:
        self.parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self.buffers: dict[str, Tensor] = {}
        self.pending: list[tuple[dist.Work, Tensor]] = []
        if in_place or dist.is_initialized():
            self.buffers = {name: shared_gradients(parameters) for name, parameters in self.parameters.items()}

    def clear(self) -> None:
        """Before the first backward pass of a step."""
        for name, parameters in self.parameters.items():
            if name in self.buffers:
                self.buffers[name].zero_()
            else:
                for parameter in parameters:
                    parameter.grad = None

    def start(self, network: str) -> None:
        """After the last backward pass that reaches a network in this step."""
        if dist.is_initialized():
            with naming_lost_processes():
                work = dist.all_reduce(self.buffers[network], async_op=True)
            self.pending.append((work, self.buffers[network]))

    def finish(self) -> None:
        """Wait for all networks; from here on `parameter.grad` is the mean.

        Raises:
            TrainingFailed: another process is gone.
        """
        for work, buffer in self.pending:
            with naming_lost_processes():
                work.wait()
            buffer /= world_size()
        self.pending.clear()


def shared_gradients(parameters: list[nn.Parameter]) -> Tensor:
    """A flat buffer of zeros that the gradients of the parameters are views of, each in its parameter's layout."""
    first = parameters[0]
    buffer = torch.zeros(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device)
    start = 0
    for parameter in parameters:
        parameter.grad = buffer.as_strided(parameter.size(), parameter.stride(), start)
        start += parameter.numel()
    return buffer
