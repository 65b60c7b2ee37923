"""The full-size model against what the authors' code made of the same weights and photo (METHOD.md 7 and 12).

Maps, losses and a training step of the refiner, all on one run of phase 1: minutes, and 8 GB.
"""

from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from datasets.pairs.samples import Sample
from geometry.poses import Poses
from geometry.window import Window
from inference import PhotoDigitizer
from losses.objective import phase1_objective, phase2_objective
from losses.targets import Truth
from losses.terms import LossWeights
from models.build import ModelConfig, build_digitizer, load_weights
from models.digitizer import DepthMaps, Digitized, Digitizer, Phase1Maps
from models.fast import accelerate
from tests import golden
from tests.golden import DATA
from tests.golden_step import check_step, gradient_of_a_plain_limit, sums
from training.steps import SecondPhase
from utils.checkpoint import OFFICIAL_MODEL, from_official_names, write_checkpoint
from utils.config import build_config
from utils.files import read_depth_png

WINDOW = Window(150, 1950, 624, 1424)
"""The box of a typical standing person."""
SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic_200001.jpg"


def official_model(canvas: int = golden.CANVAS) -> Digitizer:
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL | {"canvas": canvas}, "official"))
    load_weights(model, from_official_names(golden.weights(), "golden"), "golden")
    return model.eval()


def golden_names(result: Digitized) -> dict[str, torch.Tensor]:
    masked = result.coarse_depth.masked
    named = {
        "pred_down_normal_front": result.coarse_normals.front,
        "pred_down_normal_back": result.coarse_normals.back,
        "pred_down_depth_front": masked.front,
        "pred_down_depth_back": masked.back,
        "pred_down_depth_mask": result.coarse_depth.mask_logits.sigmoid(),
        "pred_normal_front": result.fused_normals.front,
        "pred_normal_back": result.fused_normals.back,
        "occupancy": result.covered[:, 0].float(),
    }
    for kind, maps in result.part_normals.items():
        named |= {f"pred_{kind}_normal_front": maps.front[0], f"pred_{kind}_normal_back": maps.back[0]}
    depth = {
        "pred_depth_front": result.depth.depth.front,
        "pred_depth_back": result.depth.depth.back,
        "pred_depth_mask": result.depth.mask_logits.sigmoid(),
    }
    for name, values in depth.items():
        whole = torch.full((1, 1, golden.CANVAS, golden.CANVAS), float("nan"))
        whole[(..., *result.window.slices)] = values
        named[name] = whole
    return named


@pytest.fixture(scope="module")
def model() -> Digitizer:
    return official_model()


@pytest.fixture(scope="module")
def fast(model) -> Digitizer:
    """As it runs at inference."""
    return accelerate(model)


@pytest.fixture(scope="module")
@torch.no_grad()
def seen(fast) -> Phase1Maps:
    """What phase 1 sees: once, for it takes a minute of a core."""
    return fast.phase1(golden.photo(), golden.poses())


@pytest.fixture(scope="module")
@torch.no_grad()
def whole(model, seen) -> Digitized:
    """With the refiner as it is trained, on the whole canvas."""
    canvas = Window.full(golden.CANVAS)
    return Digitized(**vars(seen), depth=model.refine(seen, canvas), window=canvas)


def assert_golden(result: Digitized, numbers: str, count: int) -> None:
    """All the maps that a file of golden numbers holds, wherever they are finite."""
    actual = golden_names(result)
    with np.load(DATA / f"{numbers}.npz") as expected:
        compared = [name for name in actual if name in expected.files]
        assert len(compared) == count
        for name in compared:
            stride = 16 if actual[name].shape[-1] == golden.CANVAS else 4
            values = actual[name][..., ::stride, ::stride].numpy()
            inside = np.isfinite(values)
            assert inside.mean() > 0.3
            error = np.abs(values - expected[name])[inside].max()
            assert error < 2e-5, f"{name}: {error}"


def test_forward_is_the_golden_one(whole):
    assert_golden(whole, "forward_phase2", 21)


@torch.no_grad()
def test_refined_depth_of_a_window_is_the_golden_one(fast, seen):
    """As at inference."""
    depth = fast.refine(seen, WINDOW)
    assert_golden(Digitized(**vars(seen), depth=depth, window=WINDOW), "forward_phase2", 21)


