"""The networks: shapes, purity, and that every way to run them gives the same values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from geometry.parts import KINDS, indices_of
from geometry.poses import Poses
from geometry.window import Window
from models.attention_unet import AttentionUNet
from models.blocks import clamp_with_inward_gradient
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate
from models.upsampling import up_convolution
from models.widening import widened
from tests.conftest import TINY
from utils.config import build_config, read_yaml


@pytest.fixture
def photo() -> torch.Tensor:
    return torch.rand(1, 3, TINY.canvas, TINY.canvas, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture
def poses(standing_poses) -> Poses:
    return Poses.stack([standing_poses])


def test_poses_on_the_host_outlive_the_move_of_their_tensors(poses):
    """As when a worker hands a batch over: its tensors go into shared memory, and what they had is freed."""
    expected = poses.canvas_from_part.numpy().copy()
    poses.canvas_from_part.share_memory_()
    assert poses.on_host.base is None
    np.testing.assert_array_equal(poses.on_host, expected)


@pytest.mark.parametrize(("name", "millions"), [("paper", 77.655), ("small", None)])
def test_every_config_builds(name, millions):
    config = build_config(ModelConfig, read_yaml(f"configs/{name}.yaml")["model"], name)
    parameters = sum(p.numel() for p in build_digitizer(config).parameters()) / 1e6
    # What ships has to stay under 25 MB as float16.
    assert parameters == pytest.approx(millions, abs=1e-3) if millions else parameters < 12.5


@pytest.mark.parametrize("change", [{"canvas": 1000}, {"normal_widths": (1, 2, 3, 4, 5)}])
def test_a_model_that_cannot_run_is_refused(change):
    with pytest.raises(ValueError, match="expected"):
        ModelConfig(**{**TINY.__dict__, **change})


@torch.no_grad()
def test_every_output_has_its_shape(tiny_digitizer, photo, poses):
    window = Window(40, 250, 60, 201)
    result = tiny_digitizer(photo, poses, window)
    size, coarse = TINY.canvas, TINY.canvas // 8
    assert result.coarse_normals.front.shape == (1, 3, coarse, coarse)
    assert result.coarse_depth.depth.back.shape == result.coarse_depth.mask_logits.shape == (1, 1, coarse, coarse)
    assert result.fused_normals.back.shape == (1, 3, size, size) and result.covered.dtype == torch.bool
    assert result.depth.depth.front.shape == (1, 1, window.height, window.width)
    for kind in KINDS:
        assert result.part_normals[kind.name].front.shape == (1, len(indices_of(kind)), 3, *kind.crop_on(size))


@torch.no_grad()
def test_forward_is_pure(tiny_digitizer, photo, poses):
    before, state = photo.clone(), {k: v.clone() for k, v in tiny_digitizer.state_dict().items()}
    first, second = tiny_digitizer(photo, poses), tiny_digitizer(photo, poses)
    assert torch.equal(photo, before)
    assert all(torch.equal(v, state[k]) for k, v in tiny_digitizer.state_dict().items())
    assert torch.equal(first.depth.depth.front, second.depth.depth.front)


def widened_by(factor: int, narrow: Digitizer) -> Digitizer:
    wider = {name: tuple(factor * width for width in getattr(TINY, name)) for name in ("normal_widths", "depth_widths")}
    wide = build_digitizer(replace(TINY, **wider, refiner_width=factor * TINY.refiner_width)).eval()
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    return wide


@torch.no_grad()
@pytest.mark.parametrize("factor", [2, 3])
def test_a_widened_model_says_what_the_narrow_one_said(tiny_digitizer, photo, poses, factor):
    old, new = tiny_digitizer(photo, poses), widened_by(factor, tiny_digitizer)(photo, poses)
    torch.testing.assert_close(new.fused, old.fused, atol=1e-4, rtol=1e-4)
    for name in ("coarse_depth", "depth"):
        depths = (getattr(result, name).depth.stacked for result in (new, old))
        torch.testing.assert_close(*depths, atol=1e-4, rtol=1e-4)


def test_copies_of_a_channel_learn_apart(tiny_digitizer):
    network = widened_by(2, tiny_digitizer).coarse_depth.train()
    network(torch.randn(2, 3, 32, 32), torch.rand(2, 6, 32, 32)).square().mean().backward()
    gradients = network.image_encoder[1][0].conv.weight.grad.flatten(1)
    likeness = F.cosine_similarity(gradients[0::2], gradients[1::2])
    assert (likeness < 0.95).all(), likeness


def test_a_layer_of_one_weight_is_widened():
    weight = torch.full((1, 1, 1, 1), 3.0)
    parts = widened({"score": weight}, {"score": torch.empty(1, 4, 1, 1)})["score"]
    assert len(parts.unique()) == 4 and float(parts.sum()) == pytest.approx(3)


def test_widths_that_are_no_multiples_cannot_be_widened(tiny_digitizer):
    wanted = build_digitizer(replace(TINY, refiner_width=6)).state_dict()
    with pytest.raises(ValueError, match=r"tensor 'refiner\..*' has shape .*, expected whole divisors of"):
        widened(tiny_digitizer.state_dict(), wanted)


@torch.no_grad()
@pytest.mark.parametrize("window", [Window(40, 250, 60, 201), Window(0, 30, 226, 256), Window(101, 102, 7, 256)])
def test_the_refiner_on_a_window_equals_the_refiner_on_the_canvas(tiny_digitizer, window):
    generator = torch.Generator().manual_seed(0)
    size = TINY.canvas
    coarse = torch.rand(2, 2, size // 8, size // 8, generator=generator) * 6
    normals = torch.rand(2, 6, size, size, generator=generator)
    whole = tiny_digitizer.refiner(coarse, normals)[(..., *window.slices)]
    torch.testing.assert_close(tiny_digitizer.refiner(coarse, normals, window), whole, atol=1e-5, rtol=1e-5)
    fast = accelerate(tiny_digitizer).refiner
    torch.testing.assert_close(fast(coarse, normals, window), whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("tile", [7, 64, 10_000])
def test_the_refiners_tiles_leave_no_edge(tiny_digitizer, tile, monkeypatch):
    monkeypatch.setattr("models.fast.TILE_ROWS", tile)
    coarse, normals = torch.rand(1, 2, 32, 32) * 6, torch.rand(1, 6, 256, 256)
    whole = tiny_digitizer.refiner(coarse, normals)
    torch.testing.assert_close(accelerate(tiny_digitizer).refiner(coarse, normals), whole, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_fast_model_equals_the_plain_one(tiny_digitizer, photo, poses):
    window = Window(30, 256, 50, 200)
    plain, fast = tiny_digitizer(photo, poses, window), accelerate(tiny_digitizer)(photo, poses, window)
    pairs = [
        (plain.coarse_normals.stacked, fast.coarse_normals.stacked),
        (plain.coarse_depth.depth.stacked, fast.coarse_depth.depth.stacked),
        (plain.coarse_depth.mask_logits, fast.coarse_depth.mask_logits),
        (plain.fused, fast.fused),
        (plain.depth.depth.stacked, fast.depth.depth.stacked),
        (plain.depth.mask_logits, fast.depth.mask_logits),
    ]
    for expected, actual in pairs:
        assert expected.std() > 1e-3, "a constant map proves nothing"
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_touch_only_the_part_networks(tiny_digitizer, photo, poses, dtype):
    exact, rounded = accelerate(tiny_digitizer)(photo, poses), accelerate(tiny_digitizer, dtype)(photo, poses)
    assert torch.equal(exact.coarse_depth.depth.front, rounded.coarse_depth.depth.front)
    for name, maps in rounded.part_normals.items():
        difference = (maps.front - exact.part_normals[name].front).abs()
        assert maps.front.dtype == torch.float32 and 0 < difference.max() < 0.1 * exact.part_normals[name].front.max()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("hw", [(5, 7), (1, 1), (8, 4)])
def test_up_convolution_on_the_low_grid_is_upsampling_then_convolution(hw, layout):
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    x = torch.rand(2, 3, *hw, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    plain = conv(F.interpolate(x, scale_factor=2, mode="nearest"))
    fast = up_convolution(conv, x)
    torch.testing.assert_close(fast, plain)
    inputs = (x, conv.weight, conv.bias)
    wanted, got = (torch.autograd.grad(y.square().sum(), inputs) for y in (plain, fast))
    torch.testing.assert_close(got, wanted)


def test_the_gradient_of_a_clamp_passes_beyond_its_limits_only_inwards():
    """The gradient is a plain clamp's inside; outside it passes only where a step against it leads back inside."""
    x = torch.tensor([-2.0, -2.0, 1.0, 1.0, 7.0, 7.0], requires_grad=True)
    y = clamp_with_inward_gradient(x, low=0, high=6)
    assert y.tolist() == [0, 0, 1, 1, 6, 6]
    y.backward(torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]))
    assert x.grad.tolist() == [-1, 0, -1, 1, 0, 1]
    assert torch.equal(clamp_with_inward_gradient(x, low=0), F.relu(x))


