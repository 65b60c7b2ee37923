"""The repair rules: a table of mutations of one standing person, and what must hold for every one of them."""

import numpy as np
import pytest

from geometry.joint_repair import IncompletePersonError, repair
from geometry.keypoints import (
    FINGERS,
    INDEX,
    JOINTS,
    MISSING_BELOW,
    OPENPOSE_BODY,
    PREDICTED_SCORE,
    WHOLEBODY,
    Keypoints,
)
from geometry.similarity import pose_parts
from tests.standing_person import TORSO, keypoints, person, swapped

LEFT_HAND = tuple(f"left_finger_{k}" for k in (2, 3, 4, 5))
LEFT_FOOT = ("left_big_toe", "left_little_toe", "left_heel")
BOTH_LEGS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("knee", "ankle")) + LEFT_FOOT

# What is missing, the rule of each joint, and how far (in torso lengths) it may be from the truth.
MUTATIONS = [
    (("nose",), {"nose": "from the rest of the head"}, 0.05),
    (("left_eye",), {"left_eye": "from the rest of the head"}, 0.05),
    (("right_ear",), {"right_ear": "from the eyes"}, 0.08),
    (("right_ear", "right_eye"), {"right_ear": "from the rest of the head", "right_eye": "from the rest"}, 0.06),
    (("left_ear", "right_ear"), {"left_ear": "from the eyes", "right_ear": "from the eyes"}, 0.08),
    (JOINTS[1:5], {"left_ear": "from the rest of the head"}, 0.06),
    (JOINTS[:5], {"nose": "from the shoulders", "right_ear": "from the shoulders"}, 0.06),
    (("left_shoulder",), {"left_shoulder": "from the rest of the torso"}, 0.03),
    (("right_hip",), {"right_hip": "from the rest of the torso"}, 0.03),
    (("left_shoulder", "left_hip"), {"left_hip": "from the rest of the torso"}, 0.03),
    (("left_shoulder", "right_hip"), {"right_hip": "from the rest of the torso"}, 0.03),
    (("left_elbow",), {"left_elbow": "middle of its neighbours"}, 0.08),
    (("left_wrist",), {"left_wrist": "before the fingers"}, 0.03),
    (("left_elbow", "left_wrist"), {"left_wrist": "before the fingers", "left_elbow": "middle"}, 0.08),
    (("left_wrist", *LEFT_HAND), {"left_wrist": "along the limb", "left_finger_2": "along the forearm"}, 0.1),
    (("left_elbow", "left_wrist", *LEFT_HAND), {"left_elbow": "mirror of the other side"}, 0.1),
    (("right_finger_3",), {"right_finger_3": "mean of the other fingers"}, 0.04),
    (LEFT_HAND, {"left_finger_2": "along the forearm", "left_finger_5": "along the forearm"}, 0.06),
    (("left_knee",), {"left_knee": "middle of its neighbours"}, 0.06),
    (("left_ankle",), {"left_ankle": "above the heel"}, 0.04),
    (("left_knee", "left_ankle"), {"left_ankle": "above the heel", "left_knee": "middle"}, 0.06),
    (("left_knee", "left_ankle", *LEFT_FOOT), {"left_knee": "mirror", "left_ankle": "along the limb"}, 0.1),
    (("left_ankle", *LEFT_FOOT), {"left_ankle": "along the limb", "left_heel": "below the ankle"}, 0.1),
    (("left_big_toe",), {"left_big_toe": "beside the little toe"}, 0.04),
    (("right_little_toe",), {"right_little_toe": "beside the big toe"}, 0.04),
    (("left_big_toe", "left_little_toe"), {"left_big_toe": "along the shin", "left_little_toe": "beside"}, 0.1),
    (("left_heel",), {"left_heel": "below the ankle"}, 0.03),
    (LEFT_FOOT, {"left_heel": "below the ankle", "left_big_toe": "along the shin"}, 0.1),
    (BOTH_LEGS, {"left_knee": "along the torso", "left_ankle": "along the limb"}, 0.25),
]
IDS = [
    "+".join(missing) if len(missing) < 4 else f"{missing[0]} and {len(missing) - 1} more"
    for missing, _, _ in MUTATIONS
]


def test_tables():
    assert len(JOINTS) == len(set(JOINTS)) == 31
    assert [JOINTS[i] for i in FINGERS["right"]] == [f"right_finger_{k}" for k in (2, 3, 4, 5)]
    assert len(set(OPENPOSE_BODY)) == 23 and {1, 8}.isdisjoint(OPENPOSE_BODY)  # neck and mid-hip are not joints
    assert WHOLEBODY[:23] == tuple(range(23)) and WHOLEBODY[23:] == (97, 101, 105, 109, 118, 122, 126, 130)


