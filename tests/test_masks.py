"""Masks that are handed in, rembg by name, and whether a mask may be this person's."""

import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests

import test_model
from datasets.people.given_mask import GivenMask, has_given_mask, mask_path, read_mask
from datasets.people.mediapipe.detector import MediaPipeDetector
from datasets.people.mediapipe.person_mask import MediaPipeMask
from datasets.people.openpose import OpenPoseFile
from datasets.people.person import HAND, MaskError, ModelUnavailableError, Photo, check_mask
from datasets.people.person_sources import person_sources
from datasets.people.rembg_masks import REMBG_MODELS, RembgMask
from geometry.keypoints import Keypoints
from utils.errors import InputError
from utils.files import write_png

ROOT = Path(__file__).parents[1]


def photo(folder: Path, alpha: np.ndarray | None = None, size: int = 100) -> Photo:
    return Photo(folder / "anna.jpg", np.zeros((size, size, 3), np.uint8), alpha)


def block(size: int = 100, value: int = 255) -> np.ndarray:
    """A person of sorts: rows 10 to 89, columns 40 to 59."""
    mask = np.zeros((size, size), np.uint8)
    mask[10:90, 40:60] = value
    return mask


def joints(shift: float = 0.0) -> Keypoints:
    generator = np.random.default_rng(0)
    xy = np.column_stack([generator.uniform(41, 58, 31), np.linspace(12, 88, 31)])
    return Keypoints.from_scores(xy + [shift, 0], np.full(31, 0.9), "here")


@pytest.mark.parametrize("value", [255, 1], ids=["0 and 255", "0 and 1"])
def test_mask_file(tmp_path, value):
    write_png(tmp_path / "anna_mask.png", block(value=value))
    found = GivenMask().mask(photo(tmp_path), joints())
    np.testing.assert_array_equal(found.mask, block() > 0)


def test_cut_out_as_mask_file(tmp_path):
    """A file with transparency means its alpha, whatever its colors are."""
    rgba = np.full((100, 100, 4), 200, np.uint8)
    rgba[..., 3] = block()
    write_png(tmp_path / "anna_mask.png", rgba)
    np.testing.assert_array_equal(read_mask(tmp_path / "anna_mask.png", (100, 100)), block() > 0)


def test_alpha_and_that_the_file_comes_first(tmp_path):
    with_alpha = photo(tmp_path, alpha=block())
    assert has_given_mask(with_alpha) and not has_given_mask(photo(tmp_path))
    np.testing.assert_array_equal(GivenMask().mask(with_alpha, joints()).mask, block() > 0)

    write_png(mask_path(with_alpha.path), block().T)
    np.testing.assert_array_equal(GivenMask().mask(with_alpha, joints()).mask, block().T > 0)


def test_bad_mask_files_are_named(tmp_path):
    with pytest.raises(MaskError, match="anna.jpg: neither anna_mask.png nor an alpha"):
        GivenMask().mask(photo(tmp_path), joints())
    write_png(tmp_path / "anna_mask.png", block(200))
    with pytest.raises(MaskError, match="anna_mask.png: 200 x 200, expected the photo's 100 x 100"):
        GivenMask().mask(photo(tmp_path), joints())
    write_png(tmp_path / "anna_mask.png", 0 * block())
    with pytest.raises(MaskError, match="black everywhere"):
        GivenMask().mask(photo(tmp_path), joints())
    (tmp_path / "anna_mask.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(InputError, match="anna_mask.png: cannot be read"):
        GivenMask().mask(photo(tmp_path), joints())


def test_a_fitting_mask_passes(tmp_path):
    assert check_mask(photo(tmp_path), joints(), block() > 0) == ()


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((100, 100), bool), "empty"),
        (np.ones((100, 100), bool), "fills every border"),
        (np.zeros((100, 90), bool), "mask of 90 x 100, expected the photo's 100 x 100"),
        (
            np.roll(block() > 0, 30, axis=1),
            "holds 0 of 21 confident joints of head, trunk and legs.*another --mask.*anna_mask.png",
        ),
        (np.where(np.arange(100)[:, None] < 40, block(), 0) > 0, r"holds \d+ of 21"),
    ],
    ids=["empty", "everything", "another size", "another person", "cut"],
)
def test_a_wrong_mask_is_refused(tmp_path, mask, words):
    with pytest.raises(MaskError, match=words):
        check_mask(photo(tmp_path), joints(), mask)


@pytest.mark.parametrize(
    ("lost", "words"), [(["left"], "left hand is"), (["left", "right"], "left and right hand are")]
)
def test_a_mask_without_hands_is_a_warning(tmp_path, lost, words):
    """Ten of the 31 joints are fingers and wrists: they do not tell another person."""
    anna = joints()
    xy = anna.xy.copy()
    for side in lost:
        xy[HAND[side], 0] = 20  # beside the mask
    warnings = check_mask(photo(tmp_path), replace(anna, xy=xy), block() > 0)
    assert any(f"{words} not in the mask" in warning for warning in warnings), warnings


