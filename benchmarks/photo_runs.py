"""From photos to files with the shipped model, joints and masks found by the bundled detector."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.sample import PHOTO, ROOT
from datasets.people.person_sources import SourceOptions, person_sources
from datasets.people.photo_folder import find_photos
from inference import DigitizedPerson, MeshOptions, PhotoDigitizer
from inference.photo_run import PhotoRun
from utils.batch import run_batch
from utils.device import torch_threads
from utils.distributed import cores
from utils.records import Records
from utils.result_folder import ResultFolder

ROUNDS = 2
"""The first photo of a folder and its last are alone for a while."""


def to_glb() -> Callable[[], None]:
    """A photo to a textured GLB with everything loaded."""
    digitizer = PhotoDigitizer.load(sources=person_sources("mediapipe", "mediapipe"))

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            digitizer(PHOTO).write_map_mesh(folder)

    return work


def to_glb_cold() -> Callable[[], None]:
    """test_model.py with one photo: a program that first loads Python, all packages and the model, and writes all."""
    command = [sys.executable, "test_model.py", str(PHOTO), "--keypoints", "mediapipe", "--mask", "mediapipe"]

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([*command, "--save_path", folder], check=True, cwd=ROOT, capture_output=True)

    return work


def to_glb_without_networks(size: int) -> Callable[[], None]:
    """The same on a canvas of a size, with the true maps of a body instead of the networks' forward pass."""
    # It imports Open3D, which a photo to a GLB does without.
    from benchmarks.surfaces import true_result

    digitizer = PhotoDigitizer.load(sources=person_sources("mediapipe", "mediapipe"))
    digitizer.model.canvas = size
    result = true_result(size)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            DigitizedPerson(digitizer.find(PHOTO), result, digitizer.conventions).write_map_mesh(folder)

    return work


def photos(side_by_side: bool) -> Callable[[], dict[str, float]]:
    """The sample photos, ROUNDS times; one for each core at a time, or one after the other."""
    jobs = cores() if side_by_side else 1
    threads = cores(jobs)
    options = SourceOptions(threads=threads)
    digitizer = PhotoDigitizer.load(sources=person_sources("mediapipe", "mediapipe", options))
    listed = {f"{name}_{k}": path for k in range(ROUNDS) for name, path in find_photos([PHOTO.parent]).photos.items()}

    def work() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            run = PhotoRun(digitizer, listed, ResultFolder(root), Records(root, "photos", {}), MeshOptions())
            with torch_threads(threads):
                report = run_batch(list(listed), run.in_threads(jobs), lambda name: False, "photos")
        return {"photos/min": 60.0 * len(report.done)}

    return work