def test_nothing_is_done_to_a_complete_person():
    complete = keypoints(person())
    repaired = repair(complete)
    assert repaired.notes == () and repaired.keypoints.origin == complete.origin
    np.testing.assert_array_equal(repaired.keypoints.xy, complete.xy)


@pytest.mark.parametrize(("missing", "rules", "near"), MUTATIONS, ids=IDS)
def test_mutation(missing, rules, near):
    truth = person()
    repaired = repair(keypoints(truth, missing))
    xy, notes = repaired.keypoints.xy, dict(note.split(": ") for note in repaired.notes)

    assert set(notes) == set(missing), "a note for each joint that was missing, and for no other"
    for name, rule in rules.items():
        assert notes[name].startswith(rule), name
    for name, index in INDEX.items():
        if name in missing:
            distance = np.linalg.norm(xy[index] - truth[index]) / TORSO
            assert distance < near, f"{name} is {distance:.3f} torso lengths off"
            assert repaired.keypoints.origin[index] == "predicted"
            assert repaired.keypoints.score[index] == PREDICTED_SCORE > MISSING_BELOW
        else:
            assert xy[index].tolist() == truth[index].tolist() and repaired.keypoints.origin[index] == "detected"
    assert repaired.keypoints.present.all()


@pytest.mark.parametrize(("missing", "rules", "near"), MUTATIONS, ids=IDS)
def test_repairs_turn_and_scale_with_the_person(missing, rules, near):
    """A photo that is turned, enlarged or padded gives the same body: no rule leans on the picture's axes or origin."""
    angle = np.radians(130)
    turn = 1.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def move(xy):
        return xy @ turn.T + [254.0, -99.0]

    upright = repair(keypoints(person(), missing)).keypoints.xy
    turned = repair(keypoints(move(person()), missing)).keypoints.xy
    np.testing.assert_allclose(turned, move(upright), atol=1e-6)


@pytest.mark.parametrize(("missing", "rules", "near"), MUTATIONS, ids=IDS)
def test_left_and_right_are_treated_alike(missing, rules, near):
    """The mirror image of the person, with left and right swapped, is repaired to the mirror image."""
    order = [INDEX[name] for name in swapped(JOINTS)]
    bent = person() + 20 * np.random.default_rng(1).standard_normal((31, 2))
    mirrored = ([2048, 0] + bent * [-1, 1])[order]
    first = repair(keypoints(bent, missing)).keypoints.xy
    second = repair(keypoints(mirrored, swapped(missing))).keypoints.xy
    np.testing.assert_allclose(second, ([2048, 0] + first * [-1, 1])[order], atol=1e-6)


def test_a_person_seen_from_behind_keeps_her_sides():
    behind = [2048, 0] + person() * [-1, 1]  # her left is at the left of the picture
    repaired = repair(keypoints(behind, ("left_hip", "right_little_toe"))).keypoints.xy
    for name in ("left_hip", "right_little_toe"):
        assert np.linalg.norm(repaired[INDEX[name]] - behind[INDEX[name]]) < 0.05 * TORSO


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("left_hip", "right_hip", "right_shoulder"), "both hips and a shoulder are missing"),
        (("left_shoulder", "right_shoulder"), "both shoulders are missing"),
        (JOINTS, "both shoulders are missing"),
    ],
)
def test_without_shoulders_or_hips_there_is_no_person(missing, words):
    with pytest.raises(IncompletePersonError, match=words):
        repair(keypoints(person(), missing))


@pytest.mark.parametrize("turn", [0, 90, 180])
@pytest.mark.parametrize("back", [False, True])
def test_hips_beyond_the_photo_lie_below_the_shoulders(turn, back):
    """Away from the head however the photo is turned, on the right sides, from in front and from behind."""
    xy = person() * ((-1, 1) if back else (1, 1))
    angle = np.radians(turn)
    xy = xy @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    repaired = repair(keypoints(xy, JOINTS[INDEX["left_hip"] : INDEX["left_finger_2"]]))
    assert "left_hip: below the shoulders" in repaired.notes
    for name in ("left_hip", "right_hip"):
        index = INDEX[name]
        assert np.linalg.norm(repaired.keypoints.xy[index] - xy[index]) < 0.35 * TORSO, name


