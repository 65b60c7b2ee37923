"""BatchNorm with statistics over the batches of all processes, on any device."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.ranks import all_reduce

Model = TypeVar("Model", bound=nn.Module)


def synchronise_batchnorm(model: Model, device: torch.device) -> Model:
    """The same model with BatchNorm statistics over the batches of all processes; PyTorch's own needs CUDA."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(model, name, SyncBatchNormCPU.like(child))
        else:
            synchronise_batchnorm(child, device)
    return model


class _SumOverRanks(torch.autograd.Function):
    """Sum over all processes; its gradient is summed over them too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return all_reduce(values.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return all_reduce(gradient.clone())


class SyncBatchNormCPU(nn.BatchNorm2d):
    """(B, C, H, W) -> (B, C, H, W), normalised over the batches of all processes in training."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> SyncBatchNormCPU:
        """With the parameters and the statistics of `norm`."""
        new = cls(norm.num_features, norm.eps, norm.momentum)
        new.load_state_dict(norm.state_dict())
        return new

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and dist.is_initialized()):
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
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
