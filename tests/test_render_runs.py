"""What render.py makes of the official sets: pairs, joints and lists, whole or not at all, made again where needed."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import render
from datasets.pairs.pair_files import read_joints, read_pair
from datasets.pairs.pair_layout import Pair
from datasets.pairs.pair_lists import find_pairs, read_list
from datasets.people.openpose import write_keypoints
from datasets.rendering.scan_sources import RenderPeople
from datasets.rendering.subject_renderer import SubjectRenderer
from geometry.keypoints import INDEX
from tests.conftest import DATA
from tests.full_disk import files_up_to
from tests.official_sets import write_obj, write_rp
from tests.standing_person import keypoints, person


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
        (["--data_name", "RP", "--yaws", "0", "1e-7"], "--yaws 1e-07"),  # no list would find its folder
        (["--data_name", ""], "--data_name "),
    ],
)
def test_unusable_arguments_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], expected: str
):
    assert render.main(["--data_path", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