@torch.no_grad()
def test_refined_depth_of_clear_masks_is_the_golden_one(model, fast, seen):
    """Only the head of the coarse depth network is another one: all normals stay."""
    coarse_depth = deepcopy(model.coarse_depth)
    golden.clear_masks(coarse_depth)
    raw = coarse_depth(model.shrink(golden.photo()), seen.coarse_normals.stacked)
    clear = replace(seen, coarse_depth=DepthMaps.of(raw))
    depth = fast.refine(clear, WINDOW)
    assert_golden(Digitized(**vars(clear), depth=depth, window=WINDOW), "forward_phase2_clear_masks", 8)


def test_loss_terms_equal_the_official_ones(whole):
    depth, weights = golden.depths(), LossWeights()
    truth = Truth(depth, golden.poses().canvas_from_part, golden.CANVAS)
    first = phase1_objective(whole.normals_by_network, whole.coarse_depth, truth, weights)
    second = phase2_objective(whole.depth, depth, golden.CANVAS, weights)
    with np.load(DATA / "losses.npz") as losses:
        np.testing.assert_allclose(sums(first), losses["phase1"][1:4], rtol=1e-5)
        np.testing.assert_allclose(sums(second), losses["phase2"][1:4], rtol=1e-5)


def test_a_step_of_phase_2_has_the_official_losses_and_gradients(model, seen, monkeypatch):
    """On what the golden phase 1 sees. The official heads end in a plain ReLU6: no gradient beyond the limits."""
    monkeypatch.setattr("models.blocks._gradient_passes", gradient_of_a_plain_limit)
    phase = SecondPhase(deepcopy(model), LossWeights(mask=0.0), nullcontext, recompute=True)
    monkeypatch.setattr(phase.frozen, "phase1", lambda photo, poses: seen)
    phase.train()
    sample = Sample(golden.photo(), golden.depths(), golden.poses(), (Window.full(golden.CANVAS),))
    # The coarse mask's logits lie around 0, and rounding flips a few pixels of what the refiner gets.
    check_step(phase.run(sample, lambda loss: loss), phase.networks, 2, tolerance=1e-2)


@torch.inference_mode()
def test_sixteen_bit_part_networks_turn_hardly_any_normal():
    """With bfloat16 in the part networks, 99.9 % of the fused normals stay within one degree; at 256 px."""
    model, photo, poses = official_model(canvas=256), golden.photo()[..., ::8, ::8], golden.poses()
    maps = [accelerate(model, dtype).phase1(photo, poses) for dtype in (torch.float32, torch.bfloat16)]
    covered = maps[0].covered[0, 0]
    for side in ("front", "back"):
        exact, rounded = (2 * getattr(result.fused_normals, side)[0][:, covered].T.double() - 1 for result in maps)
        sine, cosine = torch.linalg.cross(exact, rounded).norm(dim=1), (exact * rounded).sum(1)
        assert (torch.rad2deg(torch.atan2(sine, cosine)) < 1).double().mean() > 0.999, side


def test_from_photo_to_depth_as_the_official_code_does(tmp_path):
    """The photo dimmed by Pillow itself, through the plain networks, against all of ours: every pixel of the files.

    On a canvas of 512 px, where the golden weights cost a sixteenth of the time.
    """
    weights = from_official_names(golden.weights(), "golden")
    model = dict(OFFICIAL_MODEL, canvas=512)
    write_checkpoint(tmp_path / "golden.pt", model, weights)
    person = PhotoDigitizer.load(tmp_path / "golden.pt", device="cpu")(SAMPLE)
    person.write_maps(tmp_path)

    cut_out = np.where(person.subject.mask[..., None], person.subject.rgb, 0).astype(np.uint8)
    photo = Image.fromarray(cut_out)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        photo = change(photo).enhance(0.85)
    values = 2 * (torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255) - 1
    plain = build_digitizer(build_config(ModelConfig, model, "golden"))
    load_weights(plain, weights, "golden")
    with torch.inference_mode():
        depth = plain.eval()(values, Poses.stack([person.subject.poses])).depth.depth
    body = (depth.front > 0) & (depth.front <= depth.back)
    seen = person.result.window.slices
    for side in ("front", "back"):
        file = read_depth_png(tmp_path / "depth" / f"{person.name}_{side}.png")[seen].astype(float)
        expected = torch.where(body, getattr(depth, side) * (512 / 4 * 32), 0)[0, 0].numpy()[seen]
        # Where front and back are as good as equal, rounding decides who is there.
        assert ((file > 0) != (expected > 0)).mean() < 1e-3 and (file > 0).mean() > 0.1
        both = (file > 0) & (expected > 0)
        # 2 / 16384 of the paper's files, at this size, and what is lost when they are cut to whole numbers.
        assert np.abs(file - expected)[both].max() <= 2 * 512 / 2048 + 1
