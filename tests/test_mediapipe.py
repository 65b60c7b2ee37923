"""The bundled detector: every network against stored outputs, and the geometry and decisions around them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets.people.matting import cut_from_flat, flat_color, grab_cut, guided_filter, large_components
from datasets.people.mediapipe import onnx_networks as bundled
from datasets.people.mediapipe.joints import CORRECTIONS, POSE_POINT, joints_from_pose, one_hand_each
from datasets.people.mediapipe.landmarks import Hand, Pose, _refined, hand_region
from datasets.people.mediapipe.onnx_networks import INPUT_SIDE, Networks
from datasets.people.mediapipe.person_boxes import ANCHORS, Detection, _is_new, decode, person_region
from datasets.people.mediapipe.regions import Pyramid, Region
from datasets.people.person import ModelUnavailableError
from geometry.keypoints import FINGERS, INDEX

STORED = Path(__file__).parent / "data" / "mediapipe_outputs.npz"


def picture(side: int) -> np.ndarray:
    """(side, side, 3) in [0, 1]: waves, a disc and a bar, so that every output of every network is alive."""
    y, x = np.mgrid[:side, :side] / side
    waves = 0.5 + 0.25 * np.sin(9 * x + np.array([0, 1, 2]).reshape(3, 1, 1)) * np.cos(7 * y)
    disc = (x - 0.5) ** 2 + (y - 0.3) ** 2 < 0.02
    bar = (np.abs(x - 0.5) < 0.12) & (y > 0.4) & (y < 0.95)
    return np.moveaxis(np.where(disc, 0.85, np.where(bar, 0.2, waves)), 0, -1)


def network_outputs(networks: Networks) -> dict[str, np.ndarray]:
    """Every output of every network on the picture, thinned to at most 500 numbers each."""
    outputs = {}
    for name, side in INPUT_SIDE.items():
        for index, values in enumerate(networks.run(name, picture(side))):
            flat = values.ravel()
            outputs[f"{name}.{index}"] = flat[:: max(1, len(flat) // 500)]
    return outputs


def test_every_network_gives_its_stored_outputs():
    """The file was written with np.savez_compressed(STORED, **network_outputs(Networks())), onnxruntime 1.31 on x86."""
    stored = np.load(STORED)
    outputs = network_outputs(Networks(threads=1))
    assert set(outputs) == set(stored.files) and len(outputs) == 13
    for name, expected in stored.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(outputs[name], expected, atol=1e-4 * scale, rtol=0, err_msg=name)
        assert np.ptp(expected) > 0 or expected.size == 1, f"{name} is the same everywhere and tests nothing"


def test_a_changed_missing_or_unlisted_network_is_refused(tmp_path):
    name = "hand_recrop"
    with pytest.raises(ModelUnavailableError, match="SHA256SUMS: no such file.*git checkout"):
        Networks(folder=tmp_path).run(name, picture(256))
    shutil.copy(bundled.FOLDER / "SHA256SUMS", tmp_path)
    with pytest.raises(ModelUnavailableError, match="hand_recrop.onnx: no such file"):
        Networks(folder=tmp_path).run(name, picture(256))
    content = (bundled.FOLDER / f"{name}.onnx").read_bytes()
    (tmp_path / f"{name}.onnx").write_bytes(content[:-1])
    with pytest.raises(ModelUnavailableError, match=f"hand_recrop.onnx: {len(content) - 1} bytes .* expected 602119"):
        Networks(folder=tmp_path).run(name, picture(256))
    (tmp_path / f"{name}.onnx").write_bytes(content)
    Networks(folder=tmp_path).run(name, picture(256))


def test_onnxruntime_does_not_phone_home(tmp_path):
    """Left alone, importing it writes a device id into the cache folder; the detector runs without leaving a file."""
    code = (
        "import numpy as np; from datasets.people.mediapipe.onnx_networks import Networks;"
        "Networks().run('hand_recrop', np.zeros((256, 256, 3)))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=bundled.FOLDER.parents[1], check=True)
    assert not list(tmp_path.rglob("*"))


def test_an_unknown_provider_is_named():
    with pytest.raises(ModelUnavailableError, match="no AbacusExecutionProvider, expected some of .*CPU"):
        Networks(providers=["AbacusExecutionProvider"]).run("hand_recrop", picture(256))


def test_a_region_turns_its_picture_upright():
    lying = Region.along(np.array([100.0, 50.0]), up=np.array([1.0, 0.0]), side=40)  # the head is at the right
    assert lying.angle == pytest.approx(np.pi / 2)
    corners = lying.to_photo(np.array([[0, 0], [10, 0], [0, 10]], dtype=float), 10)
    np.testing.assert_allclose(corners, [[120, 30], [120, 70], [80, 30]], atol=1e-9)
    np.testing.assert_allclose(lying.down, [-1, 0], atol=1e-9)
    np.testing.assert_allclose(lying.moved_down(5).centre, [95, 50], atol=1e-9)


@pytest.mark.parametrize("size", [(300, 300), (701, 1043)], ids=str)
@pytest.mark.parametrize("angle", [0.0, 0.6, -2.5])
@pytest.mark.parametrize("side", [64, 150, 260])
def test_a_crop_shows_what_lies_at_its_points(size, angle, side):
    """In a photo whose color is the position, each pixel of a crop has the color of the place it looks at."""
    height, width = size
    y, x = (np.mgrid[:height, :width] + 0.5) * 255 / max(size)
    photo = np.stack([x, y, 0 * x], axis=-1)
    region = Region(np.array([width / 2 + 3, height / 2 - 7]), side, angle)
    crop = Pyramid(np.round(photo).astype(np.uint8)).crop(region, 32)
    centres = np.stack(np.meshgrid(np.arange(32), np.arange(32)), axis=-1) + 0.5
    expected = region.to_photo(centres, 32) * 255 / max(size)
    inside = ((expected > 2) & (expected < np.array([width, height]) * 255 / max(size) - 2)).all(axis=-1)
    np.testing.assert_allclose(crop[..., :2][inside], expected[inside], atol=1.6)


def test_anchors():
    assert ANCHORS.shape == (2254, 2)
    np.testing.assert_allclose(ANCHORS[0], ANCHORS[1])
    np.testing.assert_allclose(ANCHORS[2], [12 / 224, 4 / 224])
    np.testing.assert_allclose(ANCHORS[2 * 28 * 28], [8 / 224, 8 / 224])
    np.testing.assert_allclose(ANCHORS[-6:], np.full((6, 2), 208 / 224))


def test_detections_that_agree_are_averaged_by_their_score():
    raw, logits = np.zeros((2254, 12)), np.full(2254, -9.0)
    raw[:, 2:4] = 60  # boxes of 60 px
    raw[:, 6:8] = [0, -50]  # reach: 50 px above the anchor
    near, far = 2 * (10 * 28 + 10), 2 * (20 * 28 + 24)
    logits[[near, near + 2, far]] = 2.0, 0.0, 1.0
    first, second = decode(raw, logits)

    weight = 1 / (1 + np.exp(-2.0))
    x = (84 * weight + 92 * 0.5) / (weight + 0.5)
    assert first[0] == pytest.approx(weight) and second[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    np.testing.assert_allclose(first[1] * 224, [[x, 84], [x, 34]])
    np.testing.assert_allclose(second[1] * 224, [[196, 164], [196, 114]])
    assert decode(raw, np.full(2254, -0.1)) == []


def test_a_detection_of_another_person_is_told_from_one_of_the_same():
    adult = Detection(0.9, np.array([500.0, 500.0]), np.array([500.0, 100.0]))
    beside = Detection(0.8, np.array([700.0, 500.0]), np.array([700.0, 110.0]))
    again = Detection(0.8, np.array([520.0, 540.0]), np.array([500.0, 100.0]))
    her_head = Detection(0.8, np.array([500.0, 300.0]), np.array([500.0, 150.0]))
    assert [_is_new(other, [adult]) for other in (beside, again, her_head)] == [True, False, False]


def test_points_move_to_the_peak_of_their_heatmap():
    heatmaps = np.zeros((64, 64, 3))
    heatmaps[20, 30:32, 0] = 0.6  # a peak half a cell to the right
    heatmaps[20, 30, 1] = 0.4  # too weak
    points = np.array([[30.5 / 64, 20.5 / 64], [30.5 / 64, 20.5 / 64], [1.2, 0.5]])
    refined = _refined(points, heatmaps)
    np.testing.assert_allclose(refined[0] * 64, [30.5, 20])
    np.testing.assert_allclose(refined[1:], points[1:])


def test_a_hand_s_region_follows_the_hand():
    generator = np.random.default_rng(0)
    hand = generator.uniform(0, 100, (21, 2))
    angle, scale, shift = 0.7, 1.5, np.array([30.0, -20.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before, after = hand_region(hand), hand_region(hand @ turn.T + shift)
    np.testing.assert_allclose(after.centre, turn @ before.centre + shift)
    assert after.side == pytest.approx(scale * before.side)
    assert np.cos(after.angle - before.angle - angle) == pytest.approx(1)


def pose(points: np.ndarray | None = None, visibility: float = 0.95) -> Pose:
    points = np.random.default_rng(0).uniform(0, 1000, (39, 2)) if points is None else points
    region = person_region(np.array([500.0, 500.0]), np.array([500.0, 0.0]))
    return Pose(points, np.full(39, visibility), 1.0, np.zeros((256, 256), np.float32), region)


def hand(centre: tuple[float, float], presence: float = 0.9) -> Hand:
    return Hand(np.random.default_rng(1).uniform(-20, 20, (21, 2)) + centre, presence)


def test_points_become_joints():
    person = pose()
    joints = joints_from_pose(person, {"left": hand((100, 100))}, corrected=False, source="here")

    for name in ("nose", "left_eye", "right_ear", "left_hip", "right_heel"):
        np.testing.assert_allclose(joints.xy[INDEX[name]], person.points[POSE_POINT[name]] - 0.5)
        assert joints.origin[INDEX[name]] == "detected"
    np.testing.assert_allclose(joints.xy[INDEX["left_big_toe"]], person.points[31] - 0.5)
    np.testing.assert_allclose(joints.xy[INDEX["left_finger_4"]], hand((100, 100)).points[14] - 0.5)
    # Hidden fingers are laid out from the pose network's knuckles: wrist 16, pinky 18, index 20.
    wrist, pinky, index = person.points[[16, 18, 20]]
    expected = wrist + 1.41 * (index - wrist) + 0.30 * (pinky - wrist) - 0.5
    np.testing.assert_allclose(joints.xy[INDEX["right_finger_2"]], expected)
    words = {joints.origin[i] for i in FINGERS["right"]}
    assert words == {joints.origin[INDEX["left_little_toe"]]} == {"predicted"}
    assert joints.present.all()


def test_corrections_are_a_table_that_turns_with_the_person():
    person = pose()
    plain, corrected = (joints_from_pose(person, {}, on, "here") for on in (False, True))
    moved = np.abs(plain.xy - corrected.xy).max(axis=1) > 1e-9
    names = {name.split("_", 1)[1] for name, index in INDEX.items() if moved[index]}
    assert names == set(CORRECTIONS)
    assert {corrected.origin[INDEX[f"left_{name}"]] for name in ("ear", "hip", "ankle", "big_toe")} == {"corrected"}

    ear, other, nose = person.points[[7, 8, 0]]
    expected = ear + 0.149 * (ear - other) + 0.077 * (nose - (ear + other) / 2)
    np.testing.assert_allclose(corrected.xy[INDEX["left_ear"]] + 0.5, expected)

    turn = 2 * np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = joints_from_pose(pose(person.points @ turn.T + 7), {}, True, "here")
    np.testing.assert_allclose(turned.xy + 0.5, (corrected.xy + 0.5) @ turn.T + 7)


def test_what_the_pose_network_does_not_see_is_a_prediction():
    joints = joints_from_pose(pose(visibility=0.02), {}, True, "here")
    assert set(joints.origin[:23]) == {"predicted"} and set(joints.origin[23:]) == {"missing"}
    assert joints.present[:23].all() and not joints.present[23:].any()


def test_a_hand_found_twice_belongs_to_the_nearer_wrist():
    points = pose().points.copy()
    points[15], points[16] = (100, 100), (400, 100)
    person = pose(points)
    both = one_hand_each(person, {"left": hand((110, 120)), "right": hand((390, 120))})
    assert set(both) == {"left", "right"}
    twice = one_hand_each(person, {"left": hand((380, 120)), "right": hand((381, 121))})
    assert set(twice) == {"right"}
    assert set(one_hand_each(person, {"left": hand((110, 120)), "right": hand((390, 120), 0.4)})) == {"left"}


def disc(size: int = 160, radius: float = 50.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.hypot(x, y) < radius


def test_guided_filter_solves_its_equations():
    """Against the definition with a dense solver, pixel by pixel (float32 rounding apart)."""
    import cv2

    generator = np.random.default_rng(0)
    rgb = generator.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    values = disc(50, 15)[:40].astype(np.float32)
    color = rgb / 255.0

    def mean(image):
        return cv2.boxFilter(image.astype(np.float64), -1, (13, 13))

    matrix = np.stack([mean(color[..., i] * color[..., j]) for i in range(3) for j in range(3)], axis=-1)
    mu = mean(color)
    matrix = matrix.reshape(40, 50, 3, 3) - mu[..., :, None] * mu[..., None, :] + 1e-4 * np.eye(3)
    right = mean(color * values[..., None]) - mu * mean(values)[..., None]
    slope = np.linalg.solve(matrix, right[..., None])[..., 0]
    offset = mean(values) - (slope * mu).sum(-1)
    expected = (mean(slope) * color).sum(-1) + mean(offset)
    np.testing.assert_allclose(guided_filter(rgb, values), expected, atol=1e-3)


def test_grab_cut_finds_the_edge_that_the_coarse_mask_missed():
    generator = np.random.default_rng(0)
    truth = disc()
    rgb = np.where(truth[..., None], (180, 60, 50), (60, 90, 160)) + generator.normal(0, 12, (160, 160, 3))
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    blurred = 1 / (1 + np.exp((np.hypot(*(np.mgrid[:160, :160] - 77.0)) - 44) / 6))
    cut = grab_cut(rgb, blurred.astype(np.float32))

    assert ((blurred > 0.5) & truth).sum() / ((blurred > 0.5) | truth).sum() < 0.85
    assert (cut & truth).sum() / (cut | truth).sum() > 0.98
    np.testing.assert_array_equal(cut, grab_cut(rgb, blurred.astype(np.float32)))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_grab_cut_leaves_a_mask_without_two_sides_alone(value):
    assert (grab_cut(np.zeros((50, 40, 3), np.uint8), np.full((50, 40), value, np.float32)) == (value == 1)).all()


def test_small_pieces_are_dropped():
    mask = disc()
    mask[5:8, 5:8] = True
    mask[120:140, 5:25] = True
    cleaned = large_components(mask)
    assert not cleaned[6, 6] and cleaned[130, 15] and cleaned[80, 80]
    assert not large_components(np.zeros((9, 9), bool)).any()


def test_a_cut_out_on_one_color_keeps_its_exact_outline():
    truth = disc()
    rgb = np.where(truth[..., None], 200, 30).astype(np.uint8).repeat(3, axis=2)
    rgb[75:85, 60:70] = 30  # a fold of the background's color, inside
    rgb[60:64, 95:99] = 33
    coarse = np.zeros((160, 160), np.float32)
    coarse[45:115, 45:115] = 1.0

    color = flat_color(rgb)
    assert color.tolist() == [30, 30, 30]
    np.testing.assert_array_equal(cut_from_flat(rgb, color, coarse), truth)
    rgb[0, 5] = 99
    assert flat_color(rgb) is None
