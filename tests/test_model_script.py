"""test_model.py and test_poisson.py as a user runs them: a folder with good and bad photos, twice, and by two ranks."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import cv2
import numpy as np
import pytest

import test_model
import test_poisson
from datasets.people.openpose import openpose_json, read_people
from geometry.keypoints import Keypoints
from inference import PhotoDigitizer
from models.build import load_digitizer
from tests.conftest import TINY, standing_figure
from utils.checkpoint import write_checkpoint
from utils.child_processes import beside
from utils.config import to_dict
from utils.files import read_depth_png, read_photo, write_png


def arguments(photos, checkpoint, tmp_path, *more):
    return ["--data_path", str(photos), "--load_ckpt", str(checkpoint), "--save_path", str(tmp_path / "results"),
            "--save_name", "run", "--device", "cpu", *more]  # fmt: skip


def written(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def expected_files(name):
    pictures = [f"{folder}/{name}_{side}.png" for folder in ("depth", "cons", "normal") for side in ("front", "back")]
    pictures += [f"normal_parts/{name}_{side}_{part}.png" for side in ("front", "back")
                 for part in ("face", "upper", "arm", "leg", "shoe", "down", "down_depth")]  # fmt: skip
    page = ["index.html", *(f"web/{part}" for part in ("people.js", "page.js", "viewer.min.js", "LICENSE.three.txt"))]
    pictures += [*page, f"web/meshes/{name}.js"]
    return {*pictures, f"normal_parts/{name}_mask.png", f"normal_parts/{name}_down_mask.png", f"images/{name}.png",
            f"output_plys/{name}.ply", f"output_plys_c/{name}.ply", f"sheets/{name}.png",
            f"meshes/{name}.glb", f"textures/{name}.jpg", f"textures/{name}.json",
            f"records/photos/{name}.json", "run.json"}  # fmt: skip


def test_photos_become_maps_clouds_and_meshes(photos, checkpoint, tmp_path, capsys):
    assert test_model.main(arguments(photos, checkpoint, tmp_path, "--save_keypoints", "--jobs", "2")) == 0
    root = tmp_path / "results" / "run"
    keypoints = {f"keypoints/{name}_keypoints.json" for name in ("anna", "ben")}
    assert written(root) == expected_files("anna") | expected_files("ben") | keypoints
    front, back = (read_depth_png(root / f"depth/anna_{side}.png") for side in ("front", "back"))
    assert front.shape == (TINY.canvas, TINY.canvas)
    assert ((front > 0) == (back > 0)).all() and (front > 0).any() and (front <= back).all()
    assert cv2.imread(str(root / "images/anna.png"), cv2.IMREAD_UNCHANGED).shape == (TINY.canvas, TINY.canvas, 4)

    poisson = ["--save_path", str(tmp_path / "results"), "--save_name", "run", "--depth", "6"]
    assert test_poisson.main([*poisson, "--format", "ply"]) == 0
    assert {"output_objs/anna.ply", "output_objs/ben.ply"} <= written(root)

    capsys.readouterr()
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 0
    assert "0 digitized" in capsys.readouterr().out, "finished photos are not done again"


def test_agreement_gives_the_maps_another_depth_on_the_person_of_the_mask(photos, checkpoint, tmp_path):
    """The tiny model's config says "off"; its coarse depth is noise, which the mask of the photo cuts all the same."""
    depths = {}
    for choice in ("auto", "off", "coarse", "refined"):
        arguments_of_choice = arguments(photos / "anna.png", checkpoint, tmp_path, "--agreement", choice, "--overwrite")
        assert test_model.main(arguments_of_choice) == 0
        root = tmp_path / "results" / "run"
        assert written(root) == expected_files("anna")
        front, back = (read_depth_png(root / f"depth/anna_{side}.png") for side in ("front", "back"))
        depths[choice] = front
        if choice in ("coarse", "refined"):
            mask = cv2.imread(str(root / "images/anna.png"), cv2.IMREAD_UNCHANGED)[..., 3] > 0
            assert ((front > 0) == mask).all() and ((back > 0) == mask).all() and (front <= back).all()
    np.testing.assert_array_equal(depths["auto"], depths["off"])
    assert all(
        (depths[a] != depths[b]).any() for a, b in (("off", "coarse"), ("off", "refined"), ("coarse", "refined"))
    )


