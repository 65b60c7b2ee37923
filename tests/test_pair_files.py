"""The official layout: names, lists, splits and joint files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from datasets.pairs.pair_files import (
    PairImages,
    is_complete,
    is_whole_picture,
    joints_of,
    picture_size,
    read_joints,
    read_pair,
    write_images,
    write_joints,
)
from datasets.pairs.pair_layout import Pair
from datasets.pairs.pair_lists import find_pairs, lists_are_current, read_list, split_subjects, write_lists
from geometry.keypoints import Keypoints
from utils.errors import InputError


def images(size: int = 8) -> PairImages:
    rng = np.random.default_rng(0)
    colors = (rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(3))
    depths = (rng.integers(0, 65536, (size, size), dtype=np.uint16) for _ in range(2))
    return PairImages(*colors, *depths)


def write_pair(root: Path, pair: Pair) -> PairImages:
    written = images()
    write_images(root, pair, written)
    write_joints(root, pair, np.ones((31, 3)))
    return written


def test_names_are_the_official_ones():
    pair = Pair("RP", "rp_anna_posed_001", -30.0)
    assert pair.list_line == (
        "/PERS/COLOR/SHADED/RP_0_y_-30_x/rp_anna_posed_001_front.png"
        " /PERS/COLOR/NOSHADING/RP_0_y_-30_x/rp_anna_posed_001_front.png"
        " /PERS/DEPTH/RP_0_y_-30_x/rp_anna_posed_001_front.png"
    )
    assert pair.joints == "PERS/keypoint/RP_0_y_-30_x/rp_anna_posed_001_front.npy"
    assert pair.joints_json == "PERS/keypoint_json/RP_0_y_-30_x/rp_anna_posed_001_front_keypoints.json"
    assert Pair.from_list_line(pair.list_line) == pair


@pytest.mark.parametrize("line", ["", "/a.png", "/PERS/COLOR/SHADED/RP_0_y_x_x/a_front.png /b /c",
                                  "/PERS/COLOR/SHADED/RP_0_y_0_x/a_front.png /PERS/COLOR/NOSHADING/RP_0_y_0_x/"
                                  "b_front.png /PERS/DEPTH/RP_0_y_0_x/a_front.png"])  # fmt: skip
def test_foreign_list_line_is_named(line: str):
    with pytest.raises(InputError, match="expected three paths"):
        Pair.from_list_line(line)


@pytest.mark.parametrize(
    "subject", ["0001 anna", "\u5199\u3000\u771f", "9.41.00\u202fAM", "\U0001f469\u200d\U0001f467"]
)
def test_names_with_blanks_and_joiners_come_back_from_a_list(subject: str):
    """macOS puts U+202F into the names of screenshots, Persian and emoji have joiners."""
    pair = Pair("THuman2", subject, -10)
    assert Pair.from_list_line(pair.list_line) == pair


@pytest.mark.parametrize("subject", ["a\u202eb", "a\u2028b", "a\nb", "\udce9", "..", "a/b"])
def test_names_that_would_show_as_others_are_refused(subject: str):
    with pytest.raises(InputError, match="expected a plain file name"):
        Pair("THuman2", subject, 0)


def test_pair_survives_its_files(tmp_path: Path):
    pair = Pair("2K2K", "00001", 10)
    written = write_pair(tmp_path, pair)
    shaded, front, back = read_pair(tmp_path, pair)
    np.testing.assert_array_equal(shaded, written.shaded_front)
    np.testing.assert_array_equal(front, written.depth_front)
    np.testing.assert_array_equal(back, written.depth_back)


def test_pair_of_two_sizes_is_named(tmp_path: Path):
    pair = Pair("2K2K", "00001", 10)
    write_pair(tmp_path, pair)
    other = Pair("2K2K", "00002", 10)
    write_images(tmp_path, other, images(16))
    (tmp_path / other.depth("back")).replace(tmp_path / pair.depth("back"))
    with pytest.raises(InputError, match="16 x 16 px"):
        read_pair(tmp_path, pair)


@pytest.mark.parametrize("layout", ["rows", "columns", "flat rows"])
def test_joint_files_of_either_layout_are_read(tmp_path: Path, layout: str):
    rows = np.arange(93, dtype=np.float32).reshape(31, 3) + 1
    rows[4] = 0
    rows[7, 0] = np.nan
    np.save(tmp_path / "a.npy", {"rows": rows, "columns": rows.T, "flat rows": rows[:, :2]}[layout])
    xy, present = read_joints(tmp_path / "a.npy")
    np.testing.assert_array_equal(xy[3], rows[3, :2])
    assert np.flatnonzero(~present).tolist() == [4, 7]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_joint_files_of_every_version_are_read(tmp_path: Path, version: tuple[int, int]):
    rows = np.arange(93, dtype=np.float64).reshape(31, 3) + 1
    for name, array in (("a", rows), ("b", rows.astype(np.float32)), ("c", np.asfortranarray(rows))):
        with (tmp_path / name).open("wb") as file:
            np.lib.format.write_array(file, array, version)
        np.testing.assert_array_equal(read_joints(tmp_path / name)[0], rows[:, :2])


def test_broken_joint_files_are_named(tmp_path: Path):
    np.save(tmp_path / "shape.npy", np.zeros((30, 3)))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "empty.npy").touch()
    for name in ("shape", "object", "empty", "missing"):
        with pytest.raises(InputError, match=f"{name}.npy"):
            read_joints(tmp_path / f"{name}.npy")


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be read"):
        read_joints(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be read"):
        picture_size(tmp_path / "a")
    assert not is_whole_picture(tmp_path / "a")


def test_detected_joints_are_filed_from_the_corner():
    found = Keypoints.from_scores(np.full((31, 2), 7.0), np.r_[0.0, np.ones(30)], "test")
    filed = joints_of(found)
    assert filed[0].tolist() == [0, 0, 0] and filed[1].tolist() == [7.5, 7.5, 1]


def test_lists_hold_complete_pairs_only(tmp_path: Path):
    """Without joints, or half written, a pair is not listed; neither is another set whose name starts alike."""
    pairs = [Pair("RP", f"rp_{k}", yaw) for k in range(4) for yaw in (-30.0, 0.0)]
    for pair in pairs:
        write_pair(tmp_path, pair)
    (tmp_path / pairs[0].joints).unlink()
    (tmp_path / pairs[3].depth("back")).unlink()
    write_pair(tmp_path, Pair("RP_0_y_5_x_more", "a", 0))
    (tmp_path / "PERS/COLOR/SHADED/RP_0_y_0_x/.rp_9_front.1234.png").touch()
    assert not is_complete(tmp_path, pairs[0])
    assert find_pairs(tmp_path, "RP") == [pair for pair in sorted(pairs) if pair not in (pairs[0], pairs[3])]
    assert write_lists(tmp_path, "RP") == 6
    assert read_list(tmp_path / "list/RP_all.txt") == find_pairs(tmp_path, "RP")
    parts = [
        {pair.subject for pair in read_list(tmp_path / f"list/RP_{part}.txt")} for part in ("train", "val", "test")
    ]
    assert set.union(*parts) == {f"rp_{k}" for k in range(4)} and sum(map(len, parts)) == 4


def test_lists_are_current_until_a_file_comes_or_goes(tmp_path: Path):
    pairs = [Pair("RP", f"rp_{k}", 0) for k in range(4)]
    for pair in pairs:
        write_pair(tmp_path, pair)
    assert not lists_are_current(tmp_path, "RP")
    write_lists(tmp_path, "RP")
    assert lists_are_current(tmp_path, "RP") and not lists_are_current(tmp_path, "THuman2")
    time.sleep(0.02)
    write_pair(tmp_path, Pair("RP_0_y_5_x_more", "a", 0))
    assert lists_are_current(tmp_path, "RP")
    (tmp_path / pairs[0].joints).unlink()
    assert not lists_are_current(tmp_path, "RP")


def test_split_is_by_name_and_stays_when_subjects_come():
    few, many = (split_subjects(f"s{k}" for k in range(count)) for count in (300, 600))
    assert all(many[name] == part for name, part in few.items())
    parts = list(many.values())
    assert 0.06 < parts.count("test") / 600 < 0.14 and 0.06 < parts.count("val") / 600 < 0.14


@pytest.mark.parametrize("count", range(1, 12))
def test_small_sets_have_every_split(count: int):
    parts = set(split_subjects(f"person{k}" for k in range(count)).values())
    assert parts == ({"train"} if count < 3 else {"train", "val", "test"})


def test_empty_and_missing_lists_are_named(tmp_path: Path):
    (tmp_path / "empty.txt").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(InputError, match=f"{name}.txt"):
            read_list(tmp_path / f"{name}.txt")
