"""What workers do for training, on one core: a pair from its files to the bytes that travel, by stage and whole."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks import sample
from benchmarks.render_stages import depth_and_color
from benchmarks.scans import body_of
from datasets.pairs.augmentation import Augmentation, AugmentationConfig, view_of
from datasets.pairs.pair_files import PairImages, read_joints, read_pair, write_images, write_joints
from datasets.pairs.pair_layout import Pair
from datasets.pairs.procedural_rooms import procedural_background
from datasets.pairs.training_pairs import TrainingPairs
from utils.config import build_config, read_yaml
from utils.files import write_bytes
from utils.heap import keep_freed_memory

AT_ONCE = 8
"""Samples that a measurement reads: backgrounds differ."""
PAIR = Pair("Body", "one", 0.0)
ROOMS = "rooms"
CONFIGS = Path(__file__).parents[1] / "configs"


def data_folder(size: int) -> Path:
    """A data folder, for as long as the process lives, with one pair of a rendered body and with photos of rooms."""
    root = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, root)
    front, back, color, color_back = depth_and_color(body_of(110_000), size)
    write_images(root, PAIR, PairImages(color, color, color_back, front, back))
    write_joints(root, PAIR, np.column_stack([sample.joints(size), np.ones(31)]))
    for number in range(4):
        room = procedural_background(768, np.random.default_rng(number))[:576]
        write_bytes(root / ROOMS / f"{number}.jpg", cv2.imencode(".jpg", room)[1].data)
    return root


def _augmentation(root: Path, size: int) -> Augmentation:
    """The paper's at 2048 px, with photos behind the person; the shipped model's at 768 px."""
    if size == sample.CANVAS:
        return Augmentation(AugmentationConfig(background_photos=ROOMS), root)
    values = read_yaml(CONFIGS / "small.yaml")["augmentation"]
    return Augmentation(build_config(AugmentationConfig, values, "small.yaml"), root)


def load(size: int, stage: str) -> Callable[[], dict[str, float]]:
    """One core, as in a worker.

    Args:
        size: of the canvas [px].
        stage: "read": decode the three pictures; "augment": what is done to them then; "whole": both, and the packing.
    """
    cv2.setNumThreads(0)
    keep_freed_memory()
    root = data_folder(size)
    augment = _augmentation(root, size)
    pairs = TrainingPairs(root, [PAIR] * AT_ONCE, size, augment, seed=0)
    rgb, *depths = read_pair(root, PAIR)
    view = view_of(rgb, (depths[0], depths[1]), read_joints(root / PAIR.joints)[0])
    one = {
        "read": lambda position: read_pair(root, PAIR),
        "augment": lambda position: augment(view, np.random.default_rng((0, 0, position))),
        "whole": lambda position: pairs[(0, position)],
    }[stage]

    def work() -> dict[str, float]:
        for position in range(AT_ONCE):
            one(position)
        return {"samples/s": AT_ONCE}

    return work
