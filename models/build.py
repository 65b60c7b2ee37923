"""From the numbers of a config, or from a checkpoint, to a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from geometry.parts import KINDS
from models.attention_unet import AttentionUNet
from models.coarse_depth import DualEncoderUNet
from models.digitizer import Conventions, Digitizer
from models.refiner import DepthRefiner
from utils.checkpoint import read_checkpoint
from utils.choices import Agreement
from utils.config import build_config
from utils.errors import InputError

LARGEST_CANVAS, LARGEST_WIDTH = 8192, 4096
"""[px], channels: what is larger is a mistake, and no machine holds it."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the networks. Crops and coarse maps follow from the canvas (geometry.parts)."""

    canvas: int  # side of the square photo [px], a multiple of 128
    normal_widths: tuple[int, ...]  # channels of the part networks and the coarse normal network, fine to coarse
    depth_widths: tuple[int, ...]  # channels of each encoder of the coarse depth network
    refiner_width: int  # channels of the refiner's depth and normal features, each
    residual: bool = False  # the refiner changes the lifted coarse depth instead of making a new one (models.refiner)
    masked: bool = False  # the refined mask cuts the refined depth; else only front behind back does (METHOD.md 5.5)
    backdrop: tuple[int, ...] = ()  # RGB of the background; none: black, dimmed with the photo (METHOD.md 8.3)
    filled: bool = False  # where no part's crop reaches (skirts, coats), the fused normals are the coarse ones
    agreement: Agreement = "off"  # the depth that is made to agree with the fused normals at test

    def __post_init__(self) -> None:
        if not 0 < self.canvas <= LARGEST_CANVAS or self.canvas % 128:
            raise ValueError(f"model.canvas is {self.canvas}, expected a multiple of 128 up to {LARGEST_CANVAS}")
        if len(self.normal_widths) > 4 or len(self.depth_widths) > 5:
            # Crops are multiples of 8, coarse maps of 16: what halving three and four times needs.
            raise ValueError("model: at most 4 normal_widths and 5 depth_widths, expected by the sizes of the crops")
        widths = (*self.normal_widths, *self.depth_widths, self.refiner_width)
        if not self.normal_widths or not self.depth_widths or min(widths) < 1 or max(widths) > LARGEST_WIDTH:
            raise ValueError(f"model: widths {list(widths)}, expected numbers of channels from 1 to {LARGEST_WIDTH}")
        if min(self.normal_widths[:-1], default=2) < 2:
            raise ValueError(f"model.normal_widths is {list(self.normal_widths)}, expected 2 or more: gates halve it")
        if len(self.backdrop) not in (0, 3) or not all(0 <= value <= 255 for value in self.backdrop):
            raise ValueError(f"model.backdrop is {list(self.backdrop)}, expected [red, green, blue] of 0 to 255, or []")


def build_digitizer(config: ModelConfig, refiner: bool = True) -> Digitizer:
    """A freshly initialised model; without its refiner where only phase 1 is wanted."""
    return Digitizer(
        config.canvas,
        part_networks={kind.name: AttentionUNet(6, config.normal_widths) for kind in KINDS},
        coarse_normals=AttentionUNet(3, config.normal_widths),
        coarse_depth=DualEncoderUNet(config.depth_widths),
        refiner=DepthRefiner(config.refiner_width, config.residual) if refiner else None,
        conventions=Conventions(config.backdrop, config.masked, config.agreement, config.filled, config.residual),
    )


def load_digitizer(path: Path | str, refiner: bool | None = True) -> Digitizer:
    """Rebuild a model from a checkpoint, ours or the authors', strictly.

    Args:
        refiner: whether the refiner is needed; without it a phase-1 file is enough. None: if the file has one.

    Raises:
        InputError: the file cannot be used, lacks a tensor, has one too many or one of another shape.
    """
    checkpoint = read_checkpoint(path)
    refiner = checkpoint.has_refiner if refiner is None else refiner
    if refiner and not checkpoint.has_refiner:
        raise InputError(f"{path}: a phase-1 checkpoint without a refiner, expected one of phase 2")
    config = build_config(ModelConfig, checkpoint.model, f"{path}: model")
    # A file may say any size: no memory is taken, the model is made of the file's tensors.
    with torch.device("meta"), _Uninitialised():
        model = build_digitizer(config, refiner)
    load_weights(model, checkpoint.weights, path)
    return model


class _Uninitialised(TorchFunctionMode):
    """Layers keep what their memory holds: the work of torch.nn.init is left out."""

    def __torch_function__(
        self, function: Callable, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return function(*args, **given)


def load_weights(model: Digitizer, weights: dict[str, Tensor], path: Path | str) -> None:
    """Copy a checkpoint's tensors into a model, or make one on the meta device of them.

    A refiner that the model does not have is left out.

    Raises:
        InputError: a tensor is missing, unknown, of another shape or kind of number, or not finite.
    """
    weights = _check_weights(model, weights, path)
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path}: tensor '{name}' is not finite, expected trained weights")
    wanted = model.state_dict()
    is_empty = all(tensor.is_meta for tensor in wanted.values())
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()}, assign=is_empty)


def _check_weights(model: Digitizer, weights: dict[str, Tensor], path: Path | str) -> dict[str, Tensor]:
    """The tensors that the model takes, when they are all there in the shapes that it has."""
    wanted = model.state_dict()
    if model.refiner is None:
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("refiner.")}
    for name in dict.fromkeys([*wanted, *weights]):  # in their order: the same line every time
        if name not in weights:
            raise InputError(f"{path}: tensor '{name}' is missing, expected {len(wanted)} tensors")
        if name not in wanted:
            raise InputError(f"{path}: tensor '{name}' is unknown to this model")
        if weights[name].shape != wanted[name].shape:
            shapes = tuple(weights[name].shape), tuple(wanted[name].shape)
            raise InputError(f"{path}: tensor '{name}' has shape {shapes[0]}, expected {shapes[1]}")
        if weights[name].is_floating_point() != wanted[name].is_floating_point():
            raise InputError(f"{path}: tensor '{name}' is {weights[name].dtype}, expected {wanted[name].dtype}")
    return weights
