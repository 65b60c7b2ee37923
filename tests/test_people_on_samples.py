"""Accuracy of the bundled detector and mask on real photos, and what becomes of photos that were spoilt on purpose.

The photos may not be redistributed, so these tests run only where they lie beside the checkout.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from datasets.people.mediapipe.detector import MediaPipeDetector
from datasets.people.openpose import keypoint_path, read_people
from datasets.people.person import NoPersonError, Person, PersonCutOffError, Photo, find_person
from datasets.people.person_sources import PersonSources, person_sources
from datasets.people.upright import find_upright
from geometry.keypoints import FINGERS, INDEX, Keypoints
from tests.standing_person import swapped

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"{SAMPLES} is not there")
ON_BLACK = ("0502_front", "hanni", "rp_aaron_posed_013_front", "rp_alvin_posed_002_front")


@dataclass(frozen=True)
class Case:
    photo: Photo
    person: Person
    truth: Keypoints

    @property
    def errors(self) -> np.ndarray:
        """(31,) distance from OpenPose's joints [px at 2048]; nan where OpenPose has none."""
        distance = np.linalg.norm(self.person.keypoints.xy - self.truth.xy, axis=1)
        return np.where(self.truth.present, distance, np.nan) * 2048 / max(self.photo.size)


@pytest.fixture(scope="module")
def sources() -> PersonSources:
    return person_sources("mediapipe", "mediapipe")


@pytest.fixture(scope="module")
def cases(sources) -> dict[str, Case]:
    paths = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".png", ".jpg"))
    made = {}
    for path in paths:
        photo = Photo.read(path)
        made[path.stem] = Case(photo, find_person(photo, *_pair(sources)), read_people(keypoint_path(path))[0])
    return made


def _pair(sources: PersonSources):
    return sources.keypoints, sources.mask


def test_joints_are_where_openpose_has_them(cases):
    errors = np.stack([case.errors for case in cases.values()])
    assert len(cases) == 8
    assert np.nanmedian(errors) < 12 and np.nanpercentile(errors, 90) < 28
    assert np.nanmax(errors) < 80, "a joint is missed, or left and right are swapped"


def test_visible_fingers(cases):
    errors = [
        case.errors[index]
        for case in cases.values()
        for index in (*FINGERS["left"], *FINGERS["right"])
        if case.person.keypoints.origin[index] == "detected"
    ]
    assert len(errors) >= 50 and np.nanmedian(errors) < 5


def test_corrections_help(cases):
    detector = MediaPipeDetector(corrected=False)
    some = [cases[name] for name in ("0281", "hanni", "rp_alvin_posed_002_front")]
    plain = [
        np.linalg.norm(detector.keypoints(case.photo).keypoints.xy[:23] - case.truth.xy[:23], axis=1)[
            case.truth.present[:23]
        ]
        for case in some
    ]
    corrected = [case.errors[:23][case.truth.present[:23]] for case in some]
    assert np.median(np.concatenate(corrected)) < 0.9 * np.median(np.concatenate(plain))


def silhouette(rgb: np.ndarray) -> np.ndarray:
    """Of a person on black: all that is not black, with the dark folds inside."""
    black = (rgb.max(axis=2) == 0).astype(np.uint8)
    _, label, stats, _ = cv2.connectedComponentsWithStats(black, connectivity=4)
    fold = (stats[:, cv2.CC_STAT_AREA] < 3000)[label] & (black > 0)
    return (black == 0) | fold


@pytest.mark.parametrize("name", ON_BLACK)
def test_masks_on_black(cases, name):
    truth, mask = silhouette(cases[name].photo.rgb), cases[name].person.mask
    assert (truth & mask).sum() / (truth | mask).sum() > 0.98


