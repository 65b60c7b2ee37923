"""One step: networks one by one give the gradients of the whole, recomputing changes nothing, dead ones are named."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets.pairs.augmentation import Augmentation, AugmentationConfig
from datasets.pairs.samples import PackedSample, Sample
from datasets.pairs.training_pairs import TrainingPairs, read_lists
from geometry.coarse_grid import coarse_of, columns_around, columns_needed
from geometry.parts import KINDS
from geometry.window import Window
from losses.objective import phase1_objective
from losses.targets import COARSE
from losses.terms import LossWeights
from models.build import build_digitizer
from models.digitizer import DepthMaps, Digitizer
from tests import balls_people
from tests.conftest import TINY
from training.failure import TrainingFailed
from training.guards import DeadNormalsGuard, refuse_dead_normals
from training.recompute import refine_recomputed
from training.steps import FirstPhase, SecondPhase, truth_of

WEIGHTS = LossWeights()


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, TINY.canvas, train=2, validation=1)
    return root


@pytest.fixture(scope="module")
def packed_batch(people) -> list[PackedSample]:
    pairs = TrainingPairs(people, read_lists(people, ["Synthetic_train"]), TINY.canvas, None, seed=0)
    return [pairs[(0, position)] for position in range(2)]


@pytest.fixture(scope="module")
def batch(packed_batch) -> Sample:
    return PackedSample.stack(packed_batch).to("cpu")


@pytest.fixture(scope="module")
def singles(packed_batch) -> list[Sample]:
    return [one.to("cpu") for one in packed_batch]


def fresh() -> Digitizer:
    torch.manual_seed(3)
    return build_digitizer(TINY)


def gradients(networks: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    """Of all parameters but the biases that a BatchNorm takes away again: theirs is 0 and rounding."""
    return {
        f"{name}.{key}": parameter.grad.clone()
        for name, network in networks.items()
        for key, parameter in network.named_parameters()
        if not (key.endswith("conv.bias") or key.endswith("_conv.bias"))
    }


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


def joint_step(model: Digitizer, batch: Sample) -> torch.Tensor:
    """Phase 1 with one backward pass over everything: the definition that the cheap order must reproduce."""
    model.train()
    small = model.shrink(batch.photo)
    normals = {COARSE: model.coarse_normals(small)}
    depth = DepthMaps.of(model.coarse_depth(small, normals[COARSE]))
    enlarged = model.enlarge(normals[COARSE].detach())
    for kind in KINDS:
        crops = torch.cat(model.part_inputs(kind, batch.photo, enlarged, batch.poses))
        normals[kind.name] = model.part_networks[kind.name](crops)
    loss = sum(phase1_objective(normals, depth, truth_of(batch, model.canvas), WEIGHTS).values())
    loss.backward()
    return loss.detach()


def close(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], tolerance: float = 1e-4) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        largest = float(theirs[name].abs().max())
        assert float((tensor - theirs[name]).abs().max()) <= tolerance * largest + 1e-7, name


def test_networks_one_by_one_have_the_gradients_of_one_backward_pass(batch):
    whole, stepwise = fresh(), fresh()
    loss = joint_step(whole, batch)
    phase, complete = FirstPhase(stepwise, WEIGHTS, nullcontext), {}
    phase.train()

    def completed(network: str) -> None:
        """What is sent to other processes while the next network computes."""
        complete[network] = gradients({network: phase.networks[network]})
        later = [p for name in phase.networks if name not in complete for p in phase.networks[name].parameters()]
        assert all(parameter.grad is None for parameter in later)

    result = phase.run(batch, lambda loss: loss, completed)
    assert complete.keys() == phase.networks.keys()
    for network, sent in complete.items():
        assert all(torch.equal(gradients({network: phase.networks[network]})[name], sent[name]) for name in sent)
    torch.testing.assert_close(sum(result.terms.values()), loss, rtol=1e-5, atol=0)
    reference = FirstPhase(whole, WEIGHTS, nullcontext).networks
    close(gradients(phase.networks), gradients(reference))
    close(statistics(stepwise), statistics(whole))


@pytest.mark.parametrize("name", ["part_networks.arm", "coarse_depth", "refiner"])
def test_the_layout_of_the_memory_changes_neither_outputs_nor_gradients(name):
    """configs/paper.yaml trains channels-last; in double precision, so that rounding cannot hide behind a tolerance."""
    generator, found = torch.Generator().manual_seed(0), []
    sizes = {"part_networks.arm": [(6, 32)], "coarse_depth": [(3, 32), (6, 32)], "refiner": [(2, 32), (6, 256)]}[name]
    inputs = [torch.rand(2, c, size, size, generator=generator, dtype=torch.double) for c, size in sizes]
    for layout in (torch.contiguous_format, torch.channels_last):
        network = fresh().get_submodule(name).double().train().to(memory_format=layout)
        out = network(*inputs)
        out.square().mean().backward()
        found.append((out.detach(), gradients({name: network}), statistics(network)))
    torch.testing.assert_close(found[1][0], found[0][0])
    close(found[1][1], found[0][1], tolerance=1e-7)
    close(found[1][2], found[0][2], tolerance=1e-9)


def test_two_batches_accumulate_to_the_mean_of_their_gradients(singles):
    model = fresh()
    phase = FirstPhase(model, WEIGHTS, nullcontext)
    each = []
    for single in singles:
        model.zero_grad()
        phase.train()
        phase.run(single, lambda loss: loss)
        each.append(gradients(phase.networks))
    model.zero_grad()
    for single in singles:
        phase.run(single, lambda loss: loss / 2)
    mean = {name: (each[0][name] + each[1][name]) / 2 for name in each[0]}
    close(gradients(phase.networks), mean)


@pytest.mark.parametrize("window", [None, Window(40, 200, 64, 160)])
def test_recomputing_changes_neither_loss_nor_gradients_nor_statistics(window):
    generator = torch.Generator().manual_seed(0)
    # In double precision, so that rounding cannot hide behind a tolerance.
    coarse = torch.rand(2, 2, 32, 32, generator=generator, dtype=torch.double) * 4
    normals = torch.rand(2, 6, 256, 256, generator=generator, dtype=torch.double)
    results = []
    for forward in (lambda r: r(coarse, normals, window), lambda r: refine_recomputed(r, coarse, normals, window)):
        refiner = fresh().refiner.double().train()
        out = forward(refiner)
        out.square().mean().backward()
        results.append((out.detach(), gradients({"refiner": refiner}), statistics(refiner)))
    torch.testing.assert_close(results[0][0], results[1][0])
    close(results[1][1], results[0][1], tolerance=1e-7)
    close(results[1][2], results[0][2], tolerance=1e-9)


@pytest.mark.parametrize("window", ["canvas", "person"])
def test_phase_2_leaves_phase_1_as_it_is(batch, window):
    """Neither weights nor BatchNorm statistics of frozen networks move; the refiner's gradient is there."""
    model = fresh()
    phase = SecondPhase(model, WEIGHTS, nullcontext, window)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    phase.train()
    phase.run(batch, lambda loss: loss)
    for name, tensor in model.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == (name.startswith("refiner.") and ("running" in name or "tracked" in name)), name
    assert all(p.grad is None for n, p in model.named_parameters() if not n.startswith("refiner."))
    assert all(p.grad is not None for p in model.refiner.parameters())


