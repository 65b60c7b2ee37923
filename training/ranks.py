"""Several processes that train one model: torchrun starts them, this keeps them in step."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from training.failure import TrainingFailed
from utils.device import pick_device
from utils.distributed import cores, local_world_size, rank, world_size
from utils.errors import InputError


@contextmanager
def joined(device: str, timeout_minutes: float) -> Iterator[torch.device]:
    """Work together with the other processes, if several were started; leaves them when the block ends.

    Args:
        device: as utils.device.pick_device knows it.
        timeout_minutes: how long a process waits for the others before it takes them for lost.

    Yields:
        On which device this process works.

    Raises:
        InputError: there is no such device, or the environment does not say where the processes meet.
        TrainingFailed: the processes do not find each other.
    """
    place = pick_device(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if world_size() == 1:
        yield place
        return
    _divide_cores()
    # What lies in the memory of the CPU goes by gloo, whose errors arrive at once and as exceptions.
    backends = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
    _meet(backends, datetime.timedelta(minutes=timeout_minutes))
    try:
        yield place
    finally:
        dist.destroy_process_group()


def _divide_cores() -> None:
    """Give each process of a machine its part of the cores."""
    if local_world_size() > 1:
        torch.set_num_threads(cores())


def _meet(backends: str, timeout: datetime.timedelta) -> None:
    number, total = rank(), world_size()
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise InputError(f"WORLD_SIZE is {total} but {' and '.join(missing)} not set, expected torchrun")
    try:
        store, _, _ = next(dist.rendezvous("env://", number, total, timeout=timeout))
        # torchrun may keep its store over a restart: the addresses in it are of processes that have ended.
        attempt = dist.PrefixStore(f"attempt_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backends, store=attempt, rank=number, world_size=total, timeout=timeout)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise TrainingFailed(
            f"process {number} of {total} does not find the others at {where} ({_first_line(error)}): is every "
            "node started and the port open? with several network cards, GLOO_SOCKET_IFNAME or NCCL_SOCKET_IFNAME "
            "names the one that leads to the others"
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:160]


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """Around an exchange: what the backend says of a process that is gone becomes a TrainingFailed of one line."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingFailed(
            f"process {rank()} of {world_size()}: another process is gone or did not answer in time "
            f"({_first_line(error)}): its own output says why; --resume goes on from the last checkpoint"
        ) from error


def all_gather(items: Sequence[str]) -> list[list[str]]:
    """The items of all processes, by rank.

    Raises:
        TrainingFailed: another process is gone.
    """
    everyone: list[list[str]] = [list(items)]
    if dist.is_initialized():
        everyone = [[] for _ in range(world_size())]
        with naming_lost_processes():
            dist.all_gather_object(everyone, list(items))
    return everyone


def all_reduce(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place.

    Raises:
        TrainingFailed: another process is gone.
    """
    if dist.is_initialized():
        with naming_lost_processes():
            dist.all_reduce(values)
    return values


def average(tensors: Sequence[Tensor]) -> None:
    """Replace small floating-point tensors by their mean over all processes, in one exchange.

    Raises:
        TrainingFailed: another process is gone.
    """
    if not (dist.is_initialized() and tensors):
        return
    flat = all_reduce(torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])) / world_size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view(tensor.shape))


def any_of(wish: bool) -> bool:
    """Whether the wish of any process is true; asked by way of the CPU, so that no GPU is waited for.

    Raises:
        TrainingFailed: another process is gone.
    """
    return bool(all_reduce(torch.tensor([float(wish)])) > 0)


@contextmanager
def failing_together() -> Iterator[None]:
    """All processes get past the block, or none of them: the first InputError of any is raised in all.

    The block exchanges nothing itself.
    """
    problem: list[str] = []
    try:
        yield
    except InputError as error:
        if not dist.is_initialized():
            raise
        problem = [str(error)]
    problems = [(number, lines[0]) for number, lines in enumerate(all_gather(problem)) if lines]
    if problems:
        number, line = problems[0]
        raise InputError(line if len(problems) == world_size() else f"{line} (in process {number} of {world_size()})")


def require_same(facts: Mapping[str, object]) -> None:
    """Before the first step: all processes must be about to do the same run.

    Raises:
        InputError: in all of them; names the first fact that differs and what the processes say.
    """
    said = all_gather([str(value) for value in facts.values()])
    for name, values in zip(facts, zip(*said, strict=True), strict=True):
        if len(set(values)) > 1:
            shown = ", ".join(f"{value} in process {values.index(value)}" for value in dict.fromkeys(values))
            raise InputError(
                f"{name} is not the same in all processes ({shown[:300]}): expected the same command, the same lists "
                "and one shared run folder on every node"
            )
