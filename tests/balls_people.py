"""People made of balls, rendered in closed form: a data folder in the official layout within a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.pairs.pair_files import PairImages, write_images, write_joints
from datasets.pairs.pair_layout import Pair
from geometry.camera import Camera
from geometry.depth import encode_pixels, pixels_from_distance
from geometry.keypoints import INDEX, JOINTS

BONES = (
    ("head", "head", 0.055), ("neck", "pelvis", 0.075), ("left_shoulder", "right_shoulder", 0.045),
    ("left_hip", "right_hip", 0.05), ("left_shoulder", "left_elbow", 0.028), ("left_elbow", "left_wrist", 0.024),
    ("left_wrist", "left_hand", 0.018), ("left_hip", "left_knee", 0.042), ("left_knee", "left_ankle", 0.032),
    ("left_heel", "left_toes", 0.02), ("right_shoulder", "right_elbow", 0.028), ("right_elbow", "right_wrist", 0.024),
    ("right_wrist", "right_hand", 0.018), ("right_hip", "right_knee", 0.042), ("right_knee", "right_ankle", 0.032),
    ("right_heel", "right_toes", 0.02),
)  # fmt: skip


def skeleton(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Places of the body in the world, arms and legs a little random."""
    place = {"head": np.array([0, 0.3, 0.02]), "neck": np.array([0, 0.2, 0]), "pelvis": np.array([0, 0.0, 0])}
    for side, sign in (("left", 1), ("right", -1)):
        arm, leg = rng.uniform(0.2, 0.9), rng.uniform(0.0, 0.25)
        along = np.array([sign * np.sin(arm), -np.cos(arm), rng.uniform(-0.2, 0.3)])
        down = np.array([sign * np.sin(leg), -np.cos(leg), rng.uniform(-0.1, 0.1)])
        place[f"{side}_shoulder"] = np.array([sign * 0.075, 0.2, 0])
        place[f"{side}_elbow"] = place[f"{side}_shoulder"] + 0.12 * along
        place[f"{side}_wrist"] = place[f"{side}_elbow"] + 0.11 * along
        place[f"{side}_hand"] = place[f"{side}_wrist"] + 0.05 * along
        place[f"{side}_hip"] = np.array([sign * 0.045, -0.02, 0])
        place[f"{side}_knee"] = place[f"{side}_hip"] + 0.16 * down
        place[f"{side}_ankle"] = place[f"{side}_knee"] + 0.16 * down
        place[f"{side}_heel"] = place[f"{side}_ankle"] + np.array([0, -0.02, -0.02])
        place[f"{side}_toes"] = place[f"{side}_ankle"] + np.array([sign * 0.01, -0.02, 0.06])
    return place


def joints_of(place: dict[str, np.ndarray]) -> np.ndarray:
    """(31, 3) world."""
    xyz = np.zeros((31, 3))
    for name in JOINTS:
        side, _, joint = name.partition("_")
        sign = {"left": 1, "right": -1}.get(side, 0)
        if name in place:
            xyz[INDEX[name]] = place[name]
        elif joint.startswith("finger"):
            xyz[INDEX[name]] = place[f"{side}_hand"] + [0.004 * (int(joint[-1]) - 3.5), 0, 0]
        elif joint.endswith("toe"):
            xyz[INDEX[name]] = place[f"{side}_toes"] + [sign * (0.01 if joint == "little_toe" else -0.01), 0, 0]
        else:
            xyz[INDEX[name]] = place["head"] + [sign * {"eye": 0.02, "ear": 0.055}.get(joint, 0), 0.01, 0.05]
    return xyz


def render(place: dict[str, np.ndarray], size: int, rng: np.random.Generator) -> PairImages:
    """First and last hit of every ray on the balls; color is the height, lit by the view."""
    rays, centre = Camera(size).rays(), np.array([0, 0, 1.0])
    near, far = np.full((size, size), np.inf), np.full((size, size), -np.inf)
    hue = np.zeros((size, size, 3))
    for start, end, radius in BONES:
        color = rng.uniform(60, 255, 3)
        for way in np.linspace(0, 1, 6 if start != end else 1):
            ball = (1 - way) * place[start] + way * place[end]
            along = rays @ (ball - centre)
            inside = along**2 - ((ball - centre) @ (ball - centre) - radius**2)
            root = np.sqrt(np.maximum(inside, 0))
            first = (inside > 0) & (along - root < near)
            shade = 0.4 + 0.6 * root / radius
            hue = np.where(first[..., None], color * np.minimum(shade, 1)[..., None], hue)
            near = np.where(inside > 0, np.minimum(near, along - root), near)
            far = np.where(inside > 0, np.maximum(far, along + root), far)
    hit = np.isfinite(near)
    depth = [encode_pixels(np.where(hit, pixels_from_distance(np.where(hit, t, 1), size), 0)) for t in (near, far)]
    rgb = np.round(hue).astype(np.uint8)
    return PairImages(rgb, rgb, rgb, *depth)


def make(root: Path, size: int, train: int, validation: int, seed: int = 0) -> None:
    """Write pairs and the lists Synthetic_train and Synthetic_val."""
    rng = np.random.default_rng(seed)
    pairs = [Pair("Synthetic", f"{number:04d}", 0) for number in range(train + validation)]
    for pair in pairs:
        place = skeleton(rng)
        write_images(root, pair, render(place, size, rng))
        write_joints(root, pair, np.column_stack([Camera(size).project(joints_of(place)), np.ones(31)]))
    (root / "list").mkdir(exist_ok=True)
    for name, members in (("train", pairs[:train]), ("val", pairs[train:])):
        (root / "list" / f"Synthetic_{name}.txt").write_text("".join(f"{pair.list_line}\n" for pair in members))
