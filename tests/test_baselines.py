"""The answers without a network: the mean training person, on the silhouette of the photo or without it; the truth."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import baselines
from datasets.pairs.pair_files import read_pair
from datasets.pairs.pair_layout import Pair
from datasets.pairs.training_pairs import read_lists
from tests import balls_people
from utils.errors import InputError
from utils.files import read_depth_png, write_png

SIZE = 128


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three training people, and the cut-out of a disc and of an empty mask."""
    root = tmp_path_factory.mktemp("baselines")
    balls_people.make(root / "data", SIZE, train=3, validation=1)
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(alpha, (60, 70), 30, 255, -1)
    cut_out = np.dstack([np.full((SIZE, SIZE, 3), 99, np.uint8), alpha])
    write_png(root / "results/model/images/disc.png", cut_out)
    write_png(root / "results/model/images/small.png", cut_out[:64, :64])
    return root


def answer_all(world, kind, save_name):
    return baselines.main(
        [kind, "--data_path", str(world / "data"), "--pred", str(world / "results/model")]
        + ["--save_path", str(world / "results"), "--save_name", save_name]
    )


def answers(world, kind, capsys):
    code = answer_all(world, kind, kind)
    assert code == 1 and "small.png: 64 x 64 px" in capsys.readouterr().err
    folder = world / "results" / kind
    assert not list(folder.rglob("small*"))
    assert (folder / "output_plys_c/disc.ply").is_file() and (folder / "cons/disc_back.png").is_file()
    return np.stack([read_depth_png(folder / f"depth/disc_{side}.png") for side in ("front", "back")]).astype(float)


def training_depths(world):
    pairs = read_lists(world / "data", ["Synthetic_train"])
    return np.stack([np.stack(read_pair(world / "data", pair)[1:]) for pair in pairs]).astype(float)


def test_inflation_is_a_slab_of_the_mean_depths_on_the_silhouette(world, capsys):
    answer, true = answers(world, "inflation", capsys), training_depths(world)
    disc = cv2.imread(str(world / "results/model/images/disc.png"), cv2.IMREAD_UNCHANGED)[..., 3] > 0
    assert ((answer > 0) == disc).all()
    for side in (0, 1):
        assert np.ptp(answer[side][disc]) == 0
        assert answer[side][disc][0] == pytest.approx(true[:, side][true[:, side] > 0].mean(), abs=1)


def test_the_mean_person_does_not_look_at_the_photo(world, capsys):
    answer, true = answers(world, "mean", capsys), training_depths(world)
    count = (true[:, 0] > 0).sum(0)
    most = count > len(true) / 2
    assert ((answer > 0) == most).all()
    for side in (0, 1):
        assert np.allclose(answer[side][most], true[:, side].sum(0)[most] / count[most], atol=1)


def test_the_truth_is_the_depth_of_the_photos_pair_whatever_its_cut_out(world, capsys):
    first = read_lists(world / "data", ["Synthetic_train"])[0]
    photo = Path(first.shaded_front).stem
    disc = world / "results/model/images/disc.png"
    write_png(world / f"results/model/images/{photo}.png", cv2.imread(str(disc), cv2.IMREAD_UNCHANGED))
    try:
        assert answer_all(world, "truth", "truth") == 1
    finally:
        (world / f"results/model/images/{photo}.png").unlink()
    assert "disc: not in the lists, expected one of the 3 photos" in capsys.readouterr().err
    written = [read_depth_png(world / f"results/truth/depth/{photo}_{side}.png") for side in ("front", "back")]
    for depth, true in zip(written, read_pair(world / "data", first)[1:], strict=True):
        assert ((depth > 0) == (true > 0)).all() and np.allclose(depth, true, atol=1)


def test_photos_of_several_views_have_no_one_truth():
    views = [Pair("Synthetic", "one", yaw) for yaw in (0.0, 20.0)]
    with pytest.raises(InputError, match="several views of a person"):
        baselines.TrueDepths.of(Path("data"), views)


def test_without_cut_outs_there_is_nothing_to_answer(world, capsys):
    code = baselines.main(["mean", "--data_path", str(world / "data"), "--pred", str(world), "--save_name", "x"])
    assert code == 2 and "expected an output folder of test_model.py" in capsys.readouterr().err
