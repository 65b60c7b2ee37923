"""torch.compile makes one graph of every network, in training and folded for inference."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geometry.coarse_grid import COARSE_STRIDE
from geometry.parts import KINDS
from geometry.window import Window
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate

TINY = ModelConfig(canvas=256, normal_widths=(4, 6), depth_widths=(4, 6), refiner_width=4)
COARSE = TINY.canvas // COARSE_STRIDE
FACE = (2, 6, *KINDS[0].crop_on(TINY.canvas))
"""The five part networks are one class: one stands for all."""


def graphs_of(network: nn.Module, *inputs: object) -> int:
    """How many graphs a network falls into."""
    graphs = []

    def counted(graph: torch.fx.GraphModule, examples: list) -> object:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    torch.compile(network, backend=counted, dynamic=False)(*inputs)
    return len(graphs)


def walk(model: Digitizer) -> dict[str, int]:
    assert model.refiner is not None
    photo, normals = torch.rand(2, 3, COARSE, COARSE), torch.rand(2, 6, COARSE, COARSE)
    fused = torch.rand(1, 6, TINY.canvas, TINY.canvas)
    return {
        "coarse_normals": graphs_of(model.coarse_normals, photo),
        "coarse_depth": graphs_of(model.coarse_depth, photo, normals),
        "part": graphs_of(model.part_networks[KINDS[0].name], torch.rand(FACE)),
        "refiner": graphs_of(model.refiner, normals[:1, :2], fused, Window(16, 200, 24, 120)),
    }


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_one_graph(training):
    model = build_digitizer(TINY)
    with torch.set_grad_enabled(training):
        graphs = walk(model.train() if training else accelerate(model.eval()))
    assert set(graphs.values()) == {1}, graphs
