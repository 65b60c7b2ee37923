"""evaluate.py from the command line: what it measures, what it writes, and what it says about bad input."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import torch

from datasets.pairs.pair_layout import Pair
from evaluate import main
from evaluation.distances import Surface
from evaluation.figures import write_turntable
from evaluation.measured_mesh import read_mesh
from evaluation.pairing import read_split
from evaluation.protocols import PROTOCOLS
from geometry.camera import Camera
from geometry.depth import decode_network, encode_pixels, pixels_from_distance
from geometry.normals import normals_from_depth
from geometry.scan_frame import centre_and_scale, turn
from utils.choices import MeshProtocol
from utils.errors import InputError
from utils.files import write_png

CUBE = np.array([[x, y, z] for x in (-0.2, 0.2) for y in (0.0, 1.8) for z in (-0.1, 0.1)])
QUADS = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
"""A 0.4 x 1.8 x 0.2 m box of quads, counter-clockwise from outside, counted from 1."""


@pytest.fixture(autouse=True)
def small_turntables(monkeypatch):
    """Most of the time goes into them."""
    monkeypatch.setattr("evaluation.figures.TURNTABLE_SIZE", 96)


def write_obj(path: Path, vertices: np.ndarray = CUBE, quads=QUADS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    lines += [f"f {' '.join(map(str, quad))}" for quad in quads]
    path.write_text("\n".join(lines) + "\n")


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict]:
    code = main(["--pred", str(tmp_path / "pred"), "--gt", str(tmp_path / "gt"), *arguments])
    return code, json.loads((tmp_path / "results.json").read_text())


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two scans and two predictions: a perfect one, and one 2 cm too far back."""
    for name in ("anna", "ben"):
        write_obj(tmp_path / "gt" / f"{name}.obj")
    write_obj(tmp_path / "pred" / "anna.obj")
    write_obj(tmp_path / "pred" / "ben.obj", CUBE + [0, 0, -0.02])
    return tmp_path


def test_the_command_line_knows_every_protocol():
    assert set(get_args(MeshProtocol)) == set(PROTOCOLS)


def test_table_csv_json_and_pictures(folders, capsys):
    code, content = run(folders, "--json", str(folders / "results.json"))
    printed = capsys.readouterr().out

    assert code == 0
    assert content["subjects"]["anna"]["values"]["raw/chamfer_cm"] == 0
    assert content["subjects"]["ben"]["values"]["raw/chamfer_cm"] > 0.5
    assert content["subjects"]["ben"]["values"]["depth-aligned/chamfer_cm"] == 0
    summary = content["summary"]["raw/chamfer_cm"]
    assert summary["mean"] == pytest.approx(content["subjects"]["ben"]["values"]["raw/chamfer_cm"] / 2)
    assert summary["low"] <= summary["mean"] <= summary["high"]
    assert "raw" in printed and "similarity-aligned" in printed and "95 % low" in printed
    out = folders / "pred" / "evaluation_strict"
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert [row["name"] for row in rows] == ["anna", "ben", "mean", "95 % low", "95 % high"]
    assert float(rows[1]["raw/chamfer_cm"]) == pytest.approx(content["subjects"]["ben"]["values"]["raw/chamfer_cm"])
    for picture in ("histogram.png", "turntables/anna.png", "turntables/ben.png"):
        assert cv2.imread(str(out / picture)).std() > 10


def test_every_missing_broken_or_ambiguous_prediction_is_named_and_counted(tmp_path, capsys):
    for name in ("good", "missing", "empty", "nan", "faceless", "twice", "flat", "lost"):
        write_obj(tmp_path / "gt" / f"{name}.obj")
    write_obj(tmp_path / "pred" / "good.obj")
    (tmp_path / "pred" / "empty.obj").write_text("")
    write_obj(tmp_path / "pred" / "nan.obj", np.where(np.arange(24).reshape(8, 3) == 7, np.nan, CUBE))
    write_obj(tmp_path / "pred" / "faceless.obj", quads=())
    write_obj(tmp_path / "pred" / "twice.obj")
    (tmp_path / "pred" / "twice.ply").write_text("ply\n")
    write_obj(tmp_path / "pred" / "flat.obj", CUBE * 0)
    write_obj(tmp_path / "pred" / "lost.obj", quads=((1, 2, 99),))
    write_obj(tmp_path / "pred" / "stranger.obj")

    code, content = run(tmp_path, "--protocol", "icon", "--json", str(tmp_path / "results.json"))

    assert code == 1
    assert list(content["subjects"]) == ["good"]
    failures = content["failures"]
    assert content["counts"] == {"measured": 1, "failed": 8} and len(failures) == 8
    for name, words in {
        "missing": "no prediction",
        "empty": "0 vertices and 0 faces",
        "nan": "1 of 8 vertices are not finite or absurdly far away (the first is vertex 3)",
        "faceless": "8 vertices and 0 faces",
        "twice": "twice.obj and",
        "flat": "no area",
        "lost": "names vertex 99, expected 1 to 8",
        "stranger": "unknown subject",
    }.items():
        assert words in failures[name], failures[name]
        assert "\n" not in failures[name]
    errors = capsys.readouterr().err
    assert errors.count("FAILED") == 8 and "Traceback" not in errors