def test_a_photo_alone_is_looked_at_ahead_and_comes_out_the_same(photos, checkpoint, tmp_path, capsys, monkeypatch):
    """Beside the import of PyTorch, where there is a core for it; with what is wrong said by the run itself."""
    looked, done, root = [], [], tmp_path / "results" / "run"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(test_model, "IS_PROGRAM", True)
    for look in (lambda *_: nullcontext(lambda: None), lambda *work: looked.append(work[1]) or beside(*work)):
        monkeypatch.setattr(test_model, "beside", look)
        assert test_model.main(arguments(photos / "anna.png", checkpoint, tmp_path, "--overwrite")) == 0
        done.append({path: (root / path).read_bytes() for path in written(root)})
    assert done[0] == done[1] and looked == ["anna"]
    (photos / "anna_keypoints.json").write_text('{"people": []}')
    capsys.readouterr()
    assert test_model.main(arguments(photos / "anna.png", checkpoint, tmp_path)) == 1
    printed = capsys.readouterr().err
    assert printed.count("FAILED anna: ") == 1 and "Traceback" not in printed and looked == ["anna", "anna"]
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 1 and looked == ["anna", "anna"]


def test_bad_photos_are_named_and_the_rest_goes_on(photos, checkpoint, tmp_path, capsys):
    (photos / "broken.jpg").write_bytes(b"no photo")
    write_png(photos / "alone.png", np.full((64, 64, 3), 90, np.uint8))
    (photos / "ben_keypoints.json").write_text('{"people": []}')
    assert test_model.main(arguments(photos, checkpoint, tmp_path, "--keypoints", "file")) == 1
    printed = capsys.readouterr()
    for name in ("broken", "alone", "ben"):
        assert f"FAILED {name}: " in printed.err
    assert "1 digitized" in printed.out and "3 failed" in printed.out and "Traceback" not in printed.err
    assert written(tmp_path / "results" / "run") == expected_files("anna"), "nothing of a bad photo stays"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--load_ckpt", "nowhere.pt"], "nowhere.pt: no such file, expected a checkpoint"),
        (["--data_path", "nowhere"], "nowhere: no such file or folder, expected photos"),
        (["--device", "tpu"], "--device tpu: expected auto, cpu, cuda, cuda:n or mps"),
        (["--device", "cuda:9"], "--device cuda:9"),
        (["--device", "mps"], "--device mps: PyTorch sees no Apple GPU here, expected cpu"),
        (["--person", "0"], "person 0"),
    ],
)
def test_a_run_that_cannot_start_says_why(photos, checkpoint, tmp_path, capsys, change, message):
    assert test_model.main(arguments(photos, checkpoint, tmp_path, *change)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_two_ranks_share_a_folder(photos, checkpoint, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "test_model.py"]
    subprocess.run([*command, *arguments(photos, checkpoint, tmp_path)], check=True, capture_output=True, timeout=300)
    assert written(tmp_path / "results" / "run") == expected_files("anna") | expected_files("ben")


def test_a_photo_alone_is_enough_to_type(photos, checkpoint, tmp_path, monkeypatch):
    """Positional photos; results/NAME after the photo, for clouds and for meshes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(test_model, "SHIPPED_CHECKPOINT", checkpoint)
    assert test_model.main(["photos/anna.png", "--device", "cpu"]) == 0
    assert written(tmp_path / "results" / "anna") == expected_files("anna")
    assert test_poisson.main(["photos/anna.png", "--depth", "5"]) == 0
    assert test_poisson.main(["results/anna", "--depth", "5", "--format", "ply"]) == 0
    assert {"output_objs/anna.obj", "output_objs/anna.ply"} <= written(tmp_path / "results" / "anna")


@pytest.mark.parametrize("script", [test_model, test_poisson])
def test_help_says_what_every_option_is_and_its_default(script, capsys):
    with pytest.raises(SystemExit):
        script.parse_args(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "results of test_model.py" in printed or "--keypoints" in printed
    assert "(default: results)" in printed and "(default: False)" not in printed and "(default: None)" not in printed


@pytest.fixture
def pair(tmp_path):
    """A photo of two people side by side, twice as wide as high, with one mask and one file of joints for both."""
    photo, mask, joints = standing_figure()
    folder = tmp_path / "pairs"
    write_png(folder / "pair.png", np.hstack([photo, photo]))
    write_png(folder / "pair_mask.png", np.hstack([mask, mask]) * np.uint8(255))
    people = []
    for shift in (0, photo.shape[1]):
        keypoints = Keypoints.from_scores(joints + (shift, 0), np.full(31, 0.9), "test")
        people += json.loads(openpose_json(keypoints))["people"]
    (folder / "pair_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


def test_everybody_in_a_photo_gets_a_number_from_the_left(pair, checkpoint, tmp_path, capsys):
    assert test_model.main(arguments(pair, checkpoint, tmp_path, "--person", "all", "--save_keypoints")) == 0
    root = tmp_path / "results" / "run"
    assert {f"sheets/pair_{number}.png" for number in (1, 2)} <= written(root)
    first, second = (read_people(root / "keypoints" / f"pair_{number}_keypoints.json")[0] for number in (1, 2))
    assert (second.xy[:, 0] - first.xy[:, 0]).min() > 300


def test_people_who_are_not_in_the_photo_any_more_leave_no_files(pair, checkpoint, tmp_path):
    root = tmp_path / "results" / "run"
    assert test_model.main(arguments(pair, checkpoint, tmp_path, "--person", "all")) == 0
    assert (root / "sheets" / "pair_2.png").is_file()
    joints = pair / "pair_keypoints.json"
    joints.write_text(json.dumps({"people": json.loads(joints.read_text())["people"][:1]}))
    assert test_model.main(arguments(pair, checkpoint, tmp_path, "--person", "all")) == 0
    assert (root / "sheets" / "pair_1.png").is_file() and not [path for path in written(root) if "pair_2" in path]
    assert "pair_2" not in (root / "web" / "people.js").read_text()


def test_a_small_person_is_framed_unless_the_whole_photo_is_asked_for(pair, checkpoint, tmp_path):
    _, mask, _ = standing_figure()
    write_png(pair / "pair_mask.png", np.hstack([np.zeros_like(mask), mask]) * np.uint8(255))
    heights = {}
    for frame in ("auto", "photo"):
        code = test_model.main(arguments(pair, checkpoint, tmp_path, "--frame", frame, "--person", "2", "--overwrite"))
        assert code == 0
        alpha = read_photo(tmp_path / "results" / "run" / "images" / "pair.png")[1]
        heights[frame] = np.ptp(np.flatnonzero(alpha.any(axis=1)))
    assert heights["auto"] > heights["photo"]


def test_frames_without_a_person_are_counted_and_no_failure(photos, checkpoint, tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    photo, mask, _ = standing_figure()
    writer = cv2.VideoWriter(str(tmp_path / "clips" / "walk.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, photo.shape[:2])
    for frame in (photo, np.zeros_like(photo)):
        writer.write(frame)
    writer.release()
    (tmp_path / "clips" / "walk_000000_keypoints.json").write_bytes((photos / "anna_keypoints.json").read_bytes())
    write_png(tmp_path / "clips" / "walk_000000_mask.png", mask * np.uint8(255))
    assert test_model.main(arguments(tmp_path / "clips", checkpoint, tmp_path)) == 0
    printed = capsys.readouterr()
    assert (
        "1 digitized" in printed.out
        and "1 left out" in printed.out
        and "walk_000001" in printed.out
        and not printed.err.count("FAILED")
    )


def test_results_where_nothing_can_be_written_are_one_line(photos, checkpoint, tmp_path, capsys):
    (tmp_path / "results").write_bytes(b"a file, not a folder")
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(said) == 1 and "results" in said[0] and "Not a directory" in said[0]


def test_a_mesh_step_that_fits_no_map_is_said_before_the_first_photo(photos, checkpoint, tmp_path, capsys):
    assert test_model.main([*arguments(photos, checkpoint, tmp_path), "--mesh_step", "7"]) == 2
    assert "error: --mesh_step 7, expected a divisor of the canvas" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_photos_may_stand_between_options(photos, checkpoint, tmp_path):
    anna, ben = (str(photos / name) for name in ("anna.png", "ben.png"))
    args = test_model.parse_args([anna, "--save_name", "run", ben, "--frame", "photo"])
    assert [str(path) for path in args.photos] == [anna, ben] and args.frame == "photo"


def test_another_option_checkpoint_or_photo_means_doing_it_again(photos, checkpoint, tmp_path, capsys):
    """And says why; nothing that is damaged, or half there, counts as done."""
    (photos / "ben.png").unlink()
    root = tmp_path / "results" / "run"

    def run(*more: str) -> str:
        capsys.readouterr()
        assert test_model.main(arguments(photos, checkpoint, tmp_path, *more)) == 0
        return capsys.readouterr().out

    assert "1 digitized" in run()
    assert "0 digitized" in (again := run()) and "done again" not in again
    assert "--frame was auto, is now photo" in (again := run("--frame", "photo")) and "1 digitized" in again
    keypoints = photos / "anna_keypoints.json"
    keypoints.write_bytes(keypoints.read_bytes().replace(b"}", b" }", 1))
    assert "1 digitized" in run("--frame", "photo"), "joints were corrected by hand"
    (root / "depth" / "anna_front.png").write_bytes(b"")
    assert "anna_front.png is missing or was changed" in run("--frame", "photo")
    write_checkpoint(checkpoint, to_dict(TINY), load_digitizer(checkpoint).state_dict(), epoch=1)
    assert "checkpoint_sha256 was" in run("--frame", "photo")
    assert json.loads((root / "run.json").read_text())["--frame"] == "photo"


def test_a_mesh_is_made_again_from_a_newer_cloud_or_at_another_depth(photos, checkpoint, tmp_path, capsys):
    (photos / "ben.png").unlink()
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 0
    folder = tmp_path / "results" / "run"

    def run(depth: int) -> str:
        capsys.readouterr()
        assert test_poisson.main([str(folder), "--depth", str(depth)]) == 0
        return capsys.readouterr().out

    assert "1 meshes" in run(5) and "0 meshes" in run(5)
    assert "--depth was 5, is now 4" in run(4)
    cloud = folder / "output_plys_c" / "anna.ply"
    os.utime(cloud, ns=(0, cloud.stat().st_mtime_ns + 1))
    assert "changed since" in (again := run(4)) and "1 meshes" in again


def test_a_killed_overwrite_is_not_done(photos, checkpoint, tmp_path, capsys, monkeypatch):
    """The mark of "done" goes before the first new file comes."""
    (photos / "ben.png").unlink()
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 0

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PhotoDigitizer, "digitize", killed)
        assert test_model.main(arguments(photos, checkpoint, tmp_path, "--overwrite")) == 130
    capsys.readouterr()
    assert test_model.main(arguments(photos, checkpoint, tmp_path)) == 0
    assert "1 digitized" in capsys.readouterr().out
