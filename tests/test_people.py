"""Sources by name, and the whole way from a photo to a person: choices, errors and warnings."""

import sys
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from datasets.people.choice import choose_person
from datasets.people.given_mask import GivenMask
from datasets.people.mediapipe.detector import MediaPipeDetector
from datasets.people.mediapipe.person_mask import MediaPipeMask
from datasets.people.openpose import OpenPoseFile, keypoint_path, write_keypoints
from datasets.people.person import (
    FoundKeypoints,
    FoundMask,
    KeypointFileError,
    MaskError,
    ModelUnavailableError,
    NoPersonError,
    PersonCutOffError,
    Photo,
    find_person,
)
from datasets.people.person_sources import KEYPOINT_CHOICES, MASK_CHOICES, PersonSources, SourceOptions, person_sources
from datasets.people.rembg_masks import REMBG_MODELS, RembgMask
from datasets.people.rtmw import RtmwKeypoints, weights_folder
from datasets.people.square_canvas import canvas_coordinates
from datasets.people.upright import find_upright, quarter_turns
from geometry.keypoints import INDEX, JOINTS, WHOLEBODY, Keypoints
from geometry.parts import PARTS
from geometry.similarity import left_out, pose_parts
from geometry.warp import part_corners
from tests.standing_person import keypoints, person
from utils.errors import InputError
from utils.files import write_png


def blank(folder: Path, size: tuple[int, int] = (2048, 2048)) -> Photo:
    return Photo(folder / "anna.png", np.full((*size, 3), 127, np.uint8), None)


def body_mask() -> np.ndarray:
    mask = np.zeros((2048, 2048), bool)
    mask[280:1840, 740:1310] = True
    return mask


class Given:
    """A source that has its answer already."""

    def __init__(self, joints: Keypoints, mask: np.ndarray) -> None:
        self.joints, self.pixels = joints, mask

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        return FoundKeypoints(self.joints, ("a word from the joints",))

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        assert keypoints is self.joints, "a mask source gets the joints as they were found"
        return FoundMask(self.pixels, ("a word from the mask",))


def test_find_person_repairs_checks_and_passes_every_warning_on(tmp_path):
    given = Given(keypoints(person(), ("right_ear", "left_heel", "left_finger_3")), body_mask())
    found = find_person(blank(tmp_path), given, given)
    assert found.keypoints.present.all() and found.mask is given.pixels
    assert found.warnings == (
        "a word from the joints",
        "joints placed by rule: right_ear (from the eyes); left_finger_3 (mean of the other fingers);"
        " left_heel (below the ankle)",
        "a word from the mask",
    )


def test_find_person_names_the_photo_without_a_torso(tmp_path):
    given = Given(keypoints(person(), ("left_hip", "right_hip", "left_shoulder")), body_mask())
    with pytest.raises(PersonCutOffError, match="anna.png: both hips and a shoulder are missing.*test"):
        find_person(blank(tmp_path), given, given)


