"""Training the refiner on crops: the same values as on the canvas, phase 1 computed once, the same crops again."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.pairs.training_pairs import TrainingPairs, read_lists
from geometry.window import Window
from losses.objective import phase2_objective
from losses.terms import LossWeights
from models.build import build_digitizer
from models.digitizer import DepthMaps
from models.fast import accelerate
from tests import balls_people
from tests.conftest import TINY
from training.refiner_crops import SLIDE, CropPhase, RefinerCrop, RefinerCrops
from utils.files import write_bytes

SIDE = 64
WEIGHTS = LossWeights(refined_normals=1.0)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> TrainingPairs:
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, TINY.canvas, train=2, validation=1)
    return TrainingPairs(root, read_lists(root, ["Synthetic_train"]), TINY.canvas, None, seed=0)


@pytest.fixture
def model():
    torch.manual_seed(3)
    return build_digitizer(replace(TINY, residual=True)).eval()


def crops_of(people, model, folder: Path) -> RefinerCrops:
    return RefinerCrops(people, accelerate(model), SIDE, folder)


def placed(crop: RefinerCrop, depth: torch.Tensor) -> Window:
    """Where on the canvas a crop lies, by its depth."""
    size, flat = depth.shape[-1], crop.depth.flatten()
    for top in range(0, size - SIDE + 1, 8):
        for left in range(0, size - SIDE + 1, 8):
            window = Window(top, top + SIDE, left, left + SIDE)
            if torch.equal(depth[(..., *window.slices)].flatten(), flat):
                return window
    raise AssertionError("the crop is nowhere in the depth")


@torch.no_grad()
def test_a_crop_is_refined_as_on_the_canvas(people, model, tmp_path):
    """At every edge of the canvas too, where there is nothing beyond the crop."""
    torch.nn.init.normal_(model.refiner.steps[-1].head.weight, std=0.1)
    data = crops_of(people, model, tmp_path)
    sample = people[(0, 0)].to("cpu")
    maps = data.phase1.phase1(sample.photo, sample.poses)
    coarse, fused = maps.coarse_depth.masked.stacked, maps.fused.half().float()
    corners = set()
    for epoch in range(12):
        crop = data[(epoch, 0)]
        window = placed(crop, sample.depth[0])
        corners.add(tuple(crop.corner.tolist()))
        [inner] = RefinerCrop.stack([crop]).windows()
        seen = model.refiner(crop.coarse[None], crop.normals[None])[(..., *inner.slices)]
        whole = model.refiner(coarse, fused, window)
        # What the coarse depth says far from its mask may differ: a crop does not know of a person that far away.
        near = torch.nn.functional.max_pool2d((sample.depth[:, :1] > 0).float(), 17, 1, 8)[(..., *window.slices)] > 0
        torch.testing.assert_close(seen[:, 2:], whole[:, 2:], atol=1e-4, rtol=1e-4)
        assert ((seen - whole).abs() * near).max() < 0.05 or not near.any()
    assert len(corners) > 1 and all(0 <= value <= SLIDE for corner in corners for value in corner)


def test_phase_1_runs_once_for_a_person(people, model, tmp_path, monkeypatch):
    data, calls = crops_of(people, model, tmp_path), []
    monkeypatch.setattr(data.phase1, "phase1", lambda *a, run=data.phase1.phase1: calls.append(1) or run(*a))
    first = [data[(epoch, 1)] for epoch in range(4)]
    again = [data[(epoch, 1)] for epoch in range(4)]
    assert len(calls) == 1
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.normals, other.normals) and torch.equal(one.depth, other.depth)
    assert len({crop.depth.numpy().tobytes() for crop in first}) > 1
    # A new start finds the files; other weights do not use them.
    assert torch.equal(crops_of(people, model, tmp_path)[(0, 1)].normals, first[0].normals)
    assert len(list(tmp_path.iterdir())) == 1
    with torch.no_grad():
        model.coarse_normals.head.bias += 0.1
    assert not torch.equal(crops_of(people, model, tmp_path)[(0, 1)].normals, first[0].normals)


def test_what_is_kept_belongs_to_its_side_and_its_pictures(people, model, tmp_path):
    """Pairs that are rendered again, and another side, have files of their own; a broken file is made again."""
    data = crops_of(people, model, tmp_path)
    first = data[(0, 0)]
    assert RefinerCrops(people, accelerate(model), SIDE + 8, tmp_path).folder != data.folder
    [path] = data.folder.glob("*.npz")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert torch.equal(data[(0, 0)].normals, first.normals) and path.read_bytes() == content
    picture = people.root / people.pairs[0].depth("front")
    write_bytes(picture, picture.read_bytes())
    assert crops_of(people, model, tmp_path).folder != data.folder


def test_only_the_refiner_learns_and_its_loss_is_that_of_the_crops(people, model, tmp_path):
    data = crops_of(people, model, tmp_path)
    batch = RefinerCrop.stack([data[(0, 0)], data[(0, 1)]])
    phase = CropPhase(model, WEIGHTS, nullcontext)
    phase.train(fixed_statistics=True)
    result = phase.run(batch, lambda loss: loss)
    assert all((p.grad is not None) == name.startswith("refiner.") for name, p in model.named_parameters())
    singles = []
    for index in range(2):
        crop = data[(0, index)]
        [inner] = RefinerCrop.stack([crop]).windows()
        raw = model.refiner(crop.coarse[None], crop.normals[None])[(..., *inner.slices)]
        singles.append(phase2_objective(DepthMaps.of(raw), crop.depth[None], TINY.canvas, WEIGHTS))
    assert {"depth/full", "consistency/full", "mask/full", "normals/refined"} == set(result.terms)
    for name, value in result.terms.items():
        assert float(value) == pytest.approx(np.mean([float(terms[name].detach()) for terms in singles]), rel=1e-4)