def test_a_person_seen_from_the_side_has_hips_below_the_head():
    xy = person()
    middle = xy[[INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(0)
    xy[INDEX["left_shoulder"]], xy[INDEX["right_shoulder"]] = middle + (2, 3), middle - (2, 3)
    repaired = repair(keypoints(xy, JOINTS[INDEX["left_hip"] : INDEX["left_finger_2"]])).keypoints.xy
    hips = repaired[[INDEX["left_hip"], INDEX["right_hip"]]].mean(0)
    assert 0.7 * TORSO < hips[1] - middle[1] < 1.4 * TORSO and abs(hips[0] - middle[0]) < 0.3 * TORSO


def test_a_torso_without_length_is_refused():
    flat = person()
    flat[[INDEX["left_hip"], INDEX["right_hip"]]] = flat[[INDEX["left_shoulder"], INDEX["right_shoulder"]]]
    with pytest.raises(IncompletePersonError, match="same place"):
        repair(keypoints(flat))
    with pytest.raises(IncompletePersonError, match="same place"):
        repair(keypoints(flat, ("right_shoulder", "right_hip")))


DEGENERATE = {
    "ears in profile": {"left_ear": "right_ear"},
    "upper arm towards the camera": {"left_elbow": "left_shoulder"},
    "whole arm at the shoulder": {name: "left_shoulder" for name in ("left_elbow", "left_wrist", *LEFT_HAND)},
    "hand at the elbow": {name: "right_elbow" for name in ("right_wrist", *swapped(LEFT_HAND))},
    "thigh towards the camera": {"right_knee": "right_hip"},
    "foot towards the camera": {name: "left_ankle" for name in LEFT_FOOT},
    "toes at the heel": {"left_big_toe": "left_heel", "left_little_toe": "left_heel", "left_ankle": "left_heel"},
    "everything at the hip": {name: "left_hip" for name in JOINTS if "shoulder" not in name and "hip" not in name},
}


@pytest.mark.parametrize("moves", DEGENERATE.values(), ids=DEGENERATE)
def test_a_limb_without_length_gets_one(moves):
    """Every part has an invertible pose afterwards, and nothing moved further than a few pixels."""
    xy = person()
    for name, target in moves.items():
        xy[INDEX[name]] = xy[INDEX[target]]
    repaired = repair(keypoints(xy))
    poses = pose_parts(2 * repaired.keypoints.xy / 2048 - 1)

    assert np.isfinite(poses.canvas_from_part).all()
    assert np.abs(np.linalg.det(poses.part_from_canvas[:, :, :2])).min() > 1e-4
    assert np.linalg.norm(repaired.keypoints.xy - xy, axis=1).max() < 0.05 * TORSO
    assert any("pushed away" in note for note in repaired.notes)


@pytest.mark.parametrize("missing", [missing for missing, _, _ in MUTATIONS], ids=IDS)
def test_every_repaired_person_has_all_twelve_parts(missing):
    poses = pose_parts(2 * repair(keypoints(person(), missing)).keypoints.xy / 2048 - 1)
    assert np.isfinite(poses.canvas_from_part).all()


def test_random_gaps_always_end_in_a_complete_person():
    generator = np.random.default_rng(0)
    for _ in range(200):
        xy = person() + 30 * generator.standard_normal((31, 2))
        missing = [name for name in JOINTS if generator.random() < 0.5 and name not in ("left_hip", "right_shoulder")]
        repaired = repair(keypoints(xy, tuple(missing))).keypoints
        assert repaired.present.all() and np.isfinite(repaired.xy).all()
        assert np.abs(repaired.xy - 1024).max() < 4096, "a rule ran away"


def test_where_the_gap_in_the_list_pointed_to_says_nothing():
    """The coordinates of a missing joint, (0, 0) or (254, 0) after padding, change nothing."""
    missing = ("left_ear", "right_ankle", "left_big_toe")
    first, second = person(), person()
    for xy, junk in ((first, (0, 0)), (second, (254, np.nan))):
        xy[[INDEX[name] for name in missing]] = junk
    np.testing.assert_array_equal(
        repair(keypoints(first, missing)).keypoints.xy, repair(keypoints(second, missing)).keypoints.xy
    )


def test_from_scores():
    score = np.full(31, 0.5)
    score[:3] = 0.0, MISSING_BELOW, 1.07
    made = Keypoints.from_scores(person(), score, "here")
    assert made.origin[:3] == ("missing", "missing", "detected") and made.score[:3].tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="expected .31, 2."):
        Keypoints.from_scores(person()[:30], score, "here")
    bad = person()
    bad[5] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        Keypoints.from_scores(bad, np.full(31, 0.5), "here")
    with pytest.raises(ValueError, match="not finite"):
        Keypoints.from_scores(person(), np.full(31, np.nan), "here")
