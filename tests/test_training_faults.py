"""Training survives its data and names what it cannot use: broken files, settings without sense, lists seen before."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import train
from datasets.pairs import pair_check
from datasets.pairs.pair_check import check_pairs
from datasets.pairs.pair_files import read_joints
from datasets.pairs.pair_layout import Pair
from datasets.pairs.training_pairs import TrainingPairs, read_lists
from tests import balls_people
from tests.running_training import ROOT, SMOKE, ended, errors_of, start
from training.opening import look_at
from training.reading import loader_of, reading
from training.run import Run
from training.settings import Settings
from utils.config import build_config, override, read_yaml
from utils.device import set_precision
from utils.errors import InputError

HEADER = "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}, ), }}"


def settings(*changes: str) -> Settings:
    return build_config(Settings, override(read_yaml(SMOKE[1]), changes), "smoke.yaml")


@pytest.fixture
def people(tmp_path) -> Path:
    balls_people.make(tmp_path / "data", 128, train=4, validation=1)
    return tmp_path / "data"


def npy(header: str, values: bytes = bytes(31 * 3 * 8)) -> bytes:
    """A .npy file with any header."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values


@pytest.mark.parametrize(
    "content",
    [
        npy(HEADER.format(kind="<f8", shape="10000000000000")),
        npy(HEADER.format(kind="<f8", shape="9" * 40)),
        npy(HEADER.format(kind="<f8", shape="31, 3").replace(")", "")),
        npy(HEADER.format(kind="|O", shape="31, 3")),
        npy(HEADER.format(kind="<f8", shape="-31, -3")),
        npy(HEADER.format(kind="<f8", shape="31, 3"), bytes(31 * 3 * 8 - 1)),
        npy("(" * 100),
        b"PK\x03\x04" + bytes(196),
        b"",
    ],
    ids=["huge", "long", "token", "object", "negative", "cut", "nested", "zip", "empty"],
)
def test_joint_files_that_are_none_are_left_out_by_name(people, content):
    pair = read_lists(people, ["Synthetic_train"])[1]
    (people / pair.joints).write_bytes(content)
    with pytest.raises(InputError, match=r"0001_front.npy: cannot be read .*31 joints"):
        read_joints(people / pair.joints)
    assert list(check_pairs(people, read_lists(people, ["Synthetic_train"]), 128)) == [1]


@pytest.mark.parametrize("waiting", [0.0, 10.0], ids=["one by one", "by threads"])
def test_pairs_that_cannot_be_used_are_found_at_any_place(people, monkeypatch, waiting):
    good, bad = read_lists(people, ["Synthetic_train"])[:2]
    (people / bad.joints).write_bytes(b"")
    monkeypatch.setattr(pair_check, "WAITING", waiting)
    monkeypatch.setattr(pair_check, "AT_ONCE", 3)
    places = [0, 1, 2, 3, 26, 27, 50, 51]
    pairs = [bad if place in places else good for place in range(52)]
    assert list(check_pairs(people, pairs, 128)) == places


