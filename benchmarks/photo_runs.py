"""All of test_model.py with the shipped model, from photos to files, joints and masks found by the bundled detector."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.sample import PHOTO
from datasets.people.person_sources import person_sources
from datasets.people.photo_folder import find_photos
from inference import MeshOptions, PhotoDigitizer
from inference.photo_run import PhotoRun
from utils.batch import run_batch
from utils.records import Records
from utils.result_folder import ResultFolder


def photos(side_by_side: bool) -> Callable[[], dict[str, float]]:
    """The sample photos; side by side as test_model.py does them, or one stage after the other."""
    digitizer = PhotoDigitizer.load(sources=person_sources("mediapipe", "mediapipe"))
    listed = find_photos([PHOTO.parent]).photos

    def work() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            run = PhotoRun(digitizer, listed, ResultFolder(root), Records(root, "photos", {}), MeshOptions())
            one_by_one = lambda name: run.write(run.digitize(run.find(name)))  # noqa: E731
            stages = run.stages if side_by_side else one_by_one
            report = run_batch(list(listed), stages, lambda name: False, "photos")
        return {"photos/min": 60.0 * len(report.done)}

    return work