def test_a_mask_that_ends_at_the_waist_leaves_the_legs_out(tmp_path):
    """The mask decides: joints that a rule placed on the background do not make a part, joints beside the mask do."""
    lower = ("left_wrist", "right_wrist", *JOINTS[INDEX["left_hip"] :])
    half, above = body_mask(), int(person()[[INDEX["left_hip"], INDEX["right_hip"]], 1].min()) - 60
    half[above:] = False
    given = Given(keypoints(person(), lower), half)
    found = find_person(blank(tmp_path), given, given)
    assert found.warnings[-1] == (
        "left out, not in the photo or its mask: left thigh, left shin, right thigh, right shin, left foot, right foot"
    )
    poses = pose_parts(canvas_coordinates(found.keypoints.xy, 2048), found.seen)
    absent = [part.name for part, corners in zip(PARTS, part_corners(poses.canvas_from_part, 2048), strict=True)
              if (corners[:, 0] > 2048).all()]  # fmt: skip
    assert absent == [f"{side}_{part}" for side in ("left", "right") for part in ("thigh", "shin")] + [
        "left_foot", "right_foot"]  # fmt: skip
    # Hidden joints on the mask, as under a long skirt, keep their parts.
    hidden = Given(keypoints(person(), lower), body_mask())
    assert not left_out(find_person(blank(tmp_path), hidden, hidden).seen)


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (40, 0), (50, 1), (90, 1), (180, 2), (270, 3), (-50, 3)])
def test_a_photo_on_its_side_is_turned_upright_and_said(tmp_path, degrees, turns):
    """Turned clockwise by `degrees`, it comes back by quarter turns, with joints and mask."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    joints = keypoints((person() - 1023.5) @ turn.T + 1023.5)
    everywhere = np.pad(np.ones((2046, 2046), bool), 1)
    given = Given(joints, everywhere if degrees % 90 else np.rot90(body_mask(), -turns))
    upright = find_upright(blank(tmp_path), PersonSources(given, given))
    found = upright.person
    assert upright.turns == turns and ("the photo was turned" in found.warnings[0]) == (turns > 0)
    if degrees % 90 == 0:
        np.testing.assert_allclose(found.keypoints.xy, person(), atol=1e-9)
        np.testing.assert_array_equal(found.mask, body_mask())
    assert upright.photo.rgb.shape == (2048, 2048, 3)
    assert quarter_turns(found.keypoints) == 0


def test_a_small_person_is_said(tmp_path):
    small = Given(keypoints(person() * 0.25 + 600), np.zeros((2048, 2048), bool))
    small.pixels[660:1070, 780:940] = True
    warnings = find_person(blank(tmp_path), small, small).warnings
    assert "the person spans only 18 % of the photo: expect little detail" in warnings


def test_who_is_taken():
    boxes = np.array([[800, 0, 1000, 900], [300, 50, 520, 950], [0, 0, 60, 300]])
    index, warnings = choose_person(boxes, (1000, 1000), None, "a.png")
    assert index == 1 and "3 people: took number 2 from the left" in warnings[0]
    assert choose_person(boxes, (1000, 1000), 1, "a.png") == (2, ())
    assert choose_person(boxes[:1], (1000, 1000), None, "a.png") == (0, ())
    with pytest.raises(NoPersonError, match="a.png: person 4 was asked for, expected 1 to 3"):
        choose_person(boxes, (1000, 1000), 4, "a.png")


def test_what_is_not_installed_is_said_once_at_the_start(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "rtmlib" else True)
    with pytest.raises(ModelUnavailableError, match="--keypoints rtmw: the package rtmlib is missing: pip install"):
        person_sources(keypoints="rtmw")
    with pytest.raises(ModelUnavailableError, match="--providers TPU: expected some of .*CPUExecutionProvider"):
        person_sources(options=SourceOptions(providers=("TPU",)))
    with pytest.raises(InputError, match="--threads -1, expected 0 or more"):
        person_sources(options=SourceOptions(threads=-1))


def test_each_thread_chooses_a_person_of_its_own():
    """Photos are worked on at a time: everybody of one is gone through while another's third person is looked for."""
    sources = person_sources(options=SourceOptions(person=1))

    def wanted() -> set[int | None]:
        return {source.wanted.person for source in sources.choosers}

    with ThreadPoolExecutor(1) as other:
        sources.choose(3)
        assert wanted() == {3} and other.submit(wanted).result() == {1}


def test_every_choice_has_its_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmlib", types.SimpleNamespace(__spec__=1))
    kinds = {"file": OpenPoseFile, "mediapipe": MediaPipeDetector, "rtmw": RtmwKeypoints}
    for choice in KEYPOINT_CHOICES:
        source = person_sources(keypoints=choice).keypoints
        assert choice == "auto" or type(source) is kinds[choice]
    kinds = {"file": GivenMask, "mediapipe": MediaPipeMask, "mediapipe-skirt": MediaPipeMask}
    for choice in MASK_CHOICES:
        source = person_sources(mask=choice).mask
        assert choice == "auto" or type(source) is kinds.get(choice, RembgMask)
    assert set(REMBG_MODELS) < set(MASK_CHOICES)


def test_unknown_choices_are_named():
    with pytest.raises(InputError, match="--keypoints openpose, expected one of auto, file"):
        person_sources(keypoints="openpose")
    with pytest.raises(InputError, match="--mask bria-rmbg, expected one of auto, file"):
        person_sources(mask="bria-rmbg")
    with pytest.raises(InputError, match="person 0, expected a number from 1"):
        person_sources(options=SourceOptions(person=0))


def test_auto_takes_what_lies_beside_the_photo(tmp_path):
    photo, mask = blank(tmp_path), body_mask()
    write_keypoints(keypoint_path(photo.path), keypoints(person()))
    write_png(tmp_path / "anna_mask.png", mask.astype(np.uint8) * 255)
    sources = person_sources()
    found = find_person(photo, sources.keypoints, sources.mask)
    np.testing.assert_allclose(found.keypoints.xy, person(), atol=1e-3)
    np.testing.assert_array_equal(found.mask, mask)
    assert found.keypoints.source == "anna_keypoints.json"


