"""Checkpoints: the authors' names, our own format, and files that must be refused."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from models.build import ModelConfig, build_digitizer, load_digitizer
from tests.conftest import DATA, TINY
from utils import export_checkpoint
from utils.checkpoint import OFFICIAL_MODEL, read_checkpoint, write_checkpoint
from utils.checksums import checksum_problem, renew_checksum
from utils.config import build_config, to_dict
from utils.errors import InputError
from utils.official_names import layer_names
from utils.tensor_file import read_tensor_file

SHAPES = json.loads((DATA / "state_dict_shapes.json").read_text())


@pytest.fixture(scope="module")
def official_weights() -> dict[str, torch.Tensor]:
    """Every tensor of the authors' file, each filled with a number of its own; memory is shared, so it is cheap."""
    return {name: torch.tensor(float(i)).expand(shape) for i, (name, shape) in enumerate(SHAPES.items())}


@pytest.fixture
def ours(tmp_path, tiny_digitizer):
    path = tmp_path / "tiny.pt"
    write_checkpoint(path, to_dict(TINY), tiny_digitizer.state_dict(), step=7)
    return path


def save(path, content):
    torch.save(content, path)
    return path


def test_the_table_of_names_covers_the_authors_file_exactly():
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "official")).state_dict()
    table = layer_names()
    renamed = {}
    for name, shape in SHAPES.items():
        layer, _, leaf = name.rpartition(".")
        renamed[f"{table[layer]}.{leaf}"] = tuple(shape)
    assert renamed == {name: tuple(tensor.shape) for name, tensor in model.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_authors_file_loads_with_whatever_lies_beside_the_weights(tmp_path, official_weights, prefix):
    content = {
        "epoch": 12,
        "loss": np.float64(0.5),
        "model_state_dict": {prefix + name: tensor for name, tensor in official_weights.items()},
        "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]},
    }
    checkpoint = read_checkpoint(save(tmp_path / "official.pth.tar", content))
    assert checkpoint.has_refiner and checkpoint.model == OFFICIAL_MODEL and len(checkpoint.weights) == 1504
    number = list(SHAPES).index("img2normal_arm.Att3.psi.0.weight")
    assert (checkpoint.weights["part_networks.arm.decoder.1.gate.score_conv.weight"] == number).all()


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod."])
def test_names_that_a_wrapper_of_torch_has_lengthened_are_ours(tmp_path, tiny_digitizer, wrapper):
    weights = tiny_digitizer.state_dict()
    path = tmp_path / "wrapped.pt"
    write_checkpoint(path, to_dict(TINY), {wrapper + name: tensor for name, tensor in weights.items()})
    assert list(read_checkpoint(path).weights) == list(weights)


def test_weights_that_were_cut_to_whole_numbers_are_refused(tmp_path, tiny_digitizer):
    weights = {name: tensor.int() for name, tensor in tiny_digitizer.state_dict().items()}
    write_checkpoint(tmp_path / "whole.pt", to_dict(TINY), weights)
    with pytest.raises(InputError, match=r"whole.pt: tensor '.*' is torch.int32, expected torch.float32"):
        load_digitizer(tmp_path / "whole.pt")


def test_our_file_alone_rebuilds_the_model(ours, tiny_digitizer):
    model = load_digitizer(ours)
    assert model.canvas == TINY.canvas
    expected = tiny_digitizer.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert read_checkpoint(ours).extra == {"step": 7}


def test_a_phase_one_file_serves_phase_one_only(tmp_path, tiny_digitizer):
    weights = {k: v for k, v in tiny_digitizer.state_dict().items() if not k.startswith("refiner.")}
    path = tmp_path / "phase1.pt"
    write_checkpoint(path, to_dict(TINY), weights)
    assert load_digitizer(path, refiner=False).refiner is None
    with pytest.raises(InputError, match="phase1.pt: a phase-1 checkpoint without a refiner"):
        load_digitizer(path)


def test_a_phase_two_file_serves_phase_one_too(ours):
    assert load_digitizer(ours, refiner=False).refiner is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.pt: no such file, expected a checkpoint"):
        load_digitizer(tmp_path / "nowhere.pt")


@pytest.mark.parametrize(("keep", "what"), [(0, "it is empty"), (10, "cut short"), (5000, "cut short")])
def test_a_truncated_file_is_named(ours, keep, what):
    ours.write_bytes(ours.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"tiny.pt: cannot be read .*{what}"):
        load_digitizer(ours)


@pytest.mark.parametrize(("of", "what"), [("/data/", "its numbers have changed since"), ("data.pkl", "Bad CRC-32")])
def test_a_file_of_which_a_bit_has_changed_is_named(ours, of, what):
    """torch.load takes it as it is."""
    content = bytearray(ours.read_bytes())
    parts = (part for part in zipfile.ZipFile(ours).infolist() if of in part.filename)
    largest = max(parts, key=lambda part: part.file_size)
    content[largest.header_offset + largest.file_size] ^= 1
    ours.write_bytes(content)
    with pytest.raises(InputError, match=f"tiny.pt: cannot be read .*{what}"):
        load_digitizer(ours)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="no regular file, expected a checkpoint"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [[1, 2], {"weights": 3}, {}, {"model_state_dict": {"conv.weight": torch.zeros(1)}},
                                     {"format": "another/1"}, {"format": "2k2k-pytorch/1", "model": {}}])  # fmt: skip