def test_synthetic_people_outside_the_split_are_known_and_others_are_not(tmp_path, capsys):
    for name in ("synthetic_100000_front", "synthetic_000000_front", "bob"):
        write_obj(tmp_path / "pred" / f"{name}.obj", CUBE * (0.3, 0.9, 0.2))
    (tmp_path / "gt").mkdir()
    split = tmp_path / "split.txt"
    split.write_text("synthetic_100000\nanna\n")
    options = ("--data_name", "Synthetic", "--split", str(split), "--protocol", "icon")
    code, content = run(tmp_path, *options, "--json", str(tmp_path / "results.json"))
    assert code == 1
    assert list(content["subjects"]) == ["synthetic_100000"]
    assert "unknown subject" in content["failures"]["bob"] and "no prediction" in content["failures"]["anna"]
    assert len(content["failures"]) == 2 and "1 predictions of people outside" in capsys.readouterr().out
    write_obj(tmp_path / "pred" / "anna.obj")
    run(tmp_path, *options)
    assert "anna: no synthetic person, expected a name such as synthetic_000007" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("vertices", "quads", "words"),
    [
        (100 * CUBE, QUADS, "expected the same unit"),
        (CUBE, tuple(quad[::-1] for quad in QUADS), "faces of the prediction point inwards"),
    ],
    ids=["units", "flipped"],
)
def test_suspicious_predictions_are_measured_with_a_warning_and_a_bad_exit_code(
    tmp_path, capsys, vertices, quads, words
):
    write_obj(tmp_path / "gt" / "anna.obj")
    write_obj(tmp_path / "pred" / "anna.obj", vertices, quads)
    code, content = run(tmp_path, "--protocol", "icon", "--json", str(tmp_path / "results.json"))
    assert code == 1
    assert words in content["subjects"]["anna"]["warnings"][0]
    assert f"WARNING anna: {content['subjects']['anna']['warnings'][0]}" in capsys.readouterr().err


