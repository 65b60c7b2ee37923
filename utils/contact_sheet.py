"""One picture per person, by which to judge a result at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.keypoints import INDEX, JOINTS
from geometry.parts import PARTS
from geometry.point_cloud import PointCloud, Sides

TILE_HEIGHT = 720
CAPTION_HEIGHT = 30
BACKGROUND = 32
TURNS_DEG = (-45, 45, 90)
"""Views of the cloud from the side: a flat card or a torn limb shows there."""
LIGHT = np.array([0.35, 0.45, 0.82])
SPLATTED_POINTS = 600_000

SKELETON = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_ear", "left_eye"),
    ("right_ear", "right_eye"), ("left_eye", "nose"), ("right_eye", "nose"),
    *((f"{side}_{a}", f"{side}_{b}")
      for side in ("left", "right")
      for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"),
                   ("ankle", "heel"), ("heel", "big_toe"), ("big_toe", "little_toe"), ("wrist", "finger_2"),
                   ("wrist", "finger_3"), ("wrist", "finger_4"), ("wrist", "finger_5"))),
)  # fmt: skip
SIDE_COLORS = {"left": (255, 120, 40), "right": (60, 170, 255), "": (250, 250, 250)}
PART_COLORS = {"face": (255, 80, 200), "upper": (255, 255, 90), "arm": (90, 255, 120), "leg": (120, 160, 255),
               "shoe": (255, 150, 80)}  # fmt: skip
PREDICTED_COLOR = (255, 40, 40)


@dataclass(frozen=True)
class SheetInput:
    """What a contact sheet shows, on an R x R canvas."""

    photo: np.ndarray  # (R, R, 3) uint8
    person: np.ndarray  # (R, R) bool, the mask that was used
    joints: np.ndarray  # (31, 2) [px]
    predicted: np.ndarray  # (31,) bool, joints that a rule placed
    part_corners: np.ndarray  # (12, 4, 2) [px], corners of the crops in turn
    normals_front: np.ndarray  # (R, R, 3) uint8 stored normals
    normals_back: np.ndarray  # (R, R, 3) uint8
    sides: Sides
    cloud: PointCloud  # with the side gap closed


def contact_sheet(data: SheetInput, title: str) -> np.ndarray:
    """Two rows of tiles, all cut to the person.

    Photo with joints and part crops, cut-out, normals front and back; surface front and back, shaded, and the cloud
    from three sides.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    crop = _person_crop(data)
    normals = [np.where(data.person[..., None], n, BACKGROUND) for n in (data.normals_front, data.normals_back)]
    cut_out = np.where(data.person[..., None], data.photo, BACKGROUND)
    pictures = {
        "photo, joints, parts": draw_people(data)[crop],
        "cut-out": cut_out[crop],
        "normals front": normals[0][crop],
        "normals back": normals[1][crop],
        "colored cloud": _splat(data.cloud, 0, crop, shaded=False),
        "depth front, shaded": _shaded_side(data, "front")[crop],
        "depth back, shaded": _shaded_side(data, "back")[crop],
    }
    for turn in TURNS_DEG:
        pictures[f"cloud turned {turn} deg"] = _splat(data.cloud, turn, crop, shaded=True)
    tiles = [_tile(picture, caption) for caption, picture in pictures.items()]
    columns = len(tiles) // 2
    sheet = np.vstack([np.hstack(tiles[:columns]), np.hstack(tiles[columns:])])
    cv2.putText(sheet, title, (8, sheet.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return sheet


def draw_people(data: SheetInput) -> np.ndarray:
    """The photo with the mask's outline, the skeleton (red: placed by a rule) and the crops of the parts."""
    size = len(data.photo)
    width = max(size // 500, 1)
    picture = data.photo.copy()
    for part, corners in zip(PARTS, data.part_corners, strict=True):
        outline = np.round(corners).astype(np.int32)[None]
        cv2.polylines(picture, outline, True, PART_COLORS[part.kind.name], width, cv2.LINE_AA)
    contours, _ = cv2.findContours(data.person.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, (255, 255, 255), width)
    at = lambda name: tuple(int(v) for v in np.round(data.joints[INDEX[name]]))  # noqa: E731
    for a, b in SKELETON:
        side = a.split("_")[0] if a.split("_")[0] == b.split("_")[0] else ""
        cv2.line(picture, at(a), at(b), SIDE_COLORS[side], 2 * width, cv2.LINE_AA)
    for name, predicted in zip(JOINTS, data.predicted, strict=True):
        color = PREDICTED_COLOR if predicted else SIDE_COLORS.get(name.split("_")[0], SIDE_COLORS[""])
        cv2.circle(picture, at(name), 3 * width, color, -1, cv2.LINE_AA)
    return picture


def _person_crop(data: SheetInput) -> tuple[slice, slice]:
    """Rows and columns around the person with some air."""
    size = len(data.photo)
    rows, columns = np.flatnonzero(data.person.any(1)), np.flatnonzero(data.person.any(0))
    air = size // 32
    top, bottom = max(rows[0] - air, 0), min(rows[-1] + 1 + air, size)
    left, right = max(columns[0] - air, 0), min(columns[-1] + 1 + air, size)
    return slice(top, bottom), slice(left, right)


def _shaded_side(data: SheetInput, which: str) -> np.ndarray:
    """One side's surface as grey, lit from its own viewer."""
    side = getattr(data.sides, which)
    picture = np.full((*data.photo.shape[:2], 3), BACKGROUND, np.uint8)
    light = LIGHT if which == "front" else LIGHT * (1, 1, -1)
    grey = _lambert(side.normals, light)
    window = picture[data.sides.window.slices]
    window[data.sides.silhouette] = grey[data.sides.silhouette][:, None]
    return picture


def _lambert(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """(..., 3) -> (...) uint8 grey under one light and some ambient."""
    return (40 + 205 * np.clip(normals @ light.astype(normals.dtype), 0, 1)).astype(np.uint8)


def _splat(cloud: PointCloud, turn_deg: float, crop: tuple[slice, slice], shaded: bool) -> np.ndarray:
    """The cloud from a viewer who walks around it, in parallel projection, at the scale of the crop's height."""
    stride = max(len(cloud) // SPLATTED_POINTS, 1)
    points, normals = cloud.points[::stride], cloud.normals[::stride]
    rows, columns = crop
    height, width = rows.stop - rows.start, columns.stop - columns.start
    tile_hw = (TILE_HEIGHT, max(round(TILE_HEIGHT * width / height), 1))
    angle = np.radians(turn_deg)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    low, high = points.min(0), points.max(0)
    turned = (points - (low + high) / 2) @ turn.T
    scale = 0.92 * TILE_HEIGHT / max(high[1] - low[1], 1e-6)
    column = (turned[:, 0] * scale + tile_hw[1] / 2).astype(int)
    row = (-turned[:, 1] * scale + tile_hw[0] / 2).astype(int)
    seen = (row >= 0) & (row < tile_hw[0]) & (column >= 0) & (column < tile_hw[1])
    light = LIGHT.astype(np.float32)
    color = _lambert(normals @ turn.T.astype(np.float32), light)[:, None] if shaded else cloud.colors[::stride]
    order = np.flatnonzero(seen)[np.argsort(turned[seen, 2], kind="stable")]
    # A point covers the pixels up to its neighbours, which turning spreads to twice the distance at 60 deg.
    reach = int(np.ceil(2 * TILE_HEIGHT / height))
    picture = np.full((tile_hw[0] + reach, tile_hw[1] + reach, 3), BACKGROUND, np.uint8)
    for down in range(reach):
        for right in range(reach):
            picture[row[order] + down, column[order] + right] = color[order]
    return picture[: tile_hw[0], : tile_hw[1]]


def _tile(picture: np.ndarray, caption: str) -> np.ndarray:
    """A picture at the tile's height under its caption."""
    width = max(round(picture.shape[1] * TILE_HEIGHT / picture.shape[0]), 1)
    scaled = cv2.resize(picture, (width, TILE_HEIGHT), interpolation=cv2.INTER_AREA)
    tile = np.full((TILE_HEIGHT + CAPTION_HEIGHT, width, 3), BACKGROUND, np.uint8)
    tile[CAPTION_HEIGHT:] = scaled
    cv2.putText(tile, caption, (6, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (230, 230, 230), 1, cv2.LINE_AA)
    return tile