def test_a_foreign_file_is_named(tmp_path, content):
    with pytest.raises(InputError, match="foreign.pt: .*expected"):
        load_digitizer(save(tmp_path / "foreign.pt", content))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_random_bytes_are_not_a_checkpoint(tmp_path):
    """Whatever the reader of a pickle stumbles over (one file in sixteen makes it pop an empty list)."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        (tmp_path / "photo.pt").write_bytes(rng.bytes(int(rng.integers(1, 4000))))
        with pytest.raises(InputError, match="photo.pt: "):
            load_digitizer(tmp_path / "photo.pt")


class Malicious:
    def __reduce__(self):
        return os.system, ("touch /tmp/should_never_exist_2k2k",)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    with pytest.raises(InputError, match="evil.pt: cannot be read"):
        load_digitizer(save(tmp_path / "evil.pt", {"model_state_dict": Malicious()}))
    assert not os.path.exists("/tmp/should_never_exist_2k2k")


def pickled(body: bytes) -> bytes:
    """A ZIP archive as torch writes it around a pickle of opcodes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as parts:
        parts.writestr("a/data.pkl", b"\x80\x02" + body + b".")
        parts.writestr("a/data/0", b"\0" * 16)
    return archive.getvalue()


TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
)
HOSTILE = {
    "an object array over bytes": b"cnumpy\nndarray\nK\x03\x85cnumpy\ndtype\nX\x01\0\0\x00O\x85RU\x18"
    + b"A" * 24
    + b"\x87R",
    "an object dtype": b"cnumpy\ndtype\nX\x01\0\0\x00O\x85R",
    "a dtype whose state holds objects": b"cnumpy\ndtype\nX\x02\0\0\0f8\x85R(K\x03X\x01\0\0\0<NX\x01\0\0\0aNNNK\x00tb",
    "text that doubles": b"c_codecs\nencode\nX\x04\0\0\0aaaaX\x03\0\0\0hex\x86R",
    "memory of any size": b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R",
    "keys within keys": b"})" + b"2\x86" * 80 + b"K\x01s",
    "a place in memory of its own": b"}r\xff\xff\xff\xff0N",
    "more numbers than its storage": TENSOR + b"K\x00K\x05\x85K\x01\x85\x89NtR",
    "numbers before its storage": TENSOR + b"J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89NtR",
    "a tensor without end": TENSOR + b"K\x00J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86K\x00K\x00\x86\x89NtR",
    "a storage larger than the file": TENSOR.replace(b"K\x04tQ", b"J\xff\xff\xff\x7ftQ")
    + b"K\x00K\x04\x85K\x01\x85\x89NtR",
    "a class that can be called": b"ctorch\ndevice\nX\x03\0\0\0cpu\x85R",
}


