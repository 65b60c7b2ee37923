"""OpenPose files: what is read, what is refused and with which words, and that writing gives the joints back."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from datasets.people.openpose import OpenPoseFile, keypoint_path, openpose_json, read_people, write_keypoints
from datasets.people.person import KeypointFileError, NoPersonError, Photo
from datasets.people.point_orders import BODY_25B
from geometry.keypoints import INDEX, OPENPOSE_BODY, Keypoints


def person(offset: float = 0.0, scale: float = 1.0) -> dict:
    """Every point of an OpenPose person at a place of its own, so that a wrong index shows."""
    lists = {"pose_keypoints_2d": 25, "hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 21}
    start, content = 1, {}
    for field, points in lists.items():
        numbers = np.arange(start, start + points, dtype=float)
        content[field] = np.column_stack([offset + scale * numbers, scale * (2 * numbers), 0.9 + 0 * numbers])
        content[field] = content[field].ravel().tolist()
        start += 100
    return content


def write(path: Path, people: object) -> Path:
    path.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


def photo(folder: Path, width: int = 400, height: int = 600) -> Photo:
    return Photo(folder / "anna.png", np.zeros((height, width, 3), np.uint8), None)


def test_joints_come_from_their_places_in_the_file(tmp_path):
    joints = read_people(write(tmp_path / "a.json", [person()]))[0]

    # (BODY_25 or hand position) + 1, hands counted from 101 and 201.
    expected = {"nose": 1, "left_eye": 17, "right_eye": 16, "left_shoulder": 6, "right_hip": 10, "left_big_toe": 20,
                "right_heel": 25, "left_finger_2": 107, "left_finger_5": 119, "right_finger_3": 211}  # fmt: skip
    for name, number in expected.items():
        assert joints.xy[INDEX[name]].tolist() == [number, 2 * number], name
    assert joints.present.all() and set(joints.origin) == {"detected"}
    assert joints.source == "a.json"


def test_openpose_before_its_version_1_2(tmp_path):
    old = {field.removesuffix("_2d"): numbers for field, numbers in person().items()}
    [joints], [now] = (read_people(write(tmp_path / "a.json", [one])) for one in (old, person()))
    np.testing.assert_array_equal(joints.xy, now.xy)


def test_scaled_coordinates_are_named(tmp_path):
    with pytest.raises(KeypointFileError, match="between -1 and 1, expected pixels: OpenPose's keypoint_scale 0"):
        read_people(write(tmp_path / "a.json", [person(scale=1e-3)]))


def test_what_openpose_did_not_see_is_missing(tmp_path):
    anna = person()
    anna["pose_keypoints_2d"][17 * 3 : 18 * 3] = [0, 0, 0]  # right ear
    anna["pose_keypoints_2d"][18 * 3 : 19 * 3] = [0, 0, 0.8]  # left ear
    anna["pose_keypoints_2d"][14 * 3 + 2] = 0  # left ankle has a place, but no score
    anna["hand_right_keypoints_2d"][2::3] = [0.012] * 21  # a hand in a pocket
    joints = read_people(write(tmp_path / "a.json", [anna]))[0]

    missing = {name for name, index in INDEX.items() if not joints.present[index]}
    assert missing == {"left_ear", "right_ear", "left_ankle", *(f"right_finger_{k}" for k in (2, 3, 4, 5))}
    assert all(joints.origin[INDEX[name]] == "missing" for name in missing)


@pytest.mark.parametrize("hands", [None, []], ids=["no field", "empty field"])
def test_a_run_without_hands_is_sound(tmp_path, hands):
    anna = person()
    for side in ("left", "right"):
        del anna[f"hand_{side}_keypoints_2d"]
        if hands is not None:
            anna[f"hand_{side}_keypoints_2d"] = hands
    joints = read_people(write(tmp_path / "a.json", [anna]))[0]
    assert joints.present.sum() == 23


SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic_200001_keypoints.json"


def sample() -> tuple[dict, np.ndarray]:
    """A person of OpenPose, and the (25, 3) points of its body."""
    anna = json.loads(SAMPLE.read_text())["people"][0]
    return anna, np.array(anna["pose_keypoints_2d"]).reshape(25, 3)


def test_a_ghost_of_a_few_weak_points_is_not_the_person(tmp_path):
    """Two points in opposite corners have the largest box of all."""
    ghost, weak = sample()
    weak[:] = 0
    weak[0], weak[11] = (2, 2, 0.12), (2045, 2045, 0.11)
    ghost["pose_keypoints_2d"] = weak.ravel().tolist()
    write(keypoint_path(tmp_path / "anna.png"), [ghost, sample()[0]])
    for number in (None, 1):
        found = OpenPoseFile(number).keypoints(photo(tmp_path, 2048, 2048))
        assert found.keypoints.present[: len(OPENPOSE_BODY)].sum() > 20 and not found.warnings
    with pytest.raises(NoPersonError, match="person 2 was asked for, expected 1 to 1"):
        OpenPoseFile(2).keypoints(photo(tmp_path, 2048, 2048))


def test_weak_joints_are_better_than_none(tmp_path):
    anna, body = sample()
    body[:, 2] *= 0.2
    write(keypoint_path(tmp_path / "anna.png"), [anna | {"pose_keypoints_2d": body.ravel().tolist()}])
    assert OpenPoseFile().keypoints(photo(tmp_path, 2048, 2048)).keypoints.present.sum() > 20


def test_body_25b_is_told_by_its_limbs_and_named(tmp_path):
    anna, body = sample()
    other = np.zeros((25, 3))
    other[list(BODY_25B)] = body[list(OPENPOSE_BODY)]
    other[17], other[18] = body[1], body[0] - (0, 30, 0)
    write(keypoint_path(tmp_path / "anna.png"), [anna | {"pose_keypoints_2d": other.ravel().tolist()}])
    found = OpenPoseFile().keypoints(photo(tmp_path, 2048, 2048))
    np.testing.assert_array_equal(found.keypoints.xy[:23], body[list(OPENPOSE_BODY), :2])
    assert found.warnings == ("joints from anna_keypoints.json in the order of BODY_25B",)


def test_another_order_of_25_points_is_refused(tmp_path):
    anna, body = sample()
    for seed in range(20):
        mixed = np.random.default_rng(seed).permutation(body)
        write(tmp_path / "a.json", [anna | {"pose_keypoints_2d": mixed.ravel().tolist()}])
        with pytest.raises(KeypointFileError, match=r"a.json: people\[0\].* make no body in the order of BODY_25 or"):
            read_people(tmp_path / "a.json")


def test_joints_of_a_larger_photo_are_named_with_the_factor(tmp_path):
    anna, body = sample()
    body[:, :2] *= 2
    write(keypoint_path(tmp_path / "anna.png"), [anna | {"pose_keypoints_2d": body.ravel().tolist()}])
    with pytest.raises(KeypointFileError, match="another size.; multiplied by 0.5 its joints would fit"):
        OpenPoseFile().keypoints(photo(tmp_path, 2048, 2048))


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "NaN", "-Infinity", "-1e300"])
def test_numbers_that_are_none_are_named(tmp_path, number):
    text = json.dumps({"people": [sample()[0] | {"pose_keypoints_2d": [0.5] * 74 + [12345]}]}).replace("12345", number)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(KeypointFileError, match=r"pose_keypoints_2d\[74\]: .*, expected a finite number") as caught:
        read_people(tmp_path / "a.json")
    assert len(str(caught.value)) < 200


def cut(values: list, length: int) -> list:
    return values[:length]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as JSON"),
        ('{"people": [', "cannot be read as JSON"),
        ("[1, 2]", "no list named people"),
        ("{}", "no list named people"),
        ('{"people": 3}', "no list named people"),
        ('{"people": []}', "people is empty"),
        ('{"people": [7]}', r"people\[0\]: int"),
        ('{"people": [{}]}', r"people\[0\].pose_keypoints_2d: NoneType, expected a list of 75"),
        ("[" * 100000, "lists within lists without end, expected OpenPose's JSON"),
    ],
)
def test_a_file_that_is_not_openpose_is_one_clear_error(tmp_path, text, words):
    path = tmp_path / "bad_keypoints.json"
    path.write_text(text)
    with pytest.raises(KeypointFileError, match=words) as error:
        read_people(path)
    assert "bad_keypoints.json" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("pose_keypoints_2d", lambda v: cut(v, 54), "54 numbers .*COCO model.*BODY_25"),
        ("pose_keypoints_2d", lambda v: cut(v, 51), "51 numbers .*plain COCO"),
        ("pose_keypoints_2d", lambda v: cut(v, 45), "45 numbers .*MPI"),
        ("pose_keypoints_2d", lambda v: cut(v, 74), "74 numbers, expected 25 points"),
        ("pose_keypoints_2d", lambda v: [None, *v[1:]], r"pose_keypoints_2d\[0\]: None"),
        ("pose_keypoints_2d", lambda v: [*v[:4], math.nan, *v[5:]], r"pose_keypoints_2d\[4\]: nan"),
        ("pose_keypoints_2d", lambda v: [*v[:4], math.inf, *v[5:]], r"pose_keypoints_2d\[4\]: inf"),
        ("pose_keypoints_2d", lambda v: [*v[:4], "12", *v[5:]], r"pose_keypoints_2d\[4\]: '12'"),
        ("pose_keypoints_2d", lambda v: [*v[:4], True, *v[5:]], r"pose_keypoints_2d\[4\]: True"),
        ("pose_keypoints_2d", lambda v: [[x] for x in v], r"pose_keypoints_2d\[0\]: \[1.0\]"),
        ("pose_keypoints_2d", lambda v: "text", "str, expected a list"),
        ("hand_left_keypoints_2d", lambda v: cut(v, 60), "hand_left_keypoints_2d: 60 numbers, expected 21 points"),
        ("hand_right_keypoints_2d", lambda v: {"0": v}, "hand_right_keypoints_2d: dict"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, field, change, words):
    anna = person()
    anna[field] = change(anna[field])
    with pytest.raises(KeypointFileError, match=words):
        read_people(write(tmp_path / "a_keypoints.json", [anna]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KeypointFileError, match="anna_keypoints.json: no such file"):
        OpenPoseFile().keypoints(photo(tmp_path))


def test_the_largest_most_central_person_is_taken_and_said(tmp_path):
    folder = photo(tmp_path)
    write(keypoint_path(folder.path), [person(0, 0.3), person(100, 1.0), person(330, 0.2)])

    found = OpenPoseFile().keypoints(folder)
    assert found.keypoints.xy[0].tolist() == [101, 2]
    assert len(found.warnings) == 1 and "3 people: took number 2 from the left" in found.warnings[0]

    third = OpenPoseFile(person=3).keypoints(folder)
    assert third.keypoints.xy[0, 0] == pytest.approx(330.2) and third.warnings == ()
    with pytest.raises(NoPersonError, match="person 4 was asked for, expected 1 to 3"):
        OpenPoseFile(person=4).keypoints(folder)


def test_a_file_of_another_image_size_is_refused(tmp_path):
    folder = photo(tmp_path, 100, 150)
    write(keypoint_path(folder.path), [person()])
    with pytest.raises(KeypointFileError, match="outside the photo of 100 x 150.*another size"):
        OpenPoseFile().keypoints(folder)


def test_a_joint_just_outside_is_kept(tmp_path):
    folder = photo(tmp_path)
    anna = person()
    anna["pose_keypoints_2d"][:2] = [-8, 20]
    write(keypoint_path(folder.path), [anna])
    assert OpenPoseFile().keypoints(folder).keypoints.xy[0].tolist() == [-8, 20]
    anna["pose_keypoints_2d"][:2] = [-14, 20]
    write(keypoint_path(folder.path), [anna])
    with pytest.raises(KeypointFileError, match="nose at .-14, 20."):
        OpenPoseFile().keypoints(folder)


def test_joints_survive_their_file(tmp_path):
    generator = np.random.default_rng(0)
    score = generator.uniform(0.1, 1, 31)
    score[[3, 21, 27]] = 0
    joints = Keypoints.from_scores(generator.uniform(1, 2000, (31, 2)), score, "here")

    write_keypoints(tmp_path / "deep" / "anna_keypoints.json", joints)
    back = read_people(tmp_path / "deep" / "anna_keypoints.json")[0]

    np.testing.assert_allclose(back.xy, joints.xy, atol=5.1e-4)
    np.testing.assert_allclose(back.score, joints.score, atol=5.1e-4)
    assert back.origin == joints.origin


def test_the_written_file_has_openpose_s_neck_and_mid_hip():
    joints = Keypoints.from_scores(np.arange(62.0).reshape(31, 2) + 1, np.ones(31), "here")
    body = np.array(json.loads(openpose_json(joints))["people"][0]["pose_keypoints_2d"]).reshape(25, 3)
    assert body[1].tolist() == [12, 13, 1] and body[8].tolist() == [24, 25, 1]
    assert (body[:, 2] == 1).all()
