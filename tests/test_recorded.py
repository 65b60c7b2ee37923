"""Recorded passes give what plain ones give. Without a GPU, the recorder here repeats the work itself, in place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from datasets.pairs.samples import PackedSample, Sample
from datasets.pairs.training_pairs import TrainingPairs, read_lists
from geometry.window import Window
from losses.terms import LossWeights
from models.build import build_digitizer
from models.digitizer import Digitizer
from tests import balls_people
from tests.conftest import TINY
from training.gradients import GradientExchange
from training.recorded import RecordedPhase, record_on_gpu
from training.steps import BatchResult, FirstPhase
from utils.errors import InputError

CPU = torch.device("cpu")
WEIGHTS = LossWeights()


@pytest.fixture(scope="module")
def batch(tmp_path_factory) -> Sample:
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, TINY.canvas, train=2, validation=1)
    pairs = TrainingPairs(root, read_lists(root, ["Synthetic_train"]), TINY.canvas, None, seed=0)
    return PackedSample.stack([pairs[(0, position)] for position in range(2)]).to("cpu")


def fresh() -> Digitizer:
    torch.manual_seed(3)
    return build_digitizer(TINY)


class InPlace:
    """Repeats a pass into the result that the first one made, as a graph does."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, work: Callable[[], BatchResult]) -> tuple[Callable[[], object], BatchResult]:
        self.recorded += 1
        for _ in range(2):
            work()
        result = work()

        def repeat() -> None:
            again = work()
            for kept, new in ((result.terms, again.terms), (result.normals, again.normals)):
                for name, tensor in kept.items():
                    tensor.copy_(new[name])

        return repeat, result


def phases(networks: str, columns: int = 0) -> tuple[FirstPhase, RecordedPhase, InPlace]:
    plain, other = (FirstPhase(fresh(), WEIGHTS, nullcontext, networks, columns) for _ in range(2))
    recorder = InPlace()
    GradientExchange(other.networks, in_place=True)
    return plain, RecordedPhase(other, CPU, recorder), recorder


def assert_same(plain: FirstPhase, recorded: RecordedPhase) -> None:
    for name, network in plain.networks.items():
        other = recorded.networks[name]
        for (key, one), (_, two) in zip(network.named_parameters(), other.named_parameters(), strict=True):
            torch.testing.assert_close(two.grad, one.grad, msg=f"gradient of {name}.{key}")
        for (key, one), (_, two) in zip(network.named_buffers(), other.named_buffers(), strict=True):
            torch.testing.assert_close(two, one, msg=f"{name}.{key}")


@pytest.mark.parametrize("networks", ["all", "coarse", "parts"])
def test_recorded_passes_add_up_to_the_gradients_and_statistics_of_plain_ones(batch, networks):
    plain, recorded, recorder = phases(networks)
    other = replace(batch, photo=batch.photo.flip(-1), depth=batch.depth.flip(-1))
    kept = []
    for phase in (plain, recorded):
        phase.train()
        results = [phase.run(one, lambda loss: loss / 3) for one in (batch, other, batch)]
        kept.append([result.terms for result in results])
    assert recorder.recorded == 1
    assert_same(plain, recorded)
    for one, two in zip(*kept, strict=True):  # each batch's own, not the last one's
        torch.testing.assert_close(two, one)


def test_every_number_of_columns_and_fixed_statistics_are_recorded_for_themselves(batch):
    plain, recorded, recorder = phases("coarse", columns=16)
    size = recorded.phase.model.canvas
    narrow, wide = (replace(batch, windows=(Window(0, size, 0, width),) * len(batch.windows)) for width in (64, size))
    for phase in (plain, recorded):
        for is_fixed in (False, True, False):
            phase.train(is_fixed)
            for one in (narrow, wide):
                phase.run(one, lambda loss: loss)
    columns = {recorded.phase.columns_of(one) for one in (narrow, wide)}
    assert recorder.recorded == 2 * len(columns)
    assert_same(plain, recorded)


def test_all_networks_are_reported_complete(batch):
    _, recorded, _ = phases("all")
    recorded.train()
    complete: list[str] = []
    recorded.run(batch, lambda loss: loss, complete.append)
    assert sorted(complete) == sorted(recorded.networks)


def test_without_cuda_it_is_refused():
    with pytest.raises(InputError, match="compute.cuda_graphs is true, expected a CUDA device, found cpu"):
        RecordedPhase(FirstPhase(fresh(), WEIGHTS, nullcontext), CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records on a GPU")
def test_a_graph_repeats_a_pass(batch):
    device = torch.device("cuda")
    models = [fresh().to(device), fresh().to(device)]
    plain, other = (FirstPhase(model, WEIGHTS, nullcontext) for model in models)
    GradientExchange(other.networks, in_place=True)
    recorded = RecordedPhase(other, device, record_on_gpu)
    sample = replace(batch, photo=batch.photo.to(device), depth=batch.depth.to(device), poses=batch.poses.to(device))
    for phase in (plain, recorded):
        phase.train()
        for _ in range(3):
            phase.run(sample, lambda loss: loss)
    assert_same(plain, recorded)