def test_nothing_but_plain_tensors_and_numbers_comes_out_of_a_file(tmp_path):
    """In a process of its own, with little memory: no file may take either away."""
    for number, body in enumerate(HOSTILE.values()):
        (tmp_path / f"evil{number}.pt").write_bytes(pickled(body))
    script = f"""
import resource
from utils.checkpoint import read_checkpoint
from utils.errors import InputError
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
for number in range({len(HOSTILE)}):
    try:
        read_checkpoint(f"{tmp_path}/evil{{number}}.pt")
    except InputError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    lines = run.stdout.splitlines()
    assert run.returncode == 0 and len(lines) == len(HOSTILE), run.stderr + run.stdout
    for number, line in enumerate(lines):
        assert f"evil{number}.pt: " in line and "safe_globals" not in line


def test_a_part_of_a_storage_is_read(tmp_path):
    weights = {"a": torch.arange(12.0).view(3, 4)[1:, ::2], "b": torch.zeros(0), "c": torch.ones((), dtype=torch.int64)}
    for name, old in (("new.pt", True), ("old.pt", False)):
        torch.save({"weights": weights, "loss": np.float64(0.5)}, tmp_path / name, _use_new_zipfile_serialization=old)
        content = read_tensor_file(tmp_path / name)
        assert content["loss"] == 0.5 and content["weights"].keys() == weights.keys()
        assert all(torch.equal(content["weights"][key], tensor) for key, tensor in weights.items())


def test_a_model_of_any_size_takes_no_memory(tmp_path, tiny_digitizer):
    path = tmp_path / "wide.pt"
    write_checkpoint(
        path, {**to_dict(TINY), "normal_widths": [4000] * len(TINY.normal_widths)}, tiny_digitizer.state_dict()
    )
    with pytest.raises(InputError, match="wide.pt: tensor .* has shape"):
        load_digitizer(path)
    write_checkpoint(
        path, {**to_dict(TINY), "normal_widths": [-4] * len(TINY.normal_widths)}, tiny_digitizer.state_dict()
    )
    with pytest.raises(InputError, match="wide.pt: model: model: widths"):
        load_digitizer(path)


def test_weights_that_come_with_the_project_have_a_checksum(tmp_path, ours):
    published = Path(__file__).parents[1] / "checkpoints"
    assert checksum_problem(published / "small.pt", "") is None and "small.pt" in (published / "SHA256SUMS").read_text()
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  tiny.pt\n")
    with pytest.raises(InputError, match=r"tiny.pt: \d+ bytes with sha256 .*, expected 0{12}.*git checkout .*tiny.pt"):
        load_digitizer(ours)
    renew_checksum(ours)
    load_digitizer(ours)


def change(weights, how):
    name = "coarse_depth.head.weight"
    if how == "is missing":
        del weights[name]
    elif how == "is unknown":
        weights["coarse_depth.tail.weight"] = weights[name]
    elif how == "has shape":
        weights[name] = weights[name][:2]
    else:
        weights[name] = weights[name] * float("nan")


@pytest.mark.parametrize("how", ["is missing", "is unknown", "has shape", "is not finite"])
def test_loading_is_strict(tmp_path, tiny_digitizer, how):
    weights = tiny_digitizer.state_dict()
    change(weights, how)
    path = tmp_path / "changed.pt"
    write_checkpoint(path, to_dict(TINY), weights)
    with pytest.raises(InputError, match=f"changed.pt: tensor 'coarse_depth.*{how}"):
        load_digitizer(path)


def test_an_unknown_size_in_the_file_is_named(tmp_path, tiny_digitizer):
    path = tmp_path / "odd.pt"
    write_checkpoint(path, {**to_dict(TINY), "depth": 3}, tiny_digitizer.state_dict())
    with pytest.raises(InputError, match="odd.pt: model: unknown key 'depth'"):
        load_digitizer(path)


@pytest.mark.parametrize("backdrop", [[0, 255], [0, 0, 256]])
def test_a_backdrop_is_a_color(tmp_path, tiny_digitizer, backdrop):
    path = tmp_path / "odd.pt"
    write_checkpoint(path, {**to_dict(TINY), "backdrop": backdrop}, tiny_digitizer.state_dict())
    with pytest.raises(InputError, match=r"odd.pt: model: model.backdrop is .*expected \[red, green, blue\]"):
        load_digitizer(path)


def test_an_exported_checkpoint_is_smaller_and_nearly_the_same(tmp_path):
    wide = ModelConfig(canvas=128, normal_widths=(16, 32), depth_widths=(8, 16), refiner_width=8)
    source, target = tmp_path / "wide.pt", tmp_path / "half.pt"
    model = build_digitizer(wide)
    write_checkpoint(source, to_dict(wide), model.state_dict(), training={"optimizer": 3})
    assert export_checkpoint.main([str(source), str(target)]) == 0
    assert target.stat().st_size < 0.7 * source.stat().st_size
    assert read_checkpoint(target).extra == {}
    for name, tensor in load_digitizer(target).state_dict().items():
        assert tensor.dtype == model.state_dict()[name].dtype
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=1e-3, atol=1e-6)
    assert export_checkpoint.main([str(tmp_path / "nowhere.pt"), str(target)]) == 1
