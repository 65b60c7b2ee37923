"""torch.compile for the networks of a model: one graph each for every shape, and few shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch._dynamo
from torch import nn

MOST_GRAPHS = 64
"""Of the networks of one class, in training and with fixed statistics. Six U-Nets for normals have at most 42: one for
each kind of part and one for every width of the coarse map (geometry.coarse_grid.COLUMN_STEP), the refiner has 32."""


def compile_networks(networks: Iterable[nn.Module], backend: str | Callable = "inductor") -> None:
    """Let networks be compiled, each when it is first called.

    A graph has fixed shapes, another shape makes another graph. The shapes are few: parts have a crop each, coarse maps
    one or (coarse_columns) a multiple of 16 columns, the refiner the canvas or a window of models.refiner.SHAPES.
    """
    # From 8 graphs of a class on, PyTorch would go on without compiling.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_GRAPHS)
    for network in networks:
        network.compile(dynamic=False, backend=backend)