def test_a_normal_network_that_is_black_everywhere_comes_back():
    """A plain ReLU would have no gradient at all."""
    torch.manual_seed(0)
    network = AttentionUNet(3, (4, 8))
    with torch.no_grad():
        network.head.bias.fill_(-1.0)
    x = torch.rand(2, 3, 16, 16)
    assert not network(x).any()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        F.l1_loss(network(x), torch.full((2, 6, 16, 16), 0.6)).backward()
        optimizer.step()
    assert (network(x).mean((0, 2, 3)) > 0.4).all()


def test_a_fresh_normal_head_is_alive():
    torch.manual_seed(0)
    normals = AttentionUNet(3, (8, 16, 24, 32))(torch.rand(1, 3, 32, 32))
    assert (normals > 0).float().mean() > 0.5 and normals.std() > 0.01


def test_initial_weights_have_the_papers_variance():
    torch.manual_seed(0)
    conv = build_digitizer(ModelConfig(256, (64, 128), (32, 64), 32)).coarse_normals.encoder[1][1].conv
    assert conv.weight.std().item() == pytest.approx((2 / (9 * conv.out_channels)) ** 0.5, rel=0.02)


def test_phase_one_models_have_no_refiner():
    assert build_digitizer(TINY, refiner=False).refiner is None


def test_a_masked_model_says_background_where_its_refined_mask_says_so(photo, poses):
    """And the same depth everywhere else."""
    torch.manual_seed(5)
    plain, masked = build_digitizer(TINY).eval(), build_digitizer(replace(TINY, masked=True)).eval()
    with torch.no_grad():
        # A mask that is half person, half background.
        plain.refiner.steps[-1].head.bias[2] -= plain(photo, poses).depth.mask_logits.median()
        masked.load_state_dict(plain.state_dict())
        whole = plain(photo, poses).depth
        for model in (masked, accelerate(masked)):
            cut = model(photo, poses).depth
            person = cut.mask_logits > 0
            assert 0.4 < person.float().mean() < 0.6
            assert (cut.depth.front[~person] == 6).all() and (cut.depth.back[~person] == 0).all()
            torch.testing.assert_close(cut.depth.front[person], whole.depth.front[person], atol=1e-4, rtol=0)