def test_an_archive_of_arrays_is_no_joint_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "joints.npy", "w") as archive:
        archive.writestr("a.npy", npy(HEADER.format(kind="<f8", shape="31, 3")))
    with pytest.raises(InputError, match="joints.npy"):
        read_joints(tmp_path / "joints.npy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("run.log_steps=0", "log_steps is 0, expected 1 or more"),
        ("run.seed=-1", "seed is -1, expected 0 or more"),
        ("data.workers=-1", "workers is -1, expected 0 or more"),
        ("data.validation_samples=0", "validation_samples is 0"),
        ("phase1.learning_rate=.nan", "learning_rate is nan, expected 0 or more"),
        ("phase1.learning_rate=-1e-4", "learning_rate is -0.0001, expected 0 or more"),
        ("phase1.learning_rate=0", "learning_rate is 0"),
        ("phase1.clip_norm=.inf", "clip_norm is inf, expected 0 or more"),
        ("phase1.batch_size=0", "batch_size is 0, expected 1 or more"),
        ("model.normal_widths=[4, -6, 8]", "widths .4, -6, 8, .*expected numbers of channels"),
        ("model.depth_widths=[]", "expected numbers of channels"),
        ("model.refiner_width=0", "widths .*0., expected numbers of channels"),
        ("loss.mask=-1", "loss.mask is -1.0, expected 0 or more"),
        ("loss.depth=.nan", "depth is nan"),
        ("augmentation.blur=-1", "augmentation.blur is -1.0"),
        ("augmentation.mirror=1.5", "augmentation.mirror is 1.5, expected a fraction"),
        ("augmentation.scale=[.nan, 1]", "scale is .nan, 1.0., expected 0 or more"),
        ("compute.timeout_minutes=0", "timeout_minutes is 0"),
        ("phase1.batch_size=1", "batch_size is 1, and the smallest maps of model.depth_widths .* have one pixel"),
        ("model.normal_widths=[4, 1, 8]", "normal_widths is .4, 1, 8., expected 2 or more"),
        ("augmentation.scale=[]", "augmentation.scale is .., expected .low, high."),
        ("augmentation.scale=[0, 1]", "augmentation.scale is .0.0, 1.0., expected more than 0"),
        ("augmentation.cut=1.5", "augmentation.cut is 1.5, expected a fraction"),
        ("augmentation.jpeg=[50, 1000]", "augmentation.jpeg is .50.0, 1000.0., expected qualities up to 100"),
        ("data.workers=1000000", "workers is 1000000, expected at most 512"),
        ("data.validation=[]", "data.validation is empty, expected names of lists"),
        ("phase1.epochs=100000000000000000000", "epochs is 100000000000000000000, expected at most"),
        ("run.seed=9223372036854775808", "seed is 9223372036854775808, expected at most"),
    ],
)
def test_settings_without_sense_are_named(change, message):
    with pytest.raises(InputError, match=message):
        settings(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("compute.compile=true", "cuda_graphs and compile are both on, expected one"),
        ("compute.sync_batchnorm=true", "cuda_graphs and sync_batchnorm are both on, expected one"),
        ("phase1.precision=fp16", "phase1.precision is fp16 with compute.cuda_graphs, expected bf16, tf32 or fp32"),
    ],
)
def test_what_cannot_be_recorded_is_named(change, message):
    with pytest.raises(InputError, match=message):
        settings("compute.cuda_graphs=true", change)


@pytest.mark.parametrize("changes", [["phase1.networks=parts"], ["phase1.fixed_statistics=1"]])
def test_one_person_a_batch_is_enough_where_no_map_is_a_single_pixel(changes):
    assert settings("phase1.batch_size=1", *changes).phase1.batch_size == 1
    assert settings("phase1.batch_size=1", "model.canvas=256").phase1.batch_size == 1
    assert settings("phase1.batch_size=1", "model.depth_widths=[2, 3, 4, 5]").phase1.batch_size == 1


def test_an_error_out_of_a_worker_ends_the_run_at_once(people, tmp_path):
    """Headers are whole, so only reading finds out that every depth map breaks off."""
    for path in (people / "PERS/DEPTH").rglob("*_back.png"):
        path.write_bytes(path.read_bytes()[:-40])
    code, lines = ended(start("--data_path", people, "--phase", 1, "--save_path", tmp_path / "run"), 60)
    assert code == 1
    [error] = errors_of(lines)
    assert "20 samples in a row cannot be used" in error and "_back.png" in error
    assert not any("Traceback" in line for line in lines)


