"""On a GPU, every tensor lies on it, autocast reaches what it should, and nothing waits but where it is named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from datasets.pairs.samples import PackedSample, packed
from geometry.poses import Poses
from geometry.window import Window
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer
from models.fast import accelerate
from tests.rehearsed_gpu import GPU, Traffic, rehearsed_gpu
from training.learner import Learner
from training.run import Run
from training.settings import ComputeSettings, DataSettings, PhaseSettings, Settings
from training.steps import train_only
from training.sync_batch_norm import synchronise_batchnorm
from training.validation import errors_of, predict, terms_of
from utils.device import pick_device

MODEL = ModelConfig(128, (4, 6), (2, 3), 2, filled=True, masked=True, residual=True)
WINDOW = Window(16, 120, 24, 96)
READ_OUT = Counter({"training/learner.py update": 1})
"""The one place where a step waits: loss terms and gradient norm, together."""


@pytest.fixture
def gpu(batch):
    with rehearsed_gpu() as traffic:
        yield traffic


@pytest.fixture
def batch(standing_poses) -> PackedSample:
    """One person, made outside the rehearsal: real poses and window on the host."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (128, 128, 3), dtype=np.uint8)
    depth = rng.integers(1, 100, (2, 128, 128), dtype=np.uint16)
    return packed(rgb, depth, 128, Poses.stack([standing_poses]), WINDOW)


def run_of(phase: int, folder: Path, precision: str = "fp32", networks: str = "all", **compute: object) -> Run:
    options = PhaseSettings(1, precision=precision, clip_norm=1.0, networks=networks)
    settings = Settings(
        MODEL, DataSettings(("a",), ("a",)), options, options, compute=ComputeSettings(device="cuda", **compute)
    )
    return Run(settings, phase, folder, folder)


def learner_of(run: Run) -> Learner:
    model = build_digitizer(MODEL, refiner=run.phase == 2)
    if run.settings.compute.sync_batchnorm:
        model = synchronise_batchnorm(model, GPU)
    layout = torch.channels_last if run.settings.compute.channels_last else torch.contiguous_format
    return Learner(run, model.to(GPU).to(memory_format=layout), GPU)


def is_on_gpu(model: nn.Module) -> bool:
    return all(tensor.device == GPU for tensor in (*model.parameters(), *model.buffers()))


def quiet(traffic: Traffic) -> None:
    """Forget the traffic of getting ready."""
    traffic.waits.clear()
    traffic.uploads.clear()


ARRIVAL = {"datasets/pairs/samples.py <genexpr>", "geometry/poses.py <genexpr>"}
"""A batch goes to the GPU from pinned memory."""
CASES = {
    "phase 1": (1, {"channels_last": True}),
    "phase 1, bf16, synchronised": (1, {"precision": "bf16", "channels_last": True, "sync_batchnorm": True}),
    "phase 1, fp16": (1, {"precision": "fp16"}),
    "the coarse networks alone, around the person": (1, {"networks": "coarse", "coarse_columns": 16}),
    "phase 2, bf16, recomputed, the person's window": (
        2,
        {"precision": "bf16", "channels_last": True, "recompute": True, "refiner_window": "person"},
    ),
    "phase 2, fp16, synchronised": (2, {"precision": "fp16", "sync_batchnorm": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_for_its_losses_alone(gpu, batch, tmp_path, name):
    """Everything that moves ends on the GPU; convolutions run in the precision asked for, heads in float32."""
    phase, options = CASES[name]
    learner = learner_of(run_of(phase, tmp_path, **options))
    assert is_on_gpu(learner.model)
    kinds: Counter[tuple[str, torch.dtype]] = Counter()
    for network in learner.phase.networks.values():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda layer, _, out: kinds.update([(type(layer).__name__, out.dtype)]))
    learner.phase.train()
    quiet(gpu)
    result = learner.gradients([batch])
    assert not gpu.waits and gpu.uploads.keys() == ARRIVAL
    assert all(p.grad is not None and p.grad.device == GPU for p in learner.parameters.values())
    assert all(term.device == GPU for term in result.terms.values())
    learner.update(result.terms, 1e-4)
    assert gpu.waits == READ_OUT
    assert gpu.uploads.keys() == ARRIVAL
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(options.get("precision"), torch.float32)
    assert {kind for kind in kinds if kind[0] == "Head"} == {("Head", torch.float32)}
    assert {kind for kind in kinds if kind[0] == "Conv2d"} <= {("Conv2d", dtype)}
    assert is_on_gpu(learner.model)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_forward_pass_waits_for_nothing(gpu, batch, dtype):
    model = accelerate(build_digitizer(MODEL), dtype).to(GPU)
    sample = batch.to(GPU)
    quiet(gpu)
    with torch.inference_mode():
        result = model(sample.photo, sample.poses, sample.window)
    assert not gpu.waits and not gpu.uploads
    maps = (result.fused, result.coarse_normals.front, result.depth.depth.front, result.depth.mask_logits)
    assert all(values.device == GPU and values.dtype == torch.float32 for values in maps)
    assert result.depth.depth.front.shape[-2:] == (WINDOW.height, WINDOW.width)


@pytest.mark.parametrize("phase", [1, 2])
def test_validation_waits_only_to_read_out(gpu, batch, tmp_path, phase):
    run, sample = run_of(phase, tmp_path), batch.to(GPU)
    model = accelerate(build_digitizer(MODEL, refiner=phase == 2)).to(GPU)
    quiet(gpu)
    with torch.no_grad():
        prediction = predict(model, sample, phase)
        terms = terms_of(run, prediction, sample)
        assert not gpu.waits and not gpu.uploads
        errors = errors_of(prediction, sample)
    assert all(term.device == GPU for term in terms.values()) and "mask_iou_percent" in errors
    assert set(gpu.waits) <= {"training/validation.py errors_of", "training/validation.py <dictcomp>"}


@pytest.mark.parametrize(("asked", "given"), [("cuda:0", 0), ("cuda", 3), ("auto", 3)])
def test_ranks_share_a_card_where_they_are_told_to(monkeypatch, asked, given):
    """Of torchrun's processes each has a card of its own, unless one is named."""
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert pick_device(asked) == torch.device("cuda", given)


def test_fixed_statistics_hold_for_synchronised_batchnorm(gpu):
    model: Digitizer = synchronise_batchnorm(build_digitizer(MODEL), GPU)
    train_only({"refiner": model.refiner}, model, fixed_statistics=True)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.SyncBatchNorm)]
    assert norms and not any(layer.training for layer in norms)


def test_the_rehearsal_sees_what_it_is_for(gpu):
    """Two devices in one operation, a value that is read, a constant that is uploaded, a shape that hangs on values."""
    here, there = torch.rand(3), torch.rand(3, device=GPU)
    with pytest.raises(RuntimeError, match="device"):
        here + there
    assert not gpu.waits and not gpu.uploads
    for read in (there.tolist, there.sum().item, there.cpu, lambda: bool(there.sum() > 0)):
        quiet(gpu)
        read()
        assert gpu.waits.total() >= 1 and not gpu.uploads
    for upload in (lambda: torch.tensor([1.0], device=GPU), lambda: here.to(GPU), lambda: there.copy_(here)):
        quiet(gpu)
        upload()
        assert gpu.uploads.total() >= 1 and not gpu.waits
    with pytest.raises(Exception, match="dynamic|data.dependent|nonzero"):
        there[there > 0]
