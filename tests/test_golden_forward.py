"""The full-size model against what the authors' code made of the same weights and photo (METHOD.md 12)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from geometry.poses import Poses
from geometry.window import Window
from inference import PhotoDigitizer
from models.build import ModelConfig, build_digitizer, load_weights
from models.digitizer import Digitized, Digitizer
from models.fast import accelerate
from tests import golden
from tests.conftest import DATA
from utils.checkpoint import OFFICIAL_MODEL, from_official_names, write_checkpoint
from utils.config import build_config
from utils.files import read_depth_png

WINDOW = Window(150, 1950, 624, 1424)
"""The box of a typical standing person."""
SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic_200001.jpg"


def official_model(clear_masks: bool = False, canvas: int = golden.CANVAS) -> Digitizer:
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL | {"canvas": canvas}, "official"))
    load_weights(model, from_official_names(golden.weights(clear_masks), "golden"), "golden")
    return model.eval()


def golden_poses() -> Poses:
    """Of the sample photo 000028; the official names say which is which: z is the inverse of A."""
    with np.load(DATA / "forward_phase2.npz") as arrays:
        return Poses.of(torch.from_numpy(arrays["inv_z"]), torch.from_numpy(arrays["z"]))


def golden_names(result: Digitized) -> dict[str, torch.Tensor]:
    masked = result.coarse_depth.masked
    named = {
        "pred_down_normal_front": result.coarse_normals.front,
        "pred_down_normal_back": result.coarse_normals.back,
        "pred_down_depth_front": masked.front,
        "pred_down_depth_back": masked.back,
        "pred_down_depth_mask": result.coarse_depth.mask_logits.sigmoid(),
        "pred_normal_front": result.fused_normals.front,
        "pred_normal_back": result.fused_normals.back,
        "occupancy": result.covered[:, 0].float(),
    }
    for kind, maps in result.part_normals.items():
        named |= {f"pred_{kind}_normal_front": maps.front[0], f"pred_{kind}_normal_back": maps.back[0]}
    depth = {
        "pred_depth_front": result.depth.depth.front,
        "pred_depth_back": result.depth.depth.back,
        "pred_depth_mask": result.depth.mask_logits.sigmoid(),
    }
    for name, values in depth.items():
        whole = torch.full((1, 1, golden.CANVAS, golden.CANVAS), float("nan"))
        whole[(..., *result.window.slices)] = values
        named[name] = whole
    return named


@torch.inference_mode()
@pytest.mark.parametrize(
    ("numbers", "path"),
    [("forward_phase2", "plain"), ("forward_phase2", "fast"), ("forward_phase2_clear_masks", "fast")],
)
def test_forward_is_the_golden_one(numbers, path):
    clear = numbers.endswith("clear_masks")
    model, window = official_model(clear), None
    if path == "fast":
        model, window = accelerate(model), WINDOW
    actual = golden_names(model(golden.photo(), golden_poses(), window))
    with np.load(DATA / f"{numbers}.npz") as expected:
        compared = [name for name in actual if name in expected.files]
        assert len(compared) == (8 if clear else 21)
        for name in compared:
            stride = 16 if actual[name].shape[-1] == golden.CANVAS else 4
            values = actual[name][..., ::stride, ::stride].numpy()
            inside = np.isfinite(values)
            assert inside.mean() > 0.3
            error = np.abs(values - expected[name])[inside].max()
            assert error < 2e-5, f"{name}: {error}"


@torch.inference_mode()
def test_sixteen_bit_part_networks_turn_hardly_any_normal():
    """With bfloat16 in the part networks, 99.9 % of the fused normals stay within one degree; on a quarter canvas."""
    model, photo, poses = official_model(canvas=512), golden.photo()[..., ::4, ::4], golden_poses()
    maps = [accelerate(model, dtype).phase1(photo, poses) for dtype in (torch.float32, torch.bfloat16)]
    covered = maps[0].covered[0, 0]
    for side in ("front", "back"):
        exact, rounded = (2 * getattr(result.fused_normals, side)[0][:, covered].T.double() - 1 for result in maps)
        sine, cosine = torch.linalg.cross(exact, rounded).norm(dim=1), (exact * rounded).sum(1)
        assert (torch.rad2deg(torch.atan2(sine, cosine)) < 1).double().mean() > 0.999, side


def test_from_photo_to_depth_as_the_official_code_does(tmp_path):
    """The photo dimmed by Pillow itself, through the plain networks, against all of ours: every pixel of the files.

    On a canvas of 512 px, where the golden weights cost a sixteenth of the time.
    """
    weights = from_official_names(golden.weights(), "golden")
    model = dict(OFFICIAL_MODEL, canvas=512)
    write_checkpoint(tmp_path / "golden.pt", model, weights)
    person = PhotoDigitizer.load(tmp_path / "golden.pt", device="cpu")(SAMPLE)
    person.write_maps(tmp_path)

    cut_out = np.where(person.subject.mask[..., None], person.subject.rgb, 0).astype(np.uint8)
    photo = Image.fromarray(cut_out)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        photo = change(photo).enhance(0.85)
    values = 2 * (torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255) - 1
    plain = build_digitizer(build_config(ModelConfig, model, "golden"))
    load_weights(plain, weights, "golden")
    with torch.inference_mode():
        depth = plain.eval()(values, Poses.stack([person.subject.poses])).depth.depth
    body = (depth.front > 0) & (depth.front <= depth.back)
    seen = person.result.window.slices
    for side in ("front", "back"):
        file = read_depth_png(tmp_path / "depth" / f"{person.name}_{side}.png")[seen].astype(float)
        expected = torch.where(body, getattr(depth, side) * (512 / 4 * 32), 0)[0, 0].numpy()[seen]
        # Where front and back are as good as equal, rounding decides who is there.
        assert ((file > 0) != (expected > 0)).mean() < 1e-3 and (file > 0).mean() > 0.1
        both = (file > 0) & (expected > 0)
        # 2 / 16384 of the paper's files, at this size, and what is lost when they are cut to whole numbers.
        assert np.abs(file - expected)[both].max() <= 2 * 512 / 2048 + 1
