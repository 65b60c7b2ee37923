"""Scans of the official sets and folders of meshes: found, turned and textured as the sets say."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.rendering.rp_subjects import SHRUNK, TURNED_SUBJECTS
from datasets.rendering.scan_sources import MeshFolder, RenderPeople, THuman2, TwoK2K, read_facing, read_joint3d
from geometry.keypoints import WHOLEBODY
from tests.official_sets import write_obj, write_rp, write_thuman
from utils.errors import InputError
from utils.files import write_png
from utils.numeric_pickle import read_numeric_pickle


def test_renderpeople_is_found_whatever_its_names(tmp_path: Path):
    joints = write_rp(tmp_path, "rp_anna_posed_007")
    source = RenderPeople(tmp_path, 256)
    assert source.names() == ["rp_anna_posed_007"]
    scan = source.load("rp_anna_posed_007")
    np.testing.assert_allclose(scan.joints, joints[list(WHOLEBODY)])
    assert np.flatnonzero(~scan.joints_present).tolist() == [3] and scan.frame_scale == 1


def test_subjects_of_the_table_are_turned_or_shrunk(tmp_path: Path):
    """-90 deg about Y sends the person's own front, +Z, to -X; joints go along."""
    turned, shrunk = sorted(TURNED_SUBJECTS)[0], sorted(SHRUNK)[0]
    joints = write_rp(tmp_path, turned)[list(WHOLEBODY)]
    write_rp(tmp_path, shrunk)
    source = RenderPeople(tmp_path, 256)
    scan = source.load(turned)
    np.testing.assert_allclose(scan.joints, np.column_stack([-joints[:, 2], joints[:, 1], joints[:, 0]]), atol=1e-9)
    assert np.ptp(scan.mesh.vertices[:, 2]) == pytest.approx(40)
    assert source.load(shrunk).frame_scale == 0.9
    assert len(TURNED_SUBJECTS) == 21 and len(SHRUNK) == 9


def test_thuman_is_turned_to_the_camera(tmp_path: Path):
    """A person who looks along the fit's +Z turned by 40 deg looks along +Z after."""
    write_thuman(tmp_path, "0001", np.array([[0.02, np.radians(40), -0.01]], dtype=np.float32))
    scan = THuman2(tmp_path, 256).load("0001")
    angle = np.radians(-40)
    # The box as written has its first corner at (-20, 0, -10).
    expected = [np.cos(angle) * -20 + np.sin(angle) * -10, 0, -np.sin(angle) * -20 + np.cos(angle) * -10]
    np.testing.assert_allclose(scan.mesh.vertices[0], expected, atol=1e-5)


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor])
def test_fit_may_hold_arrays_or_tensors(tmp_path: Path, make):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"global_orient": make(np.array([[0.0, 0.5, 0.0]]))}))
    assert read_facing(tmp_path / "a.pkl") == pytest.approx(np.degrees(0.5))


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_pickle_that_would_run_something_is_refused(tmp_path: Path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"global_orient": Malicious(tmp_path / "ran")}))
    with pytest.raises(InputError, match=r"a\.pkl: refused .*mkdir"):
        read_numeric_pickle(tmp_path / "a.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps([1, 2]), pickle.dumps({"global_orient": np.zeros(7)})])
def test_broken_fit_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(InputError, match="a.pkl"):
        read_facing(tmp_path / "a.pkl")


ENDLESS = json.dumps({"joint3d": [[10**400, 0, 0]] * 133})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"joint3d": [[1, 2, 3]]}', '{"joint3d": "x"}', ENDLESS])
def test_broken_joints_are_named(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="a.json"):
        read_joint3d(tmp_path / "a.json")


def test_2k2k_takes_obj_with_texture(tmp_path: Path):
    write_obj(tmp_path / "obj/2K2K/00003/00003.obj", tmp_path / "obj/2K2K/00003/00003.png")
    scan = TwoK2K(tmp_path, 256).load("00003")
    assert scan.joints is None
    np.testing.assert_allclose(scan.appearance.albedo(np.zeros(1, int), np.full((1, 3), 1 / 3)), 128 / 255)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["_dif_2k.jpg"], "_dif_2k.jpg"),
        (["_dif_2k.jpg", "_dif_4k.jpg", "_dif_4k.png"], "_dif_4k.jpg"),
        (["_dif_2k.jpg", "_DIF.PNG"], "_DIF.PNG"),
        (["_dif_4k.jpg", "_dif.jpg", "_dif_8k.jpeg", "_norm_16k.jpg"], "_dif_8k.jpeg"),
    ],
)
def test_renderpeople_textures_of_any_size(tmp_path: Path, names: list[str], taken: str):
    """The free people come with 2k or 4k textures; the largest one is taken."""
    write_rp(tmp_path, "rp_a")
    folder = tmp_path / "obj/RP/rp_a_OBJ/tex"
    (folder / "rp_a_dif_8k.jpg").unlink()
    for name in names:
        write_png(folder / "picture.png", np.full((16, 16, 3), 200 if name == taken else 20, np.uint8))
        (folder / "picture.png").rename(folder / f"rp_a{name}")
    scan = RenderPeople(tmp_path, 256).load("rp_a")
    np.testing.assert_allclose(scan.appearance.albedo(np.zeros(1, int), np.full((1, 3), 1 / 3)), 200 / 255)


def test_missing_texture_or_fit_is_named(tmp_path: Path):
    write_rp(tmp_path, "rp_a")
    (tmp_path / "obj/RP/rp_a_OBJ/tex/rp_a_dif_8k.jpg").unlink()
    with pytest.raises(InputError, match="rp_a_dif_8k.jpg or rp_a_dif.jpg"):
        RenderPeople(tmp_path, 256).load("rp_a")
    write_thuman(tmp_path, "0001", np.zeros((1, 3)))
    (tmp_path / "obj/THuman2/smplx/0001/smplx_param.pkl").unlink()
    with pytest.raises(InputError, match="smplx_param.pkl"):
        THuman2(tmp_path, 256).load("0001")


def test_a_folder_that_may_not_be_looked_into_is_a_failure_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """pathlib passes over such folders in silence."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.obj").write_text("")
    monkeypatch.setattr("os.access", lambda path, how: False)  # root may look anywhere
    source = MeshFolder(tmp_path, 128)
    assert source.names() == ["a", "closed"]
    with pytest.raises(InputError, match="closed: this folder cannot be read"):
        source.load("closed")


def test_folder_names_are_unique_words(tmp_path: Path):
    for name in ("a.obj", "a.ply", "b/b.obj", "b/c d.obj", ".hidden.obj", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = MeshFolder(tmp_path, 256).meshes
    assert {name: str(path.relative_to(tmp_path)) for name, path in files.items()} == {
        "a": "a.obj", "a_ply": "a.ply", "b": "b/b.obj", "b_c_d": "b/c d.obj",
    }  # fmt: skip
