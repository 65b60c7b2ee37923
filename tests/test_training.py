"""train.py end to end on people made of balls: both phases, killed and resumed, in two processes, with broken data."""

from __future__ import annotations

import signal
from pathlib import Path

import cv2
import pytest
import torch

from models.build import load_digitizer
from tests import balls_people
from tests.running_training import SMOKE, ended, signalled_at, start, start_nodes
from training.reports import read_metrics
from utils.checkpoint import read_checkpoint, write_checkpoint


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Bits depend on how sums are split among threads; one thread is also faster for sizes this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, 128, train=4, validation=1)
    return root


def train(*arguments: object) -> int:
    from train import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return main([*SMOKE, *map(str, arguments)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "last.pt").weights


def test_both_phases_end_to_end(people, tmp_path, capsys):
    first, second = tmp_path / "phase1", tmp_path / "phase2"
    assert train("--data_path", people, "--phase", 1, "--save_path", first) == 0
    assert train("--data_path", people, "--phase", 2, "--save_path", second, "--load_ckpt", first / "best.pt") == 0
    for folder in (first, second):
        lines = read_metrics(folder)
        assert [line["step"] for line in lines if line["kind"] == "train"] == [1, 2]
        validation = [line for line in lines if line["kind"] == "validation"]
        assert {"normal_front_deg", "normal_back_deg", "depth_front_mm", "depth_back_mm"} < validation[0].keys()
        assert 0 <= validation[0]["mask_iou_percent"] <= 100
        for picture in ("panels/epoch_001.png", "curves.png"):
            assert cv2.imread(str(folder / picture)).std() > 10
        assert list((folder / "tensorboard").iterdir())
    frozen, trained = weights_of(first), weights_of(second)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in frozen.items())
    assert load_digitizer(second / "best.pt").refiner is not None
    # Of its two steps, the second leaves BatchNorm's statistics alone (configs/smoke.yaml).
    assert {int(tensor) for name, tensor in trained.items() if name.startswith("refiner.") and "num_b" in name} == {1}
    # Phase 1 can go on from there, and leaves the refiner as it finds it.
    third = tmp_path / "phase1_again"
    again = ("--phase", 1, "--save_path", third, "--load_ckpt", second / "best.pt")
    assert train("--data_path", people, *again) == 0
    for name, tensor in weights_of(third).items():
        assert torch.equal(tensor, trained[name]) == name.startswith("refiner.") or "num_batches" in name, name
    # A folder that holds a run is not overwritten.
    assert train("--data_path", people, "--phase", 1, "--save_path", first) == 1
    assert "already holds a run" in capsys.readouterr().err


def test_the_halves_of_phase_1_one_after_the_other(people, tmp_path, capsys):
    """The coarse networks on thinned pairs, then the parts: each leaves the other half as it finds it."""
    folders = {half: tmp_path / half for half in ("coarse", "parts")}
    start = ()
    for half, folder in folders.items():
        half_only = ("--set", f"phase1.networks={half}")
        assert train("--data_path", people, "--phase", 1, "--save_path", folder, *half_only, *start) == 0
        start = ("--load_ckpt", folder / "best.pt")
        terms = {name for line in read_metrics(folder) if line["kind"] == "train" for name in line if "/" in name}
        assert all(name.endswith("/coarse") == (half == "coarse") for name in terms) and terms
        validation = [line for line in read_metrics(folder) if line["kind"] == "validation"][0]
        assert validation["loss"] == pytest.approx(sum(validation[name] for name in terms), rel=1e-4)
    coarse, parts = (weights_of(folder) for folder in folders.values())
    for name, tensor in coarse.items():
        if name.startswith("coarse_"):
            assert torch.equal(tensor, parts[name]), name
    assert not torch.equal(coarse["part_networks.face.head.weight"], parts["part_networks.face.head.weight"])

    # Another backdrop is learnt, networks of twice the width are widened, any other width is another model.
    def another(name: str, change: str) -> int:
        start = ("--data_path", people, "--phase", 1, "--load_ckpt", folders["parts"] / "best.pt")
        return train(*start, "--save_path", tmp_path / name, "--set", change)

    assert another("backdrop", "model.backdrop=[]") == 0
    assert another("wide", "model.depth_widths=[4, 6, 8, 10, 12]") == 0
    assert another("other", "model.normal_widths=[6, 6]") == 1
    assert "expected whole divisors of" in capsys.readouterr().err


