"""One picture per person, by which to judge a result at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from geometry.keypoints import JOINTS
from geometry.parts import PARTS
from geometry.textured_mesh import TexturedMesh
from utils.portrait import Portrait, around

TILE_HEIGHT = 720
CAPTION_HEIGHT = 30
BACKGROUND = 32
TEXTURED_BACKGROUND = 112  # black clothes and white ones stand out from it
SURFACE_TURNS_DEG = ((0, 180), (-45, 45, 90))
"""Views of the bare surface in both rows: a flat card or a torn limb shows from the side."""
TEXTURED_TURNS_DEG = (0, 45, 180)

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
    surface: TexturedMesh  # in the camera's frame


def contact_sheet(data: SheetInput, title: str) -> np.ndarray:
    """Two rows of tiles.

    Photo with joints and part crops, cut-out, normals and surface, front and back; the surface and the textured person
    from three sides each.

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
    }
    textured, bare = {}, {}
    for turn in sorted({*TEXTURED_TURNS_DEG, *SURFACE_TURNS_DEG[0], *SURFACE_TURNS_DEG[1]}):
        portrait = Portrait.of(data.surface, around(data.surface, TILE_HEIGHT, turn))
        bare[turn] = portrait.clay(BACKGROUND)
        if turn in TEXTURED_TURNS_DEG:
            textured[f"textured {_view(turn)}"] = portrait.textured(TEXTURED_BACKGROUND)
    first, second = ({f"surface {_view(turn)}": bare[turn] for turn in turns} for turns in SURFACE_TURNS_DEG)
    rows = [np.hstack([_tile(picture, caption) for caption, picture in row.items()])
            for row in (pictures | first, second | textured)]  # fmt: skip
    width = max(row.shape[1] for row in rows)
    sheet = np.full((sum(len(row) for row in rows), width, 3), BACKGROUND, np.uint8)
    sheet[: len(rows[0]), : rows[0].shape[1]], sheet[len(rows[0]) :, : rows[1].shape[1]] = rows
    cv2.putText(sheet, title, (8, sheet.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return sheet


def _view(turn: int) -> str:
    """What a view is called."""
    return {0: "front", 180: "back"}.get(turn, f"turned {turn} deg")


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
    at = dict(zip(JOINTS, np.round(data.joints).astype(int).tolist(), strict=True))
    for a, b in SKELETON:
        side = a.split("_")[0] if a.split("_")[0] == b.split("_")[0] else ""
        cv2.line(picture, at[a], at[b], SIDE_COLORS[side], 2 * width, cv2.LINE_AA)
    for name, predicted in zip(JOINTS, data.predicted, strict=True):
        color = PREDICTED_COLOR if predicted else SIDE_COLORS.get(name.split("_")[0], SIDE_COLORS[""])
        cv2.circle(picture, at[name], 3 * width, color, -1, cv2.LINE_AA)
    return picture


def _person_crop(data: SheetInput) -> tuple[slice, slice]:
    """Rows and columns around the person with some air."""
    size = len(data.photo)
    rows, columns = np.flatnonzero(data.person.any(1)), np.flatnonzero(data.person.any(0))
    air = size // 32
    top, bottom = max(rows[0] - air, 0), min(rows[-1] + 1 + air, size)
    left, right = max(columns[0] - air, 0), min(columns[-1] + 1 + air, size)
    return slice(top, bottom), slice(left, right)


def _tile(picture: np.ndarray, caption: str) -> np.ndarray:
    """A picture at the tile's height under its caption."""
    width = max(round(picture.shape[1] * TILE_HEIGHT / picture.shape[0]), 1)
    scaled = cv2.resize(picture, (width, TILE_HEIGHT), interpolation=cv2.INTER_AREA)
    tile = np.full((TILE_HEIGHT + CAPTION_HEIGHT, width, 3), BACKGROUND, np.uint8)
    tile[CAPTION_HEIGHT:] = scaled
    cv2.putText(tile, caption, (6, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (230, 230, 230), 1, cv2.LINE_AA)
    return tile
