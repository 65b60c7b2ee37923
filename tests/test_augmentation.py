"""Randomisation: a function of its seed, the paper's by default, and true to the geometry."""

from pathlib import Path

import numpy as np
import pytest

from datasets.pairs.augmentation import (
    Augmentation,
    AugmentationConfig,
    View,
    mirrored,
    reframed,
    thinned,
    view_of,
)
from datasets.pairs.pair_check import check_pairs, without
from datasets.pairs.training_pairs import TrainingPairs, read_lists
from geometry.camera import Camera
from geometry.coarse_grid import coarse_pixels
from geometry.depth import distance_from_network
from geometry.keypoints import INDEX
from geometry.similarity import left_out
from tests import balls_people
from utils.errors import InputError

SIZE = 128
STRONG = AugmentationConfig(
    background_photos=None,
    cut_out=0.5,
    cut_out_error=0.01,
    gamma=0.3,
    color_cast=0.1,
    side_light=0.3,
    blur=0.003,
    noise=5.0,
    jpeg=(30.0, 90.0),
    scale=(0.8, 1.2),
    shift=0.05,
    joint_noise=0.01,
    mirror=0.5,
)


@pytest.fixture(scope="module")
def view() -> View:
    rng = np.random.default_rng(0)
    place = balls_people.skeleton(rng)
    images = balls_people.render(place, SIZE, rng)
    joints = Camera(SIZE).project(balls_people.joints_of(place))
    return view_of(images.shaded_front, (images.depth_front, images.depth_back), joints)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    root = tmp_path_factory.mktemp("people")
    balls_people.make(root, SIZE, train=3, validation=1)
    return root


def test_a_sample_is_a_function_of_seed_epoch_and_position(people):
    pairs = read_lists(people, ["Synthetic_train"])
    data = [TrainingPairs(people, pairs, SIZE, Augmentation(STRONG, people), seed) for seed in (7, 7, 8)]
    first, again, other_seed = (source[(2, 1)] for source in data)
    assert first.photo.equal(again.photo) and first.depth.equal(again.depth)
    assert first.poses.part_from_canvas.equal(again.poses.part_from_canvas)
    assert not first.photo.equal(other_seed.photo)
    assert not first.photo.equal(data[0][(3, 1)].photo)


def test_depth_is_untouched_by_the_papers_augmentation(view):
    paper = Augmentation(AugmentationConfig(background_photos=None), root=None)
    photo = paper(view, np.random.default_rng(0))
    assert photo.depth is view.depth
    np.testing.assert_array_equal(photo.joints, view.joints)


def test_reframing_moves_picture_depth_and_joints_together(view):
    """Half the size about the world's origin: height and thickness are halved, joints stay on their places."""
    smaller = reframed(view, 0.5, (6.0, -4.0))
    rows, columns = np.nonzero(smaller.person)
    before = np.argwhere(view.person)
    assert np.ptp(rows) == pytest.approx(np.ptp(before[:, 0]) / 2, abs=2)
    thickness = [
        (distance_from_network(v.network_depth[1]) - distance_from_network(v.network_depth[0]))[v.person].max()
        for v in (view, smaller)
    ]
    assert thickness[1] == pytest.approx(thickness[0] / 2, rel=0.03)
    middle = (view.joints.mean(0) - SIZE / 2) / 2 + SIZE / 2 + (6, -4)
    np.testing.assert_allclose(smaller.joints.mean(0), middle, atol=1e-6)
    assert np.array_equal(smaller.person, smaller.rgb.any(axis=2) & smaller.person)


def test_reframing_by_nothing_changes_nothing(view):
    same = reframed(view, 1.0, (0.0, 0.0))
    np.testing.assert_array_equal(same.person, view.person)
    np.testing.assert_allclose(same.depth, view.network_depth, atol=2e-5)
    np.testing.assert_array_equal(same.rgb, view.rgb)


def test_a_cut_person_ends_with_the_picture_and_loses_the_parts_beyond(view):
    """Below, the person leaves the picture; above, the head is in it; feet and all that begins beyond are left out."""
    augment = Augmentation(AugmentationConfig(cut=1.0, background_photos=None), Path())
    ends = []
    for seed in range(6):
        cut = augment(view, np.random.default_rng(seed))
        rows = np.flatnonzero(cut.person.any(1))
        assert rows[-1] == len(cut.rgb) - 1 and rows[0] >= 0
        shown = cut.joints[:, 1] < len(cut.rgb)
        assert shown[[INDEX["nose"], INDEX["left_shoulder"], INDEX["right_shoulder"]]].all()
        assert {"left_foot", "right_foot"} & set(left_out(shown)) and "head" not in left_out(shown)
        ends.append(int(shown.sum()))
    assert len(set(ends)) > 1


