"""The official sets on disk, folders of meshes, and what render.py makes of them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import render
from datasets.pairs.pair_files import read_joints, read_pair
from datasets.pairs.pair_layout import Pair
from datasets.pairs.pair_lists import find_pairs, read_list
from datasets.people.openpose import write_keypoints
from datasets.rendering.rp_subjects import SHRUNK, TURNED_SUBJECTS
from datasets.rendering.scan_sources import MeshFolder, RenderPeople, THuman2, TwoK2K, read_facing, read_joint3d
from datasets.rendering.subject_renderer import SubjectRenderer
from geometry.keypoints import INDEX, WHOLEBODY
from tests.full_disk import files_up_to
from tests.standing_person import keypoints, person
from utils.errors import InputError
from utils.files import write_png
from utils.numeric_pickle import read_numeric_pickle

DATA = Path(__file__).parent / "data"
BOX = """mtllib a.mtl
v -20 0 -10\nv 20 0 -10\nv 20 180 -10\nv -20 180 -10\nv -20 0 10\nv 20 0 10\nv 20 180 10\nv -20 180 10
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
f 5/1 6/2 7/3 8/4\nf 2/1 1/2 4/3 3/4\nf 6/1 2/2 3/3 7/4\nf 1/1 5/2 8/3 4/4\nf 4/1 8/2 7/3 3/4\nf 1/1 2/2 6/3 5/4
"""
"""A box as high as a person, centre (0, 90, 0)."""


def write_obj(path: Path, texture: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texture.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BOX)
    cv2.imwrite(str(texture), np.full((16, 16, 3), 128, np.uint8))


def write_joint3d(path: Path, hidden: int = 3) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    joints = np.random.default_rng(0).uniform(-1, 1, (133, 3)) * [20, 90, 10] + [0, 90, 0]
    visible = (np.arange(133) != hidden).astype(int)
    path.write_text(json.dumps({"joint3d": joints.tolist(), "visible": visible.tolist()}))
    return joints


def write_rp(root: Path, name: str) -> np.ndarray:
    write_obj(root / f"obj/RP/{name}_OBJ/{name}_100k.OBJ", root / f"obj/RP/{name}_OBJ/tex/{name}_dif_8k.jpg")
    return write_joint3d(root / f"Joint3D/RP/{name}.json")


def write_thuman(root: Path, name: str, orient: np.ndarray) -> np.ndarray:
    write_obj(root / f"obj/THuman2/data/{name}/{name}.obj", root / f"obj/THuman2/data/{name}/material0.jpeg")
    fit = root / f"obj/THuman2/smplx/{name}/smplx_param.pkl"
    fit.parent.mkdir(parents=True)
    fit.write_bytes(pickle.dumps({"global_orient": orient, "betas": np.zeros((1, 10), np.float32)}))
    return write_joint3d(root / f"Joint3D/THuman2/{name}.json")


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


def test_folder_names_are_unique_words(tmp_path: Path):
    for name in ("a.obj", "a.ply", "b/b.obj", "b/c d.obj", ".hidden.obj", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = MeshFolder(tmp_path, 256).meshes
    assert {name: str(path.relative_to(tmp_path)) for name, path in files.items()} == {
        "a": "a.obj", "a_ply": "a.ply", "b": "b/b.obj", "b_c_d": "b/c d.obj",
    }  # fmt: skip


def run(root: Path, *more: str) -> int:
    return render.main(["--data_path", str(root), "--res", "128", "--ambient_rays", "0", *more])


def test_renderpeople_from_folder_to_lists(tmp_path: Path, capsys: pytest.CaptureFixture):
    """One sound scan and one without its texture: pairs and lists of the first, the name of the second, exit code 1."""
    write_rp(tmp_path, "rp_good")
    write_rp(tmp_path, "rp_bad")
    (tmp_path / "obj/RP/rp_bad_OBJ/tex/rp_bad_dif_8k.jpg").unlink()
    assert run(tmp_path, "--data_name", "RP") == 1
    assert "FAILED rp_bad" in capsys.readouterr().err
    pairs = read_list(tmp_path / "list/RP_all.txt")
    assert [pair.yaw for pair in pairs] == [-30, -20, -10, 0, 10, 20, 30]
    shaded, front, back = read_pair(tmp_path, pairs[3])
    assert shaded.shape == (128, 128, 3) and (front[front > 0] <= back[front > 0]).all()
    assert not list(tmp_path.rglob("*rp_bad_front*")) and not list(tmp_path.rglob(".*.png"))

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*_front.png")}
    (tmp_path / pairs[2].depth("back")).unlink()
    assert run(tmp_path, "--data_name", "RP") == 1
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*_front.png")}
    assert len([path for path in before if before[path] != after[path]]) == 3  # the broken pair only
    assert len(find_pairs(tmp_path, "RP")) == 7


def test_pictures_of_another_size_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_rp(tmp_path, "rp_good")
    arguments = ("--data_name", "RP", "--views", "1")
    assert run(tmp_path, *arguments) == 0
    assert run(tmp_path, *arguments, "--res", "256") == 1
    assert "--res was 128, is now 256: give --overwrite or another --data_path" in capsys.readouterr().err
    assert run(tmp_path, *arguments, "--res", "256", "--overwrite") == 0
    assert read_pair(tmp_path, Pair("RP", "rp_good", 0))[0].shape[0] == 256


@pytest.mark.parametrize("broken", ["PERS/DEPTH/*/*_back.png", "PERS/COLOR/SHADED/*/*.png", "PERS/keypoint/*/*.npy"])
def test_a_pair_with_a_file_that_is_cut_short_is_not_done(tmp_path: Path, broken: str, capsys: pytest.CaptureFixture):
    """As full disks leave them: neither in the lists, nor skipped by the next run."""
    write_rp(tmp_path, "rp_good")
    arguments = ("--data_name", "RP", "--views", "1")
    assert run(tmp_path, *arguments) == 0
    [path] = tmp_path.glob(broken)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    assert find_pairs(tmp_path, "RP") == []
    assert run(tmp_path, *arguments) == 0
    assert "1 rendered, 0 already there" in capsys.readouterr().out.splitlines()[-2]
    assert path.read_bytes() == content


def test_rendering_again_takes_the_mark_of_done_away_first(tmp_path: Path):
    """Stopped by a full disk, no pair is half old and half new."""
    write_rp(tmp_path, "rp_good")
    arguments = ("--data_name", "RP", "--views", "1")
    assert run(tmp_path, *arguments) == 0
    with files_up_to(2000):
        assert run(tmp_path, *arguments, "--overwrite", "--seed", "7") == 1
    assert find_pairs(tmp_path, "RP") == [] and not list(tmp_path.rglob(".*.png"))


def test_views_that_were_made_otherwise_are_not_done(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Another seed or scan is refused by name, other joints are made again, more sides are added."""
    write_rp(tmp_path, "rp_good")
    joints = tmp_path / Pair("RP", "rp_good", 0).joints

    def rendered(*more: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(tmp_path, "--data_name", "RP", *more)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    assert rendered("--yaws", "0")[0] == 0
    assert "0 rendered, 1 already there" in rendered("--yaws", "0")[1]
    code, printed = rendered("--yaws", "0", "--seed", "3")
    assert code == 1 and "--seed was 0, is now 3: give --overwrite or another --data_path" in printed
    assert "--ambient_rays was 0, is now 1" in rendered("--yaws", "0", "--ambient_rays", "1")[1]
    assert "1 rendered" in rendered("--yaws", "0", "10")[1]
    code, printed = rendered("--yaws", "0", "--keypoints", "joints")
    assert code == 0 and "joints again: --keypoints was auto, is now joints" in printed and joints.is_file()
    texture = tmp_path / "obj/RP/rp_good_OBJ/tex/rp_good_dif_8k.jpg"
    os.utime(texture, ns=(0, texture.stat().st_mtime_ns + 1))
    assert "rp_good_dif_8k.jpg changed since" in rendered("--yaws", "0", "--keypoints", "joints")[1]
    assert "1 rendered" in rendered("--yaws", "0", "--keypoints", "joints", "--overwrite")[1]
    assert "0 rendered, 1 already there" in rendered("--yaws", "0", "--keypoints", "joints")[1]


def test_pairs_of_the_official_renderer_are_kept_and_said(tmp_path: Path, capsys: pytest.CaptureFixture):
    write_rp(tmp_path, "rp_good")
    assert run(tmp_path, "--data_name", "RP", "--views", "1") == 0
    shutil.rmtree(tmp_path / "records")
    assert run(tmp_path, "--data_name", "RP", "--views", "1", "--seed", "5") == 0
    assert "1 of those already there were not made by this version" in capsys.readouterr().out


def test_projected_joints_turn_with_the_person(tmp_path: Path):
    joints = write_rp(tmp_path, "rp_good")[0]
    assert run(tmp_path, "--data_name", "RP", "--yaws", "-30", "10", "--keypoints", "joints") == 0
    scale = 1 / (90 * 2.8)
    for yaw in (-30, 10):
        xy, _ = read_joints(tmp_path / Pair("RP", "rp_good", yaw).joints)
        x, y, z = (joints - [0, 90, 0]) * scale
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        focal = 64 / np.tan(np.radians(25))
        depth = 1 - (c * z - s * x)
        np.testing.assert_allclose(xy[0], [64 + focal * (c * x + s * z) / depth, 64 - focal * y / depth], atol=1e-6)


def test_json_joints_beside_the_renders(tmp_path: Path, capsys: pytest.CaptureFixture):
    """First run: pictures, and what is missing by name. After OpenPose: joints, and pictures stay as they were."""
    write_obj(tmp_path / "obj/2K2K/00003/00003.obj", tmp_path / "obj/2K2K/00003/00003.png")
    pair = Pair("2K2K", "00003", 0)
    arguments = ("--data_name", "2K2K", "--views", "1", "--keypoints", "json")
    assert run(tmp_path, *arguments) == 1
    assert "00003_front_keypoints.json" in capsys.readouterr().err
    assert (tmp_path / "list/2K2K_all.txt").read_text() == ""
    stamp = (tmp_path / pair.shaded_front).stat().st_mtime_ns

    found = keypoints(person() * 128 / 2048)
    write_keypoints(tmp_path / pair.joints_json, found)
    assert run(tmp_path, *arguments) == 0
    xy, present = read_joints(tmp_path / pair.joints)
    assert present.all()
    np.testing.assert_allclose(xy[INDEX["nose"]], found.xy[0] + 0.5, atol=1e-3)
    assert (tmp_path / pair.shaded_front).stat().st_mtime_ns == stamp
    assert len(read_list(tmp_path / "list/2K2K_all.txt")) == 1


def test_scan_without_joints_has_them_detected(tmp_path: Path):
    """Nothing but a mesh: the bundled detector finds its joints on the render, on the person."""
    (tmp_path / "meshes").mkdir()
    shutil.copy(DATA / "render_mesh.ply", tmp_path / "meshes/body.ply")
    assert run(tmp_path, "--data_name", str(tmp_path / "meshes"), "--res", "512", "--views", "1") == 0
    pair = Pair("meshes", "body", 0)
    xy, present = read_joints(tmp_path / pair.joints)
    near = cv2.dilate((read_pair(tmp_path, pair)[1] > 0).astype(np.uint8), np.ones((9, 9), np.uint8))
    column, row = np.floor(xy[present]).astype(int).T
    assert present[:17].all() and near[row, column].all()
    assert xy[INDEX["left_shoulder"], 0] > xy[INDEX["right_shoulder"], 0]


def test_renderer_travels_to_other_processes(tmp_path: Path):
    """--jobs sends it to fresh processes."""
    write_rp(tmp_path, "rp_good")
    renderer = SubjectRenderer(
        tmp_path, RenderPeople(tmp_path, 128), size=128, yaws=(0.0,), seed=0, ambient_rays=0, threads=1,
        keypoints="joints",
    )  # fmt: skip
    pickle.loads(pickle.dumps(renderer))("rp_good")
    assert renderer.is_done("rp_good")


def test_ranks_share_the_subjects_and_the_last_lists_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("rp_a", "rp_b", "rp_c"):
        write_rp(tmp_path, name)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in ((0, 2), (1, 3)):
        monkeypatch.setenv("RANK", str(rank))
        assert run(tmp_path, "--data_name", "RP", "--views", "1") == 0
        assert len(read_list(tmp_path / "list/RP_all.txt")) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data_name", "Nothing"], "expected RP, THuman2"),
        (["--data_name", "RP"], "obj/RP"),
        (["--data_name", "RP", "--res", "4096"], "at most 2048"),
        (["--data_name", "RP", "--jobs", "0"], "--jobs 0"),
    ],
)
def test_unusable_arguments_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], expected: str
):
    assert render.main(["--data_path", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
