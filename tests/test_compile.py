"""torch.compile makes one graph of every network and shape, of few shapes, which give what plain networks give."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from geometry.coarse_grid import COARSE_STRIDE
from geometry.parts import KINDS
from geometry.window import Window
from models.attention_unet import AttentionUNet
from models.blocks import ConvNormReLU
from models.build import ModelConfig, build_digitizer
from models.compiling import MOST_GRAPHS, compile_networks
from models.digitizer import Digitizer
from models.fast import accelerate
from models.refiner import RECEPTIVE_MARGIN, SHAPES, seen_from
from training.learner import Learner
from training.run import Run
from training.settings import ComputeSettings, DataSettings, PhaseSettings, Settings
from training.steps import train_only

TINY = ModelConfig(canvas=256, normal_widths=(2, 3), depth_widths=(2, 3), refiner_width=2, residual=True)
COARSE = TINY.canvas // COARSE_STRIDE
PEOPLE = [Window(16, 240, 100, 155), Window(9, 230, 150, 205), Window(70, 253, 0, 80)]
"""Windows of people of different sizes and places; seen are 104 or 112 columns of the canvas."""


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    limit = torch._dynamo.config.recompile_limit
    yield
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = limit


class Counting:
    """A compiler that runs graphs as they are."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, examples: list) -> Callable:
        self.graphs += 1
        return graph.forward


def refiner_inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = 3 + torch.rand(1, 2, COARSE, COARSE, generator=generator)
    return coarse, torch.rand(1, 6, TINY.canvas, TINY.canvas, generator=generator)


def tiny() -> Digitizer:
    torch.manual_seed(0)
    model = build_digitizer(TINY)
    torch.nn.init.normal_(model.refiner.steps[-1].head.weight, std=0.1)
    return model


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_one_graph_wherever_people_stand(training):
    model, counted = tiny(), Counting()
    model = model.train() if training else accelerate(model.eval())
    # The five part networks and the coarse normal network are one class: one stands for all.
    part = model.part_networks[KINDS[0].name]
    compile_networks([part, model.coarse_depth, model.refiner], counted)
    with torch.set_grad_enabled(training):
        part(torch.rand(2, 6, *KINDS[0].crop_on(TINY.canvas)))
        assert counted.graphs == 1
        model.coarse_depth(torch.rand(2, 3, COARSE, COARSE), torch.rand(2, 6, COARSE, COARSE))
        assert counted.graphs == 2
        for person in PEOPLE:
            model.refiner(*refiner_inputs(), person)
    assert counted.graphs == 3


def test_more_networks_of_a_class_are_compiled_than_pytorch_would():
    layer, counted = ConvNormReLU(1, 1), Counting()
    compile_networks([layer], counted)
    sides = range(4, 14)
    for side in (*sides, *sides):
        layer(torch.rand(1, 1, side, side))
    assert counted.graphs == len(sides)


def test_windows_have_few_shapes_and_all_that_they_need():
    canvas, shapes = 2048, set()
    edges = range(0, canvas + 1, 79)
    for left in edges:
        for right in (edge for edge in edges if edge > left):
            window = Window(left // 3, canvas - right // 5, left, right)
            need, seen = window.grown(RECEPTIVE_MARGIN, canvas), seen_from(window, canvas, few_shapes=True)
            assert need.joined(seen) == seen == seen.aligned(COARSE_STRIDE).clipped(canvas)
            shapes.add((seen.height, seen.width))
    assert len(shapes) == SHAPES and 2 * SHAPES <= MOST_GRAPHS


def refined(model: Digitizer, is_compiled: bool) -> list[Tensor]:
    """What the refiner says about everybody."""
    model.refiner.is_compiled = is_compiled  # no compiler has to run for its windows
    return [model.refiner(*refiner_inputs(), person) for person in PEOPLE]


def test_windows_of_few_shapes_teach_the_same():
    """With fixed statistics; those of a batch are over more background."""
    learnt = []
    for is_compiled in (False, True):
        model = tiny()
        train_only({"refiner": model.refiner}, model, fixed_statistics=True)
        outputs = refined(model, is_compiled)
        torch.stack([out.square().mean() for out in outputs]).sum().backward()
        learnt.append([*outputs, *(parameter.grad for parameter in model.refiner.parameters())])
    for plain, few in zip(*learnt, strict=True):
        torch.testing.assert_close(few, plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_windows_of_few_shapes_say_the_same():
    fast = accelerate(tiny().eval())
    for plain, few in zip(refined(fast, False), refined(fast, True), strict=True):
        torch.testing.assert_close(few, plain, atol=1e-5, rtol=1e-5)


def test_training_compiles_what_it_trains(tmp_path):
    compute = ComputeSettings(compile=True, refiner_window="person", recompute=True)
    settings = Settings(TINY, DataSettings(("a",), ("a",)), PhaseSettings(1), PhaseSettings(1), compute=compute)
    phase = Learner(Run(settings, 2, tmp_path, tmp_path), tiny(), torch.device("cpu")).phase
    assert phase.refiner.is_compiled and not phase.recompute


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++, with which PyTorch compiles on a CPU")
def test_pytorchs_compiler_gives_the_same_loss_and_gradients():
    """The smallest U-Net: `benchmark.py --stages train-phase-2-person-compiled` compiles a whole refiner."""
    torch.manual_seed(0)
    plain, compiled = AttentionUNet(3, (2,)), AttentionUNet(3, (2,))
    compiled.load_state_dict(plain.state_dict())
    compile_networks([compiled])
    photo, results = torch.rand(2, 3, 16, 16), []
    for network in (plain, compiled):
        loss = network(photo).square().mean()
        loss.backward()
        results.append([loss, *(parameter.grad for parameter in network.parameters()), *network.buffers()])
    for wanted, got in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