def test_joints_of_another_size_are_named_with_the_factor(tmp_path):
    anna = joints()
    half = replace(anna, xy=anna.xy / 2)
    with pytest.raises(MaskError, match="multiplied by 2 the joints would fit"):
        check_mask(photo(tmp_path), half, block() > 0)


def test_a_mask_of_much_more_than_the_person_is_a_warning(tmp_path):
    mask = block() > 0
    mask[20:80, 5:95] = True
    warnings = check_mask(photo(tmp_path), joints(), mask)
    assert len(warnings) == 1 and "overlap by 0.1" in warnings[0]


def fake_rembg(monkeypatch, new_session, remove=None) -> None:
    monkeypatch.setitem(sys.modules, "rembg", types.SimpleNamespace(new_session=new_session, remove=remove, __spec__=1))


def test_rembg_makes_one_session_per_run_and_hands_over_rgb(monkeypatch, tmp_path):
    sessions, calls = [], []

    def new_session(name, sess_opts, providers):
        sessions.append((name, sess_opts.intra_op_num_threads, providers))
        return "session"

    def remove(image, session, only_mask, post_process_mask):
        calls.append((image, session, only_mask, post_process_mask))
        return block()

    fake_rembg(monkeypatch, new_session, remove)
    source, anna = RembgMask("u2net", threads=3), photo(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(source.mask(anna, joints()).mask, block() > 0)

    assert sessions == [("u2net", 3, ["CPUExecutionProvider"])]
    assert [call[1:] for call in calls] == [("session", True, True)] * 2
    assert calls[0][0] is anna.rgb


@pytest.mark.parametrize(
    "error",
    [requests.exceptions.ConnectionError("no route\nto host"), ValueError("hash of downloaded file does not match")],
    ids=["no network", "wrong hash"],
)
def test_rembg_without_its_weights_says_where_to_put_them(monkeypatch, tmp_path, error):
    def new_session(name, sess_opts, providers):
        raise error

    fake_rembg(monkeypatch, new_session)
    monkeypatch.delenv("U2NET_HOME", raising=False)
    monkeypatch.setenv("REMBG_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelUnavailableError) as caught:
        RembgMask("isnet-general-use").mask(photo(tmp_path), joints())
    message = str(caught.value)
    assert str(tmp_path / "cache/models/isnet-general-use/isnet-general-use.onnx") in message
    assert type(error).__name__ in message and "\n" not in message


def test_weights_that_cannot_be_fetched_are_asked_for_once(monkeypatch, tmp_path):
    """When the run starts, and not again for every photo."""
    asked = []

    def new_session(name, sess_opts, providers):
        asked.append(name)
        raise OSError("no route to host")

    fake_rembg(monkeypatch, new_session)
    sources = person_sources("file", "u2net")
    messages = []
    for attempt in (sources.open, lambda: sources.mask.mask(photo(tmp_path), joints())):
        with pytest.raises(ModelUnavailableError) as caught:
            attempt()
        messages.append(str(caught.value))
    assert asked == ["u2net"] and messages[0] == messages[1]
    command = ["--mask", "u2net", "--save_path", str(tmp_path / "results"), str(ROOT / "samples")]
    assert test_model.main(command) == 2 and len(asked) == 2 and not (tmp_path / "results").exists()


def test_rembg_s_own_code_refuses_a_truncated_file(monkeypatch, tmp_path):
    monkeypatch.delenv("U2NET_HOME", raising=False)
    monkeypatch.setenv("REMBG_HOME", str(tmp_path))
    weights = tmp_path / "models/u2net/u2net.onnx"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"\x08\x07half a model")
    with pytest.raises(ModelUnavailableError, match="mask u2net: rembg could not open its weights"):
        RembgMask("u2net").mask(photo(tmp_path), joints())


def test_only_free_local_models_are_on_the_list():
    from rembg.sessions import sessions_class

    known = {session.name(): session for session in sessions_class}
    for name in REMBG_MODELS:
        assert known[name].is_local() and not known[name].requires_credentials()
    assert "bria-rmbg" not in REMBG_MODELS
    with pytest.raises(ValueError, match="bria-rmbg"):
        RembgMask("bria-rmbg")


def test_joints_of_a_smaller_copy_of_the_photo_are_named_with_their_factor():
    photo = Photo.read(ROOT / "samples" / "synthetic_200001.jpg")
    given = OpenPoseFile().keypoints(photo).keypoints.moved(lambda xy: xy / 2)
    with pytest.raises(MaskError, match=r"_keypoints.json\) \(multiplied by 2 they would fit"):
        MediaPipeMask(MediaPipeDetector()).mask(photo, given)