@pytest.mark.parametrize("kind", [FirstPhase, SecondPhase])
def test_with_fixed_statistics_a_person_does_not_depend_on_who_else_is_in_the_batch(batch, singles, kind):
    """Losses of a batch are the mean of those of its people, and no statistic moves; with its own they are not."""
    both, (one, other) = batch, singles
    for fixed in (True, False):
        model = fresh()
        phase = kind(model, WEIGHTS, nullcontext)
        before = statistics(model)
        phase.train(fixed_statistics=fixed)
        terms = [phase.run(part, lambda loss: loss).terms for part in (both, one, other)]
        depth = "depth/coarse" if kind is FirstPhase else "depth/full"
        mean = (terms[1][depth] + terms[2][depth]) / 2
        assert torch.allclose(terms[0][depth], mean, rtol=1e-5) == fixed
        assert all(torch.equal(buffer, before[name]) for name, buffer in statistics(model).items()) == fixed
        assert all(p.grad is not None for network in phase.networks.values() for p in network.parameters())


def test_the_coarse_networks_can_be_trained_alone(batch):
    """With the same terms and gradients as beside the parts, which stay as they are."""
    both, alone = fresh(), fresh()
    phases = [FirstPhase(both, WEIGHTS, nullcontext), FirstPhase(alone, WEIGHTS, nullcontext, "coarse")]
    before = {name: tensor.clone() for name, tensor in alone.part_networks.state_dict().items()}
    results = []
    for phase in phases:
        phase.train()
        results.append(phase.run(batch, lambda loss: loss))
    assert results[1].terms.keys() == {"depth/coarse", "consistency/coarse", "mask/coarse", "normals/coarse"}
    assert all(torch.equal(term, results[0].terms[name]) for name, term in results[1].terms.items())
    assert all(parameter.grad is None for parameter in alone.part_networks.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in alone.part_networks.state_dict().items())
    for one, other in zip(alone.coarse_depth.parameters(), both.coarse_depth.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    assert [name for name in results[0].terms if phases[1].learns(name)] == list(results[1].terms)


def test_the_part_networks_can_be_trained_alone(batch):
    """The coarse networks stay as they are, to the statistics of their BatchNorm."""
    model = fresh()
    phase = FirstPhase(model, WEIGHTS, nullcontext, "parts")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    phase.train()
    result = phase.run(batch, lambda loss: loss)
    assert result.terms.keys() == {f"normals/{kind.name}" for kind in KINDS}
    assert all(phase.learns(name) for name in result.terms) and not phase.learns("mask/coarse")
    for network in (model.coarse_normals, model.coarse_depth):
        assert all(parameter.grad is None for parameter in network.parameters())
    for name, tensor in model.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == (name.startswith("part_networks.") and ("running" in name or "tracked" in name)), name
    assert all(parameter.grad is not None for parameter in model.part_networks.parameters())


def test_thinned_pairs_teach_the_coarse_networks_the_same(people):
    """A sixteenth of the pixels, the same small photo, the same target."""
    pairs, canvas = read_lists(people, ["Synthetic_train"]), TINY.canvas
    plain = AugmentationConfig(background=0.0, background_photos=None, brightness=(1, 1), contrast=(1, 1))
    full, thin = (TrainingPairs(people, pairs, canvas, Augmentation(plain, people, thin=t), 0) for t in (False, True))
    whole, part = (PackedSample.stack([source[(0, 0)], source[(0, 1)]]).to("cpu") for source in (full, thin))
    assert part.photo.shape == (2, 3, canvas // 4, canvas // 4) and part.depth.shape == (2, 2, canvas // 4, canvas // 4)
    assert torch.equal(coarse_of(part.depth, canvas), coarse_of(whole.depth, canvas))
    assert torch.equal(part.poses.part_from_canvas, whole.poses.part_from_canvas)
    small, same = (fresh().shrink(sample.photo) for sample in (whole, part))
    # Away from the rim, which `composite` smooths within the pixels that it is given.
    inside = torch.nn.functional.max_pool2d((part.depth[:, :1] == 0).float(), kernel_size=4, stride=2, padding=1) == 0
    torch.testing.assert_close(*(values.masked_select(inside) for values in (same, small)), atol=1e-5, rtol=0)
    assert inside.any()


def test_bf16_gives_nearly_the_same_loss(batch):
    losses = []
    for autocast in (nullcontext, lambda: torch.autocast("cpu", dtype=torch.bfloat16)):
        phase = FirstPhase(fresh(), WEIGHTS, autocast)
        phase.train()
        result = phase.run(batch, lambda loss: loss)
        losses.append(float(sum(result.terms.values())))
        assert all(parameter.grad.dtype == torch.float32 for parameter in phase.model.coarse_depth.parameters())
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


def test_a_fresh_network_is_alive_and_a_dead_one_is_named(batch):
    model = fresh()
    nn.init.constant_(model.part_networks["leg"].head.bias, -10.0)
    alive = fresh()
    assert (alive.part_networks["leg"](torch.randn(2, 6, 32, 32)) > 0).float().mean() > 0.95
    phase = FirstPhase(model, WEIGHTS, nullcontext)
    phase.train()
    normals = phase.run(batch, lambda loss: loss).normals
    guard = DeadNormalsGuard(after=300)
    guard.check(299, normals)
    with pytest.raises(TrainingFailed, match="leg: the front normals are black in x, y, z after 300 steps"):
        guard.check(300, normals)
    refuse_dead_normals({name: maps for name, maps in normals.items() if name != "leg"}, "at the start")
    with pytest.raises(TrainingFailed, match="shoe: the back normals are constant in x, y, z at the start"):
        constant = torch.cat([torch.rand(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.4)], dim=1)
        refuse_dead_normals({"shoe": constant}, "at the start")


def test_columns_hold_every_person_and_are_no_more_than_the_widest_needs():
    depth, windows = torch.zeros(3, 2, 96, 96), []
    for person, (first, end) in enumerate([(2, 20), (30, 70), (60, 96)]):
        depth[person, :, 40, first:end] = 3.0
        windows.append(Window(0, 768, 8 * first, 8 * end))
    for asked, width in ((16, 48), (64, 64), (96, 96)):
        columns = columns_around(depth, columns_needed(windows, asked, 96))
        assert columns.shape == (3, width)
        assert columns.min() >= 0 and columns.max() < 96
        for person in range(3):
            assert (depth[person, 0, 40, columns[person]] > 0).sum() == (depth[person, 0, 40] > 0).sum()


def test_all_columns_give_the_gradients_of_the_whole_canvas(batch):
    whole, columns = (FirstPhase(fresh(), WEIGHTS, nullcontext, "coarse", count) for count in (0, 10**3 * 16))
    terms = [phase.run(batch, lambda loss: loss).terms for phase in (whole, columns)]
    torch.testing.assert_close(terms[0], terms[1])
    expected = gradients(whole.networks)
    for name, gradient in gradients(columns.networks).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)
