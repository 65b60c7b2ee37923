"""All five scripts on a disk that is full: one line on stderr that names a file, exit code 1, nothing half-written."""

from __future__ import annotations

from utils.script import ends_in_one_line

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evaluate
import render
import test_model
import test_poisson
import train
from geometry.point_cloud import PointCloud
from tests import balls_people
from tests.conftest import TINY
from tests.full_disk import files_up_to
from training.reports import Reports
from utils.checkpoint import write_checkpoint
from utils.config import to_dict
from utils.ply import write_cloud
from utils.result_folder import ResultFolder

ROOT = Path(__file__).parents[1]


def box_obj(path: Path) -> Path:
    """A person of sorts, 1.8 high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = [(x, y, z) for x in (-0.2, 0.2) for y in (0.0, 1.8) for z in (-0.1, 0.1)]
    faces = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    lines = ["v {} {} {}".format(*corner) for corner in corners] + ["f {} {} {} {}".format(*face) for face in faces]
    path.write_text("\n".join(lines) + "\n")
    return path


def leftovers(folder: Path) -> list[Path]:
    """Temporary files, and files without a byte."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return [path for path in files if path.name.startswith(".") or not path.stat().st_size]


def printed_once(capsys: pytest.CaptureFixture) -> str:
    """Standard error without the progress bar."""
    errors = capsys.readouterr().err
    assert "Traceback" not in errors, errors
    assert "File too large, raise the limit" in errors, errors
    return errors


def test_render(tmp_path, capsys):
    box_obj(tmp_path / "scans" / "a.obj")
    command = ["--data_path", str(tmp_path / "data"), "--data_name", str(tmp_path / "scans"), "--res", "128"]
    with files_up_to(300):
        assert render.main([*command, "--views", "1", "--ambient_rays", "0"]) == 1
    assert "_front.png: File too large" in printed_once(capsys) and not leftovers(tmp_path / "data" / "PERS")


def test_evaluate(tmp_path, capsys):
    for folder in ("pred", "gt"):
        box_obj(tmp_path / folder / "a.obj")
    command = ["--pred", str(tmp_path / "pred"), "--gt", str(tmp_path / "gt"), "--out", str(tmp_path / "out")]
    with files_up_to(300):
        assert evaluate.main(command) == 1
    assert printed_once(capsys) and not leftovers(tmp_path / "out")


def test_meshing(tmp_path, capsys):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 3))
    normals = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    cloud = PointCloud(normals.astype(np.float64), normals, np.full((3000, 3), 128, np.uint8))
    write_cloud(ResultFolder.of(tmp_path, "run").cloud("a", closed=True), cloud)
    with files_up_to(300):
        assert test_poisson.main(["--save_path", str(tmp_path), "--save_name", "run", "--depth", "4"]) == 1
    assert "File too large" in printed_once(capsys) and not leftovers(tmp_path)


def test_digitizing(tmp_path, capsys, tiny_digitizer):
    write_checkpoint(tmp_path / "tiny.pt", to_dict(TINY), tiny_digitizer.state_dict())
    photo = ROOT / "samples" / "synthetic_200001.jpg"
    command = ["--data_path", str(photo), "--load_ckpt", str(tmp_path / "tiny.pt"), "--save_path", str(tmp_path)]
    with files_up_to(300):
        assert test_model.main([*command, "--save_name", "run", "--save_keypoints"]) == 1
    assert "File too large" in printed_once(capsys) and not leftovers(tmp_path / "run")


def test_training(tmp_path, capsys):
    """What it writes down first fits, the checkpoint does not."""
    balls_people.make(tmp_path / "data", 128, train=2, validation=1)
    command = ["--phase", "1", "--data_path", str(tmp_path / "data"), "--save_path", str(tmp_path / "run")]
    command += ["--config", str(ROOT / "configs" / "smoke.yaml"), "--set", "data.workers=0", "--set", "run.panels=0"]
    with files_up_to(20_000):
        assert train.main(command) == 1
    [error] = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "error" in line]
    assert "best.pt: File too large, raise the limit" in error or "last.pt: File too large, raise the limit" in error
    assert not [path for path in (tmp_path / "run").glob(".*.pt")]


def test_what_a_training_appends_to_names_the_file_that_has_no_room(tmp_path, capsys):
    """TensorBoard writes in a thread of its own, whose stack nobody needs."""

    @ends_in_one_line
    def main(argv):
        Reports(tmp_path, 0, active=True).add("train", 1, {"loss": 0.5})
        return 0

    with files_up_to(0):
        assert main([]) == 1
    errors = capsys.readouterr().err
    assert "Traceback" not in errors and f"error: {tmp_path}/tensorboard: File too large, raise the limit" in errors


@pytest.mark.parametrize("script", [evaluate, render, test_poisson])
def test_a_folder_that_cannot_be_written_is_said_before_the_work(tmp_path, capsys, script):
    for folder in ("pred", "gt"):
        box_obj(tmp_path / folder / "a.obj")
    (tmp_path / "run" / "output_plys_c").mkdir(parents=True)
    for name in ("run/output_plys_c/a.ply", "run/output_objs", "file"):
        (tmp_path / name).write_text("no folder")
    arguments = {
        evaluate: ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--out", tmp_path / "file" / "out"],
        render: ["--data_path", tmp_path / "file", "--data_name", tmp_path / "gt"],
        test_poisson: [tmp_path / "run"],
    }
    assert script.main([str(argument) for argument in arguments[script]]) == 1
    output = capsys.readouterr()
    assert (
        re.search(r"(file|out|output_objs): (Not a directory|File exists)", output.err) and "expected" not in output.err
    )


def test_a_render_that_ctrl_c_stops_says_one_line(tmp_path):
    for name in "abcdefgh":
        box_obj(tmp_path / "scans" / f"{name}.obj")
    command = [sys.executable, "render.py", "--data_path", tmp_path / "data", "--data_name", tmp_path / "scans"]
    command += ["--res", "512", "--views", "30"]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "data").rglob("*_front.png")) and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    errors = run.communicate(timeout=120)[1]
    assert run.returncode == 130 and errors.splitlines()[-1].endswith("stopped by Ctrl-C") and "Traceback" not in errors
    for picture in (tmp_path / "data").rglob("[!.]*.png"):
        assert picture.read_bytes().endswith(b"IEND\xaeB`\x82")