def test_nothing_falls_back_silently(tmp_path):
    """A broken file is an error even for auto, and a named source is never replaced by another."""
    photo = blank(tmp_path)
    with pytest.raises(KeypointFileError, match="no such file"):
        person_sources("file").keypoints.keypoints(photo)
    with pytest.raises(MaskError, match="neither anna_mask.png nor an alpha"):
        person_sources(mask="file").mask.mask(photo, keypoints(person()))
    keypoint_path(photo.path).write_text("{}")
    with pytest.raises(KeypointFileError, match="no list named people"):
        person_sources("auto").keypoints.keypoints(photo)
    with pytest.raises(NoPersonError, match="anna.png: no person found"):
        person_sources("mediapipe").keypoints.keypoints(photo)


@pytest.mark.parametrize("picture", ["black", "white", "noise", "one pixel", "thin"])
def test_a_photo_without_a_person(tmp_path, picture):
    generator = np.random.default_rng(0)
    pixels = {
        "black": np.zeros((300, 200, 3), np.uint8),
        "white": np.full((200, 300, 3), 255, np.uint8),
        "noise": generator.integers(0, 255, (256, 256, 3), dtype=np.uint8),
        "one pixel": np.zeros((1, 1, 3), np.uint8),
        "thin": np.zeros((900, 3, 3), np.uint8),
    }[picture]
    with pytest.raises(NoPersonError, match="anna.png: no person found"):
        MediaPipeDetector().keypoints(Photo(tmp_path / "anna.png", pixels, None))


def test_a_mask_of_joints_on_the_background(tmp_path):
    with pytest.raises(MaskError, match="anna.png: the mask network sees no person"):
        MediaPipeMask(MediaPipeDetector()).mask(blank(tmp_path), keypoints(person()))


class FakeWholebody:
    """rtmlib.Wholebody as far as it is used: BGR in, 133 points out."""

    boxes = np.array([[0.0, 0.0, 400.0, 900.0], [500.0, 0.0, 1500.0, 2000.0]])

    def __init__(self, mode, to_openpose, backend, device) -> None:
        assert (mode, to_openpose, backend, device) == ("performance", False, "onnxruntime", "cpu")
        self.calls = []

    def det_model(self, image):
        self.calls.append(("detect", image[0, 0].tolist()))
        return self.boxes

    def pose_model(self, image, bboxes):
        self.calls.append(("pose", [box.tolist() for box in bboxes]))
        numbers = np.arange(133.0)
        score = np.full(133, 0.8)
        score[[3, 97]] = 0.1, -1.0
        return np.column_stack([numbers, 2 * numbers])[None], score[None]


def install_rtmlib(monkeypatch, wholebody) -> None:
    monkeypatch.setitem(sys.modules, "rtmlib", types.SimpleNamespace(Wholebody=wholebody, __spec__=1))


def test_rtmw(monkeypatch, tmp_path):
    install_rtmlib(monkeypatch, FakeWholebody)
    source, photo = RtmwKeypoints(), blank(tmp_path)
    photo.rgb[0, 0] = (1, 2, 3)
    found = source.keypoints(photo)

    assert source.open().calls == [("detect", [3, 2, 1]), ("pose", [[500.0, 0.0, 1500.0, 2000.0]])]
    assert "2 people: took number 2" in found.warnings[0]
    seen = found.keypoints.present
    assert [i for i in range(31) if not seen[i]] == [INDEX["left_ear"], INDEX["left_finger_2"]]
    np.testing.assert_array_equal(found.keypoints.xy[seen, 0], np.array(WHOLEBODY)[seen])
    models = source.open()
    source.keypoints(photo)
    assert source.open() is models, "one session per run"


def test_rtmw_says_when_no_person_is_there(monkeypatch, tmp_path):
    class NoPerson(FakeWholebody):
        boxes = np.zeros((0, 4))

        def pose_model(self, image, bboxes):
            raise AssertionError("rtmlib would take the whole picture for a person")

    install_rtmlib(monkeypatch, NoPerson)
    with pytest.raises(NoPersonError, match="anna.png: no person found by RTMW"):
        RtmwKeypoints().keypoints(blank(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        zipfile.BadZipFile("not a zip"),
        UnboundLocalError("path"),
        ValueError("unknown url"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_rtmw_without_its_weights_says_where_to_put_them(monkeypatch, tmp_path, error):
    def broken(**kwargs):
        raise error

    install_rtmlib(monkeypatch, broken)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailableError) as caught:
        RtmwKeypoints().keypoints(blank(tmp_path))
    assert type(error).__name__ in str(caught.value) and str(tmp_path / "hub/checkpoints") in str(caught.value)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert str(weights_folder()) == "/cache/rtmlib/hub/checkpoints"


@pytest.mark.parametrize("package", ["rtmlib", "onnxruntime"])
def test_rtmw_without_its_package(monkeypatch, tmp_path, package):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find("json"))
    with pytest.raises(ModelUnavailableError, match=f"keypoints rtmw: the package {package} is missing: pip install"):
        RtmwKeypoints().keypoints(blank(tmp_path))
