"""The networks of a model as ONNX files, for onnxruntime and other runtimes.

What stands between the networks, crops, fusion and the backgrounds of the coarse depth, is geometry (models.digitizer).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from geometry.coarse_grid import COARSE_STRIDE
from geometry.parts import KINDS
from models.attention_unet import NORMAL_CHANNELS
from models.digitizer import Digitizer
from models.refiner import DEPTH_SIDES
from utils.atomic_file import atomic_path
from utils.errors import InputError

PHOTO_CHANNELS = 3


@dataclass(frozen=True)
class OnnxNetwork:
    """A network, and what it takes and gives by name."""

    network: nn.Module  # in eval mode, float32, on the CPU
    inputs: dict[str, tuple[int, ...]]  # name -> (channels, height, width) of a batch of one
    output: str

    def examples(self, seed: int = 0) -> tuple[Tensor, ...]:
        """Random inputs in [0, 1], (1, channels, height, width) each."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(torch.rand(1, *shape, generator=generator) for shape in self.inputs.values())


class _OnCanvas(nn.Module):
    """A refiner without its options: (1, 2, r, r), (1, 6, R, R) -> (1, 3, R, R)."""

    def __init__(self, refiner: nn.Module) -> None:
        super().__init__()
        self.refiner = refiner

    def forward(self, coarse: Tensor, normals: Tensor) -> Tensor:
        return self.refiner(coarse, normals)


def onnx_networks(model: Digitizer) -> dict[str, OnnxNetwork]:
    """File name without suffix -> network, in the order in which a forward pass runs them; the refiner if there is one.

    Args:
        model: in eval mode. Names, shapes and units are those of models.export_onnx.
    """
    canvas, coarse = model.canvas, (model.canvas // COARSE_STRIDE,) * 2
    small, normals = (PHOTO_CHANNELS, *coarse), (NORMAL_CHANNELS, *coarse)
    networks: dict[str, OnnxNetwork] = {
        "coarse_normals": OnnxNetwork(model.coarse_normals, {"photo": small}, "normals"),
        "coarse_depth": OnnxNetwork(model.coarse_depth, {"photo": small, "normals": normals}, "depths_and_mask_logit"),
    }
    for kind in KINDS:
        crop: dict[str, tuple[int, ...]] = {
            "photo_and_coarse_normals": (PHOTO_CHANNELS + NORMAL_CHANNELS // 2, *kind.crop_on(canvas))
        }
        networks[f"part_{kind.name}"] = OnnxNetwork(model.part_networks[kind.name], crop, "normals")
    if model.refiner is not None:
        inputs: dict[str, tuple[int, ...]] = {
            "coarse_depths": (DEPTH_SIDES, *coarse),
            "normals": (NORMAL_CHANNELS, canvas, canvas),
        }
        networks["refiner"] = OnnxNetwork(_OnCanvas(model.refiner).eval(), inputs, "depths_and_mask_logit")
    return networks


def write_onnx(one: OnnxNetwork, path: Path) -> None:
    """Write one file, weights inside.

    PyTorch's other exporter, of torch.export, needs one package more and ten times as long.

    Raises:
        InputError: the package that PyTorch writes ONNX with is not installed.
        OSError: the file cannot be written.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise InputError(f"{error}: expected pip install -r requirements-onnx.txt") from error
    with atomic_path(path) as temporary, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes are constants in the file, as they are meant to be
        torch.onnx.export(
            one.network,
            one.examples(),
            temporary,
            input_names=list(one.inputs),
            output_names=[one.output],
            dynamo=False,
        )