@pytest.mark.parametrize("name", ON_BLACK[1:3])
def test_masks_on_a_background_that_is_not_flat(cases, sources, name):
    """The same people before a wall with a gradient and grain: GrabCut's way instead of the exact one."""
    rgb, truth = cases[name].photo.rgb, silhouette(cases[name].photo.rgb)
    height, width = truth.shape
    wall = np.linspace(90, 200, width)[None, :, None] * [1.0, 0.95, 0.85] + np.zeros((height, 1, 1))
    wall = wall + np.random.default_rng(0).normal(0, 6, (height, width, 1))
    soft = cv2.GaussianBlur(truth.astype(np.float32), (3, 3), 0)[..., None]
    photo = Photo(Path(f"{name}.png"), np.clip(soft * rgb + (1 - soft) * wall, 0, 255).astype(np.uint8), None)
    mask = find_person(photo, *_pair(sources)).mask
    assert (truth & mask).sum() / (truth | mask).sum() > 0.98


@pytest.mark.parametrize("missing", [(), ("left_hip", "right_shoulder", "left_ankle")], ids=["all", "some"])
def test_the_mask_does_not_need_the_detector_s_joints(cases, missing):
    """From OpenPose's joints the same mask comes out, nearly; also when some are missing."""
    case = cases["DSC02780"]
    score = case.truth.score.copy()
    score[[INDEX[name] for name in missing]] = 0.0
    joints = Keypoints.from_scores(case.truth.xy, score, "OpenPose")
    mask = person_sources(mask="mediapipe").mask.mask(case.photo, joints).mask
    assert (mask & case.person.mask).sum() / (mask | case.person.mask).sum() > 0.98


def test_detector_and_mask_share_one_look(cases, monkeypatch):
    pair = person_sources("mediapipe", "mediapipe")
    names, run = [], pair.keypoints.networks.run
    monkeypatch.setattr(pair.keypoints.networks, "run", lambda name, picture: names.append(name) or run(name, picture))
    find_person(cases["DSC02780"].photo, *_pair(pair))
    assert names == ["pose_detection", *["pose_landmark_full"] * 2, *["hand_recrop", *["hand_landmark_full"] * 2] * 2]


def test_twice_is_the_same(cases, sources):
    case = cases["0281"]
    again = find_person(case.photo, *_pair(person_sources("mediapipe", "mediapipe")))
    np.testing.assert_array_equal(again.keypoints.xy, case.person.keypoints.xy)
    np.testing.assert_array_equal(again.mask, case.person.mask)


def spoilt(rgb: np.ndarray) -> Photo:
    return Photo(Path("spoilt.png"), np.ascontiguousarray(rgb), None)


def small(rgb: np.ndarray, scale: float, size: int = 2048) -> np.ndarray:
    """The photo shrunk into a larger grey one, near the lower left corner."""
    side = round(scale * size)
    large = np.full((size, size, 3), 140, np.uint8)
    large[size - 80 - side : size - 80, 200 : 200 + side] = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA)
    return large


def test_a_person_without_head_is_refused(cases, sources):
    with pytest.raises(PersonCutOffError, match="spoilt.png: .*both eyes are outside"):
        sources.keypoints.keypoints(spoilt(cases["DSC02780"].photo.rgb[330:]))


def test_half_a_person_leaves_the_other_half_out(cases, sources):
    person = find_person(spoilt(cases["DSC02780"].photo.rgb[:, :1050]), sources.keypoints, sources.mask)
    absent = "left upper arm, left forearm, left thigh, left shin, left foot"
    assert person.warnings[-1] == f"left out, not in the photo or its mask: {absent}"
    assert not person.seen[INDEX["left_ankle"]] and person.seen[INDEX["right_ankle"]]


@pytest.mark.parametrize(
    ("rows", "absent"),
    [(1050, "left shin, right shin, left foot, right foot"), (1500, "left foot, right foot")],
    ids=["waist", "knees"],
)
def test_a_photo_that_ends_at_waist_or_knees_leaves_parts_out(cases, sources, rows, absent):
    person = find_person(spoilt(cases["DSC02780"].photo.rgb[:rows]), sources.keypoints, sources.mask)
    assert person.warnings[-1] == f"left out, not in the photo or its mask: {absent}"
    # The mask goes to the photo's end, and everything above the cut is whole.
    assert person.mask[-1].any() and person.seen[: INDEX["left_hip"]].all() and not person.seen[INDEX["left_ankle"]]