def test_a_mirror_turns_left_into_right(view):
    """Mirroring equals rendering the person with x negated, and doing it twice changes nothing."""
    seen = mirrored(view)
    place = balls_people.skeleton(np.random.default_rng(0))
    flipped = Camera(SIZE).project(balls_people.joints_of(place) * (-1, 1, 1))
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    np.testing.assert_allclose(seen.joints[left], flipped[right], atol=1e-9)
    assert seen.person[:, ::-1].tolist() == view.person.tolist()
    again = mirrored(seen)
    for name in ("rgb", "depth", "joints"):
        np.testing.assert_allclose(getattr(again, name), getattr(view, name), atol=1e-9)


def test_cut_out_photos_are_black_around_the_person(view):
    config = AugmentationConfig(background_photos=None, background=1.0, cut_out=1.0, brightness=(1, 1), contrast=(1, 1))
    photo = Augmentation(config, root=None)(view, np.random.default_rng(1)).rgb
    assert not photo[~view.person].any()
    assert photo[view.person].any()
    before_green = Augmentation(config, root=None, backdrop=(0, 255, 0))(view, np.random.default_rng(1)).rgb
    assert (before_green[~view.person] == (0, 255, 0)).all()
    assert (before_green[view.person] == photo[view.person]).all()


def test_a_missing_background_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="IndoorCVPR09"):
        Augmentation(AugmentationConfig(), tmp_path)


@pytest.mark.parametrize("wrong", [{"contrast": (1.0, 0.7)}, {"jpeg": (30.0,)}])
def test_ranges_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentationConfig(**wrong)


def bad_pairs(root, tmp_path, break_it):
    """A folder of 200 list lines over the same 3 people, of which one person's file is broken."""
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(root, copy)
    break_it(copy)
    return copy, read_lists(copy, ["Synthetic_train"])


def usable(pairs, root, size=SIZE):
    """The pairs that can be used, and one line about each of the others."""
    return without(pairs, check_pairs(root, pairs, size))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("DEPTH/{}/0001_front.png", b"", "cannot be read"),
        ("COLOR/SHADED/{}/0001_front.png", None, "no such file"),
        ("keypoint/{}/0001_front.npy", b"nonsense", "cannot be read"),
    ],
)
def test_bad_samples_are_named_and_left_out_up_to_one_percent(people, tmp_path, file, content, message):
    def break_it(root):
        path = root / "PERS" / file.format("Synthetic_0_y_0_x")
        path.unlink()
        if content is not None:
            path.write_bytes(content)

    root, pairs = bad_pairs(people, tmp_path, break_it)
    good, problems = usable([pairs[0]] * 199 + [pairs[1]], root)
    assert len(good) == 199
    assert len(problems) == 1 and "0001_front" in problems[0] and message in problems[0]
    with pytest.raises(InputError, match="2 of 100 .* at most 1%"):
        usable([pairs[0]] * 98 + [pairs[1]] * 2, root)


def test_a_picture_that_breaks_off_is_replaced_and_named(people, tmp_path):
    """Its header is whole, so only decoding finds out."""

    def break_it(root):
        path = root / "PERS/DEPTH/Synthetic_0_y_0_x/0001_back.png"
        path.write_bytes(path.read_bytes()[:200])

    root, pairs = bad_pairs(people, tmp_path, break_it)
    good, problems = usable(pairs, root)
    assert len(good) == 3 and not problems
    sample = TrainingPairs(root, good, SIZE, None, seed=0)[(0, 1)]
    assert "0001_back.png" in sample.problems[0]
    assert sample.depth.any()


def test_other_sizes_and_hopeless_joints_are_named(people, tmp_path):
    pairs = read_lists(people, ["Synthetic_train"])
    with pytest.raises(InputError, match="128 x 128 px, expected model.canvas = 256"):
        usable(pairs, people, 256)

    def break_it(root):
        joints = np.zeros((31, 3))
        np.save(root / "PERS/keypoint/Synthetic_0_y_0_x/0000_front.npy", joints)

    root, pairs = bad_pairs(people, tmp_path, break_it)
    with pytest.raises(InputError, match="0000_front.npy.*missing"):
        usable(pairs, root)


def test_lists_that_are_empty_or_not_there_are_named(people, tmp_path):
    with pytest.raises(InputError, match="nowhere.txt"):
        read_lists(people, ["nowhere"])
    with pytest.raises(InputError, match="no lists"):
        read_lists(people, [])
    (tmp_path / "list").mkdir()
    (tmp_path / "list/empty.txt").write_text("\n")
    with pytest.raises(InputError, match="empty.txt"):
        read_lists(tmp_path, ["empty"])


def test_reframing_the_pixels_of_the_coarse_networks_equals_thinning_the_reframed_picture(view):
    whole = thinned(reframed(view, 1.07, (5.3, -2.6)))
    direct = reframed(view, 1.07, (5.3, -2.6), coarse_pixels(SIZE))
    for name in ("rgb", "depth", "joints"):
        np.testing.assert_array_equal(getattr(direct, name), getattr(whole, name))