def test_a_killed_run_ends_with_the_bits_of_an_undisturbed_one(people, tmp_path, capsys):
    """Stopped by SIGTERM, then by SIGKILL before a step is saved, then finished: within epochs of two readings, each
    learnt from twice."""
    arguments = ["--data_path", people, "--phase", 1, "--set", "phase1.epochs=2", "--set", "phase1.echo=2"]
    arguments += ["--set", "run.save_minutes=0"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(*arguments, "--save_path", whole) == 0

    code, lines = ended(start(*arguments, "--save_path", parts, prepare=signalled_at(3, signal.SIGTERM)))
    assert code == 128 + signal.SIGTERM, lines
    assert not any("Traceback" in line for line in lines) and lines[-1].endswith("--resume goes on at step 4")
    code, _ = ended(start(*arguments, "--save_path", parts, "--resume", prepare=signalled_at(6, signal.SIGKILL)))
    assert code == -signal.SIGKILL
    assert read_checkpoint(parts / "last.pt").extra["training"]["progress"]["step"] == 5
    assert train(*arguments, "--save_path", parts, "--resume") == 0

    expected, found = weights_of(whole), weights_of(parts)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    untimed = [
        [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in read_metrics(folder)]
        for folder in (whole, parts)
    ]
    assert untimed[0] == untimed[1]

    # It does not go on as another run, nor to an end that lies behind it, nor from half a state.
    again = [*arguments, "--save_path", parts, "--resume", "--set"]
    assert train(*again, "phase1.epochs=1") == train(*again, "model.backdrop=[]") == 1
    last = read_checkpoint(parts / "last.pt")
    broken = {**last.extra["training"], "progress": {"steps": 1}}
    write_checkpoint(parts / "last.pt", last.model, last.weights, training=broken)
    assert train(*again, "run.panels=1") == 1
    for line, words in zip(
        capsys.readouterr().err.strip().splitlines()[-3:],
        ("last.pt: has done 8 steps, expected at most the 4 of phase1.epochs=1", "its model.backdrop is", "is broken"),
        strict=True,
    ):
        assert line.startswith("error: ") and words in line


def test_two_processes_follow_one_with_batches_twice_as_large(people, tmp_path):
    """Exactly so with BatchNorm statistics over both, which is what makes them one batch."""
    common = ["--data_path", people, "--phase", 1, "--set", "phase1.epochs=2"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert train(*common, "--batch_size", 2, "--save_path", alone) == 0
    synchronised = (*common, "--batch_size", 1, "--set", "compute.sync_batchnorm=true", "--save_path", together)
    for process in start_nodes(synchronised, synchronised):
        code, lines = ended(process, 240)
        assert code == 0, lines
    logs = [[line for line in read_metrics(folder) if line["kind"] == "train"] for folder in (alone, together)]
    losses = [[line["loss"] for line in log] for log in logs]
    # Adam turns rounding into steps of full length where a gradient is 0, so the paths part slowly.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[1][0] == pytest.approx(losses[0][0], rel=1e-5)
    # A sum instead of a mean would double it, which Adam hides; statistics of two values at the 1 x 1 bottom are rough.
    assert logs[1][0]["gradient_norm"] == pytest.approx(logs[0][0]["gradient_norm"], rel=1e-2)


def test_accumulation_clipping_and_16_bits_run(people, tmp_path):
    options = ("phase1.accumulate=2", "phase1.clip_norm=0.1", "phase1.precision=bf16")
    sets = [part for option in options for part in ("--set", option)]
    assert train("--data_path", people, "--phase", 1, "--save_path", tmp_path / "run", *sets) == 0
    assert [line["kind"] for line in read_metrics(tmp_path / "run")] == ["train", "validation"]


def test_dead_normals_stop_the_training(people, tmp_path, capsys):
    """A learning rate that throws the weights far away leaves black normals behind."""
    options = ("phase1.learning_rate=1000", "phase1.epochs=4", "run.dead_after=6")
    sets = [part for option in options for part in ("--set", option)]
    assert train("--data_path", people, "--phase", 1, "--save_path", tmp_path / "run", *sets) == 1
    error = capsys.readouterr().err
    assert "after 6 steps" in error and "run.seed" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--phase", 2], "expected --load_ckpt"),
        (["--phase", 1, "--set", "run.sead=1"], "unknown key 'sead'"),
        (["--phase", 1, "--set", "data.train=[nowhere]"], "nowhere.txt"),
        (["--phase", 1, "--set", "model.canvas=256"], "128 x 128 px, expected model.canvas = 256"),
        (["--phase", 1, "--batch_size", 8], "4 training samples, expected at least 8"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(people, tmp_path, capsys, arguments, message):
    assert train("--data_path", people, "--save_path", tmp_path / "run", *arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error