def test_toes_out_of_the_photo_are_a_warning(cases, sources):
    found = sources.keypoints.keypoints(spoilt(cases["DSC02780"].photo.rgb[:1890]))
    assert "outside the photo or hidden: right_big_toe" in found.warnings[0]
    assert found.keypoints.origin[INDEX["right_big_toe"]] == "predicted"


@pytest.mark.parametrize("quarter_turns", [1, 2])
def test_a_photo_on_its_side_is_found_and_said(cases, sources, quarter_turns):
    case = cases["DSC02780"]
    upright = find_upright(spoilt(np.rot90(case.photo.rgb, quarter_turns)), sources)
    person = upright.person
    assert upright.turns == 4 - quarter_turns
    assert person.warnings[0].startswith("the person does not stand: the photo was turned by ")
    np.testing.assert_array_equal(upright.photo.rgb, case.photo.rgb)
    assert np.median(np.linalg.norm(person.keypoints.xy - case.person.keypoints.xy, axis=1)) < 10


@pytest.mark.parametrize("scale", [0.4, 0.135])
def test_a_small_person_is_found(cases, sources, scale):
    case = cases["DSC02780"]
    found = find_person(spoilt(small(case.photo.rgb, scale)), *_pair(sources))
    xy = (found.keypoints.xy - [200, 2048 - 80 - round(scale * 2048)]) / scale
    assert np.median(np.linalg.norm(xy - case.truth.xy, axis=1)) < 25
    assert any("expect little detail" in warning for warning in found.warnings) == (scale < 0.3)
    inside = cv2.resize(case.person.mask.astype(np.uint8), (round(scale * 2048),) * 2, interpolation=cv2.INTER_AREA)
    expected = np.zeros_like(found.mask)
    expected[2048 - 80 - len(inside) : 2048 - 80, 200 : 200 + len(inside)] = inside > 0
    assert (found.mask & expected).sum() / (found.mask | expected).sum() > 0.9


def test_two_people(cases, sources):
    left, right = cases["000028"].photo.rgb, cases["DSC02780"].photo.rgb
    both = spoilt(np.hstack([cv2.resize(left, (1155, 1536)), cv2.resize(right, (1536, 1536))]))
    found = find_person(both, *_pair(sources))
    assert any("2 people: took number 2 from the left" in warning for warning in found.warnings)
    assert not found.mask[:, :1155].any(), "the neighbour is not in the mask"
    for number, low in ((1, 0), (2, 1155)):
        joints = MediaPipeDetector(person=number).keypoints(both).keypoints
        assert low < joints.xy[:, 0].min() and joints.xy[:, 0].max() < low + 1536
    with pytest.raises(NoPersonError, match="person 3 was asked for, expected 1 to 2"):
        MediaPipeDetector(person=3).keypoints(both)


def test_threads_do_not_see_each_others_poses(cases):
    """The mask asks for the pose that the joints were found with, whatever other threads have looked at since."""
    first, second = cases["000028"].photo, cases["DSC02780"].photo
    detector = MediaPipeDetector()
    joints = detector.keypoints(first).keypoints
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(lambda: detector.keypoints(second).keypoints).result()
        pose = detector.pose(first, joints)
        assert np.abs(pose.points - other.submit(detector.pose, second, theirs).result().points).max() > 50
    assert detector.pose(first, joints) is pose, "it was kept"


@pytest.mark.parametrize("name", ["grey", "dark", "thumbnail", "mirrored"])
def test_other_pictures_of_one_person(cases, sources, name):
    case = cases["DSC02780"]
    rgb = case.photo.rgb
    changed = {
        "grey": lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2),
        "dark": lambda: rgb // 10,
        "thumbnail": lambda: cv2.resize(rgb, (200, 200), interpolation=cv2.INTER_AREA),
        "mirrored": lambda: rgb[:, ::-1],
    }[name]()
    found = sources.keypoints.keypoints(spoilt(changed)).keypoints
    truth = case.truth.xy.copy()
    if name == "mirrored":
        truth[:, 0] = 2047 - truth[:, 0]
        truth = truth[[INDEX[joint] for joint in swapped(INDEX)]]
    scale = 200 / 2048 if name == "thumbnail" else 1.0
    assert np.median(np.linalg.norm(found.xy / scale - truth, axis=1)) < 25
