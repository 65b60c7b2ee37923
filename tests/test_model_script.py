"""test_model.py and test_poisson.py as a user runs them: a folder with good and bad photos, twice, and by two ranks."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

import test_model
import test_poisson
from tests.conftest import TINY
from utils.files import read_depth_png, write_png


def arguments(photos, checkpoint, tmp_path, *more):
    return ["--data_path", str(photos), "--load_ckpt", str(checkpoint), "--save_path", str(tmp_path / "results"),
            "--save_name", "run", "--device", "cpu", *more]  # fmt: skip


def written(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def expected_files(name):
    pictures = [f"{folder}/{name}_{side}.png" for folder in ("depth", "cons", "normal") for side in ("front", "back")]
    pictures += [f"normal_parts/{name}_{side}_{part}.png" for side in ("front", "back")
                 for part in ("face", "upper", "arm", "leg", "shoe", "down", "down_depth")]  # fmt: skip
    return {*pictures, f"normal_parts/{name}_mask.png", f"normal_parts/{name}_down_mask.png", f"images/{name}.png",
            f"output_plys/{name}.ply", f"output_plys_c/{name}.ply", f"sheets/{name}.png",
            f"meshes/{name}.glb", f"textures/{name}.jpg", f"textures/{name}.json"}  # fmt: skip


def test_photos_become_maps_clouds_and_meshes(photos, checkpoint, tmp_path, capsys):
    assert test_model.main(arguments(photos, checkpoint, tmp_path, "--save_keypoints")) == 0
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
