"""Several processes that train one model: torchrun starts them, this keeps them the same.

Networks are sent backwards one after another, several times per step, so gradients are averaged once, after the last of
them, instead of inside DistributedDataParallel's hooks; the result is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from utils.device import pick_device
from utils.distributed import world_size


def start(device: str) -> torch.device:
    """Join the other processes, if torchrun started several, and say on which device this one works.

    Args:
        device: as utils.device.pick_device knows it.

    Raises:
        InputError: there is no such device.
    """
    place = pick_device(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if world_size() > 1:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return place


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average(tensors: Sequence[Tensor]) -> None:
    """Replace floating-point tensors by their mean over all processes, in one exchange."""
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world_size()
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view(tensor.shape))


def gathered(items: Sequence[str]) -> list[str]:
    """The items of all processes, in the order of their ranks."""
    if not dist.is_initialized():
        return list(items)
    everyone: list[list[str]] = [[] for _ in range(world_size())]
    dist.all_gather_object(everyone, list(items))
    return [item for items_of_one in everyone for item in items_of_one]


def summed(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def synchronise_batchnorm(model: nn.Module, device: torch.device) -> nn.Module:
    """The same model with BatchNorm statistics over the batches of all processes."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(model, name, _SyncBatchNormCPU.like(child))
        else:
            synchronise_batchnorm(child, device)
    return model


class _SumOverRanks(torch.autograd.Function):
    """Sum over all processes; its gradient is summed over them too."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        return summed(values.clone())

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return summed(gradient.clone())


class _SyncBatchNormCPU(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes on any device; PyTorch's own needs CUDA."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> _SyncBatchNormCPU:
        """With the parameters and the statistics of `norm`."""
        new = cls(norm.num_features, norm.eps, norm.momentum)
        new.load_state_dict(norm.state_dict())
        return new

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and dist.is_initialized()):
            return super().forward(x)
        axes = (0, 2, 3)
        sums = torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])])
        sums = _SumOverRanks.apply(sums)
        count = sums[-1].detach()
        mean = (sums[:-1] / count)[:, None, None]
        centred = x - mean
        variance = _SumOverRanks.apply(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]