def test_output_folders_per_view_are_measured_in_the_frame_of_the_camera(tmp_path):
    """Scans in centimetres, far from the origin; predictions in the world of the camera, seen from two sides."""
    scan = 100 * CUBE @ np.diag([1.0, 1.0, 0.7]) + [300, -20, 50]
    write_obj(tmp_path / "gt" / "anna" / "anna.obj", scan)
    whole = read_mesh(tmp_path / "gt" / "anna" / "anna.obj")
    frame = centre_and_scale(whole)
    for yaw in (0, 60):
        world = turn(frame.to_world(scan), yaw)
        write_obj(tmp_path / "pred" / f"Set_0_y_{yaw}_x" / "output_objs" / "anna_front.obj", world)
    (tmp_path / "split.txt").write_text("# one person\nanna 0 60 120\n")

    arguments = ("--protocol", "icon", "--split", str(tmp_path / "split.txt"), "--json", str(tmp_path / "results.json"))
    code, content = run(tmp_path, *arguments)

    assert code == 1 and list(content["failures"]) == ["anna_y120"]
    assert content["settings"]["frame"] == "camera"
    for name in ("anna_y0", "anna_y60"):
        assert content["subjects"][name]["values"]["icon/chamfer_cm"] == 0
        assert content["subjects"][name]["subject"] == "anna"

    one = ("--pred", str(tmp_path / "pred" / "Set_0_y_60_x"), "--gt", str(tmp_path / "gt"), "--protocol", "icon")
    assert main([*one, "--json", str(tmp_path / "results.json")]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["summary"]["icon/chamfer_cm"]["mean"] == 0


def write_maps(folder: Path, name: str, front: np.ndarray, back: np.ndarray) -> None:
    for side, depth in (("front", front), ("back", back)):
        write_png(folder / f"{name}_{side}.png", depth)


def write_outputs(folder: Path, name: str, front: np.ndarray, back: np.ndarray) -> None:
    write_maps(folder / "depth", name, front, back)
    for side, depth in (("front", front), ("back", back)):
        network = torch.from_numpy(decode_network(depth, len(depth)))[None, None]
        normals = normals_from_depth(network, len(depth))[0].permute(1, 2, 0).numpy()
        for kind in ("normal", "cons"):
            write_png(folder / kind / f"{name}_{side}.png", np.round(normals * 255).astype(np.uint8))


def wall(distance: float, size: int = 128) -> np.ndarray:
    """File values of a wall across the middle of the picture."""
    lengths = -distance / Camera(size).rays()[..., 2]
    present = np.zeros((size, size), dtype=bool)
    present[size // 12 : -size // 12, size // 4 : -size // 4] = True
    return np.where(present, encode_pixels(np.where(present, pixels_from_distance(lengths, size), 0)), 0).astype("u2")


def test_maps_against_rendered_depth(tmp_path):
    """A perfect output, and one that stands 0.02 further away and lost a quarter of its silhouette."""
    front, back = wall(0.95), wall(1.05)
    view = tmp_path / "gt" / "PERS" / "DEPTH" / "RP_0_y_0_x"
    write_maps(view, "anna", front, back)
    write_maps(view, "ben", front, back)
    write_outputs(tmp_path / "pred", "anna_front", front, back)
    far_front, far_back = wall(0.97), wall(1.07)
    far_front[:, 80:], far_back[:, 80:] = 0, 0
    write_outputs(tmp_path / "pred", "ben_front", far_front, far_back)

    code, content = run(tmp_path, "--json", str(tmp_path / "results.json"))

    assert code == 0 and content["settings"]["protocol"] == "maps"
    perfect, shifted = (content["subjects"][name]["values"] for name in ("anna", "ben"))
    for side in ("front", "back"):
        for kind in ("normal", "cons"):
            assert perfect[f"{kind} {side}/mean_deg"] == 0
            assert perfect[f"{kind} {side}/under_11.25deg_%"] == 100
        assert perfect[f"depth {side}/raw_mm"] == 0
        assert perfect[f"depth {side}/silhouette_iou_%"] == 100
        assert shifted[f"depth {side}/silhouette_iou_%"] == pytest.approx(75)
    # The far wall spans 107 rows of 128 at distance 1.05, so the height is 106 / 128 of the picture there.
    height = 2 * np.tan(np.radians(25)) * 106 / 128 * 1.05
    expected = 0.02 * 1800 / height
    assert shifted["depth front/raw_mm"] == pytest.approx(expected, rel=0.05)
    assert shifted["depth front/aligned_mm"] < 0.1 * expected
    assert (tmp_path / "pred" / "evaluation_maps" / "histogram.png").is_file()
    assert run(tmp_path, "--json", str(tmp_path / "results.json"), "--jobs", "2") == (code, content)


def test_broken_maps_are_named(tmp_path):
    front, back = wall(0.95), wall(1.05)
    for name in ("small", "empty", "halved"):
        write_maps(tmp_path / "gt", name, front, back)
    write_outputs(tmp_path / "pred", "small", wall(0.95, 64), wall(1.05, 64))
    write_outputs(tmp_path / "pred", "empty", 0 * front, 0 * back)
    write_outputs(tmp_path / "pred", "halved", front, back)
    (tmp_path / "pred" / "normal" / "halved_back.png").unlink()
    code, content = run(tmp_path, "--json", str(tmp_path / "results.json"))
    assert code == 1 and content["subjects"] == {}
    assert "64 px, the scan has 128 px" in content["failures"]["small"]
    assert "background everywhere" in content["failures"]["empty"]
    assert "halved_back.png" in content["failures"]["halved"]


def test_arguments_that_cannot_work_are_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for pred, gt in (("nowhere", "empty"), ("empty", "nowhere"), ("empty", "empty")):
        assert main(["--pred", str(tmp_path / pred), "--gt", str(tmp_path / gt)]) != 0
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "Traceback" not in error
    for option, value in (("--seed", "-1"), ("--yaw", "nan"), ("--yaw", "1e400")):
        with pytest.raises(SystemExit, match="2"):
            main(["--pred", str(tmp_path), "--gt", str(tmp_path), option, value])
        assert f"{option} " in capsys.readouterr().err.splitlines()[-1]


def test_a_name_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path, folders):
    """matplotlib takes what stands between dollars for one, and warns of letters that its font does not have."""
    surface = Surface(read_mesh(folders / "gt" / "anna.obj"))
    with warnings.catch_warnings(action="error"):
        write_turntable(tmp_path / "a.png", "b$_{$ \u5199", surface, surface)


def test_splits_are_read_and_checked(tmp_path):
    path = tmp_path / "split.txt"
    path.write_text("# people\n0499 0 60\n0500  # one view\n")
    first, second = read_split(path)
    assert (first.subject, first.yaws, second.subject, second.yaws) == ("0499", (0, 60), "0500", ())
    for text, words in (
        ("a\na\n", "again"),
        ("a left\n", "yaws in degrees"),
        ("a nan\n", "yaws in degrees"),
        ("# no one\n", "names no subject"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_split(path)


@pytest.mark.parametrize(
    ("name", "people", "views"),
    [("thuman2_last27", 27, 6), ("thuman2_first500", 500, 0), ("thuman2_rest26", 26, 0), ("synthetic_test", 100, 0)],
)
def test_splits_that_ship(name, people, views):
    split = read_split(Path(__file__).parents[1] / "configs" / "splits" / f"{name}.txt")
    assert len(split) == people and {len(one.yaws) for one in split} == {views}


@pytest.mark.parametrize("subject", ["../precious", "/tmp/precious", ".", "..", "a\\b", "a/b", "a\x1b[31m"])
def test_a_split_names_no_file_outside_of_the_folders(tmp_path, subject):
    """Turntables of those who are measured are deleted first: a path would delete a foreign picture."""
    (tmp_path / "split.txt").write_text(f"0501\n{subject}\n")
    with pytest.raises(InputError, match="split.txt: line 2: the name .*expected a plain file name"):
        read_split(tmp_path / "split.txt")
    with pytest.raises(InputError, match="expected a plain file name"):
        Pair("RP", subject, 0.0)
