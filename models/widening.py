"""A wider network that starts with the outputs of a trained narrower one (Net2Net, Chen et al., ICLR 2016)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SPREAD = 0.5
"""Size of what tells copies of a channel apart, in root mean squares of the layer's weights."""


def widened(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a narrower model, for one whose layers have whole multiples of its channels.

    Every channel is there several times. A layer that reads the copies divides its weights among them, unevenly:
    with equal parts the copies would learn the same for ever. The parts are drawn from torch's generator. Maps that are
    joined along their channels must grow by the same factor: those of an encoder, its decoder and their gates do.

    Args:
        weights: name -> tensor of the narrower model.
        wanted: name -> tensor of the wider one, for the shapes. Names that only one side has are left as they are.

    Raises:
        ValueError: a tensor whose shape is not a whole multiple along its channels.
    """
    return {
        name: _widen(name, tensor, wanted[name].shape if name in wanted else tensor.shape)
        for name, tensor in weights.items()
    }


def _widen(name: str, tensor: Tensor, shape: torch.Size) -> Tensor:
    if tensor.shape == shape:
        return tensor
    grows = tensor.dim() == len(shape) > 0 and tensor.shape[2:] == shape[2:]
    if not grows or any(new % old for new, old in zip(shape[:2], tensor.shape[:2], strict=True)):
        raise ValueError(f"tensor '{name}' has shape {tuple(tensor.shape)}, expected whole divisors of {tuple(shape)}")
    copies = tensor.repeat_interleave(shape[0] // tensor.shape[0], dim=0)
    if tensor.dim() == 1:
        return copies
    readers = shape[1] // tensor.shape[1]
    parts = (copies / readers).repeat_interleave(readers, dim=1)
    if readers == 1:
        return parts
    apart = torch.randn(shape).unflatten(1, (-1, readers)) * SPREAD * tensor.square().mean().sqrt()
    # What one copy has more, the others have less.
    return parts + (apart - apart.mean(2, keepdim=True)).flatten(1, 2)
