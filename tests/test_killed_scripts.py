"""Each script, killed at random moments and run again, leaves the files that it leaves when nobody kills it.

KILLS=20 KILL_SEED=7 pytest tests/test_killed_scripts.py    more often, and at other moments
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from geometry.point_cloud import PointCloud
from tests import balls_people
from tests.killing import Death, Ending, run
from tests.test_full_disk import box_obj
from utils.checkpoint import read_checkpoint
from utils.ply import write_cloud
from utils.result_folder import ResultFolder

KILLS, SEED = int(os.environ.get("KILLS", 2)), int(os.environ.get("KILL_SEED", 0))
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Work:
    """What a script is told to do, in a folder that is its own."""

    script: str
    arguments: Callable[[Path], list[str]]
    prepare: Callable[[Path], object] = lambda folder: None
    worker_makes: str | None = None  # what a process of its own puts into the folder


@pytest.fixture
def inputs(tmp_path: Path, photos: Path, checkpoint: Path) -> Path:
    """Everything that the scripts read: scans, meshes, photos, a model, training pairs, a cloud."""
    for name in "ab":
        joints = box_obj(tmp_path / "scans" / f"{name}.obj").with_suffix(".json")
        box_obj(tmp_path / "mesh" / f"{name}.obj")
        joints.write_text(json.dumps({"joint3d": np.random.default_rng(0).uniform(-0.2, 1.8, (133, 3)).tolist()}))
    points = np.random.default_rng(0).normal(size=(3000, 3))
    normals = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    cloud = PointCloud(normals.astype(np.float64), normals, np.full((3000, 3), 128, np.uint8))
    write_cloud(ResultFolder(tmp_path / "clouds").cloud("a", closed=True), cloud)
    return tmp_path


def work_of(script: str, inputs: Path) -> Work:
    """A few seconds of each."""
    if script == "render":
        scans = ["--data_name", str(inputs / "scans"), "--res", "128", "--yaws", "0", "20", "--ambient_rays", "0"]
        return Work(script, lambda folder: ["--data_path", str(folder), *scans])
    if script == "evaluate":
        meshes = ["--pred", str(inputs / "mesh"), "--gt", str(inputs / "scans"), "--protocol", "icon"]
        return Work(script, lambda folder: [*meshes, "--out", str(folder)])
    if script == "test_model":
        photos = [str(inputs / "photos" / f"{name}.png") for name in ("anna", "ben")]
        options = ["--load_ckpt", str(inputs / "tiny.pt"), "--device", "cpu", "--save_name", ".", "--turntable"]
        return Work(script, lambda folder: [*photos, *options, "--save_path", str(folder)])
    if script == "test_poisson":
        # With their times: a newer cloud would be another one.
        copied = lambda folder: shutil.copytree(inputs / "clouds", folder)  # noqa: E731
        # One thread for the solver: its sums depend on how many there are, and on who comes first.
        options = ["--depth", "4", "--jobs", str(os.cpu_count())]
        return Work(script, lambda folder: [str(folder), *options], copied, "output_objs")
    balls_people.make(inputs / "people", 128, train=4, validation=1)
    command = ["--config", str(ROOT / "configs/smoke.yaml"), "--phase", "1", "--data_path", str(inputs / "people")]
    command += ["--resume", "--set", "data.workers=0", "--set", "run.save_minutes=0"]
    return Work(script, lambda folder: [*command, "--save_path", str(folder)])


def content(folder: Path) -> dict[str, object]:
    """Everything that a run leaves, without what is of the clock."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith("tensorboard") or path.name in (".lock", ".training", "curves.png"):
            continue
        if path.suffix == ".pt":
            found[name] = {key: tensor.numpy().tobytes() for key, tensor in read_checkpoint(path).weights.items()}
        elif path.name == "metrics.jsonl":
            found[name] = [(line["kind"], line["step"], line["loss"]) for line in map(json.loads, path.open())]
        else:
            found[name] = path.read_bytes()
    return found


def differing(first: dict[str, object], second: dict[str, object]) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


@pytest.mark.parametrize("script", ["render", "evaluate", "test_model", "test_poisson", "train"])
def test_a_script_that_was_killed_ends_as_if_it_had_not(script: str, inputs: Path):
    work = work_of(script, inputs)

    def ended(name: str, death: Death | None = None) -> Ending:
        folder = inputs / "out" / name
        folder.parent.mkdir(exist_ok=True)
        if not folder.exists():
            work.prepare(folder)
        return run(script, work.arguments(folder), folder, death)

    clean = ended("clean")
    assert clean.code == 0, clean.output
    expected = content(inputs / "out" / "clean")
    largest = max(path.stat().st_size for path in (inputs / "out" / "clean").rglob("*") if path.is_file())
    rng = np.random.default_rng(SEED)
    for number in range(KILLS):
        if number % 2:
            death = Death(at_size=int(largest ** rng.uniform(0.3, 0.99)))
        elif work.worker_makes is not None:
            death = Death(at_file=work.worker_makes)
        else:
            death = Death(at_change=int(rng.integers(1, clean.changes + 1)))
        killed = ended(f"{number}", death)
        # A script may end before the eye that waits for a file falls on it.
        was_faster = killed.code == 0 and death.at_file is not None
        assert was_faster or killed.code in (-signal.SIGKILL, -signal.SIGXFSZ, 1), killed.output
        assert "Traceback" not in killed.output, killed.output
        again = ended(f"{number}")
        assert again.code == 0, f"{death}: {again.output}"
        assert not differing(expected, content(inputs / "out" / f"{number}")), death