def test_the_workers_end_with_the_block_that_reads(people, tmp_path):
    """Even while a stack trace is kept that holds their iterator."""
    run = Run(settings("data.workers=2"), 1, people, tmp_path / "run")
    pairs = read_lists(people, ["Synthetic_train"])
    kept, before = None, _children()
    try:
        with reading(loader_of(run, TrainingPairs(people, pairs, 128, None, 0), [[(0, 0)]] * 50)) as batches:
            workers = next(batches).photo.shape and _children() - before
            raise RuntimeError("something else")
    except RuntimeError as error:
        kept = error
    assert kept is not None and workers
    assert not workers & _children()


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_list_is_looked_at_once_until_something_changes(people, tmp_path, monkeypatch):
    """The second start opens only the files that were bad; a new file in a folder, or another list, means all again."""
    looked: list[Pair] = []
    plain = pair_check.check_pair

    def counted(root: Path, pair: Pair, canvas: int) -> None:
        looked.append(pair)
        plain(root, pair, canvas)

    monkeypatch.setattr(pair_check, "check_pair", counted)
    run = Run(settings(), 1, people, tmp_path / "run")
    pairs = read_lists(people, ["Synthetic_train"])
    (people / pairs[2].joints).write_bytes(b"")
    found = []
    for _ in range(2):
        listed = look_at(run, ["Synthetic_train"])
        found.append((len(looked), list(listed.problems)))
        looked.clear()
    assert found == [(4, [2]), (1, [2])]
    time.sleep(0.01)
    np.save(people / pairs[2].joints, np.column_stack([np.ones((31, 2)), np.ones(31)]))
    (people / pairs[2].joints).with_suffix(".new").touch()
    look_at(run, ["Synthetic_train"])
    assert len(looked) == 4
    looked.clear()
    listed = look_at(run, ["Synthetic_train", "Synthetic_val"])
    assert len(looked) == len(listed.problems) + 1 and len(listed.pairs) == 5


@pytest.mark.parametrize("name", ["tf32", "fp32", "bf16", "fp16"])
def test_fp32_is_fp32_and_what_is_asked_to_be_shorter_has_no_part_that_is_longer_than_tf32(name):
    """PyTorch's own default lets convolutions in "fp32" read 10 bits of mantissa on a GPU."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    try:
        set_precision(name)
        assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == (name != "fp32")
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    assert settings(f"phase1.precision={name}").phase1.precision == name


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "x"}, "RANK=x in the environment, expected a whole number from 0"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0 in the environment, expected a whole number from 1"),
        ({"RANK": "3", "WORLD_SIZE": "2"}, "RANK=3 in the environment, expected less than WORLD_SIZE=2"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "MASTER_ADDR and MASTER_PORT not set, expected torchrun"),
    ],
)
def test_an_environment_without_sense_is_named(people, tmp_path, monkeypatch, capsys, variables, message):
    for name in ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert train.main([*SMOKE, "--phase", "1", "--data_path", str(people), "--save_path", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err


def test_little_shared_memory_is_named_before_the_first_batch(people, tmp_path, monkeypatch):
    """Fewer batches wait where few have room; where there is no room at all, the option that helps is named."""
    pairs = TrainingPairs(people, read_lists(people, ["Synthetic_train"]), 128, None, 0)
    batch = 2 * 128 * 128 * 11
    for free, ready in ((10**9, 4), (5 * batch, 2), (3 * batch, 1), (3 * batch - 1, None), (0, None)):
        monkeypatch.setattr("training.reading.shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        run = Run(settings("data.workers=2"), 1, people, tmp_path / "run")
        if ready is None:
            with pytest.raises(InputError, match=r"/dev/shm: .* shm-size .* data.workers=0"):
                loader_of(run, pairs, [[(0, 0)]])
        else:
            assert loader_of(run, pairs, [[(0, 0)]]).prefetch_factor == ready
    assert loader_of(Run(settings("data.workers=0"), 1, people, tmp_path / "run"), pairs, [[(0, 0)]]).num_workers == 0


def test_what_a_sample_takes_on_its_way_is_known(people):
    pairs = TrainingPairs(people, read_lists(people, ["Synthetic_train"]), 128, None, 0)
    sample = pairs[(0, 0)]
    untouched = sample.photo.nbytes + sample.depth.nbytes
    assert untouched == 128 * 128 * (3 + 2 * 2) and pairs.sample_bytes == untouched + 128 * 128 * 2 * 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_worker_keeps_the_memory_that_it_frees():
    """Pages are touched anew by every array of 64 MB, or only by the first."""
    code = (
        "import resource, sys\nimport numpy as np\nfrom utils.heap import keep_freed_memory\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "sys.argv[1] == 'keep' and keep_freed_memory()\n"
        "np.ones(2**23)\nbefore = faults()\nfor _ in range(20): np.ones(2**23)\nprint(faults() - before)"
    )
    faults = [int(subprocess.check_output([sys.executable, "-c", code, how], cwd=ROOT)) for how in ("keep", "plain")]
    assert faults[0] < faults[1] / 5
