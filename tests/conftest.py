"""Shared by all tests: where data lies, and models small enough for a test."""

from __future__ import annotations

import shutil
import signal
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from datasets.people.openpose import write_keypoints
from geometry.keypoints import INDEX, Keypoints
from geometry.similarity import PartPoses, pose_parts
from models.build import ModelConfig, build_digitizer
from models.digitizer import Digitizer
from tests.golden import DATA
from utils.checkpoint import write_checkpoint
from utils.config import to_dict
from utils.contact_sheet import SKELETON
from utils.files import write_png

FIGURE_SIZE = 320
TINY = ModelConfig(canvas=256, normal_widths=(4, 6, 8), depth_widths=(4, 6, 8), refiner_width=4)
LONGEST = (
    "golden_forward", "golden_training", "training_processes", "training", "killed_scripts", "app", "model_script",
    "cuda_rehearsal", "evaluate", "people_on_samples", "export_onnx", "training_faults", "training_steps", "full_disk",
    "synthetic", "gallery", "compile",
)  # fmt: skip
"""Files of tests, from a minute or more downwards."""


def pytest_configure() -> None:
    """Ctrl-C reaches the scripts under test, also where the tests run behind `nohup` or `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that two processes that share the files end at about the same time."""
    place = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture
def standing_xy() -> np.ndarray:
    """(31, 2) joints of a real standing person on a canvas that spans [-1, 1]."""
    with np.load(DATA / "keypoints_affines.npz") as golden:
        return 2 * golden["DSC02780.keypoints31_2048"][:, :2] / 2048 - 1


@pytest.fixture
def standing_poses(standing_xy) -> PartPoses:
    return pose_parts(standing_xy)


@pytest.fixture(scope="session")
def _tiny_digitizer() -> Digitizer:
    torch.manual_seed(0)
    model = build_digitizer(TINY)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.weight, mean=1.0, std=0.2)
            torch.nn.init.normal_(module.bias, std=0.2)
    # Mask logits far from 0, so that rounding flips no pixel.
    torch.nn.init.normal_(model.coarse_depth.head.weight, std=0.5)
    return model.eval()


@pytest.fixture
def tiny_digitizer(_tiny_digitizer) -> Digitizer:
    """A model with random weights whose BatchNorms have seen something, so that folding them matters."""
    torch.manual_seed(0)
    return deepcopy(_tiny_digitizer)


def standing_figure() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photo (S, S, 3), mask (S, S), joints (31, 2), S = FIGURE_SIZE: thick limbs drawn between a person's joints."""
    with np.load(DATA / "keypoints_affines.npz") as golden:
        joints = golden["DSC02780.keypoints31_2048"][:, :2] * FIGURE_SIZE / 2048
    mask = np.zeros((FIGURE_SIZE, FIGURE_SIZE), np.uint8)
    for a, b in SKELETON:
        cv2.line(mask, *(tuple(int(v) for v in joints[INDEX[name]]) for name in (a, b)), 1, 18)
    torso = [joints[INDEX[n]] for n in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]
    cv2.fillPoly(mask, [np.round(torso).astype(np.int32)], 1)
    photo = np.random.default_rng(0).integers(60, 200, (FIGURE_SIZE, FIGURE_SIZE, 3), dtype=np.uint8)
    return photo, mask.astype(bool), joints


@pytest.fixture(scope="session")
def _checkpoint(tmp_path_factory, _tiny_digitizer) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pt"
    weights = {name: tensor.clone() for name, tensor in _tiny_digitizer.state_dict().items()}
    weights["refiner.steps.2.head.weight"] *= 0.01
    for network in ("refiner.steps.2", "coarse_depth"):
        weights[f"{network}.head.bias"] = torch.tensor([1.9, 2.1, 1.0])
    write_checkpoint(path, to_dict(TINY), weights)
    return path


@pytest.fixture
def checkpoint(tmp_path, _checkpoint) -> Path:
    """A tiny model whose depths make a body: front before back, everywhere inside the coarse mask."""
    return Path(shutil.copy(_checkpoint, tmp_path))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    photo, mask, joints = standing_figure()
    for name in ("anna", "ben"):
        write_png(folder / f"{name}.png", photo)
        write_png(folder / f"{name}_mask.png", mask.astype(np.uint8) * 255)
        keypoints = Keypoints.from_scores(joints, np.full(31, 0.9), "test")
        write_keypoints(folder / f"{name}_keypoints.json", keypoints)
    return folder
