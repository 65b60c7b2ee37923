"""Where training pairs lie on disk: the official folders and names (METHOD.md 2.4).

Only home of the layout, so that pairs made by the official renderer and by ours mix freely.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from utils.errors import InputError
from utils.files import check_name

SHADED, UNLIT, DEPTH, JOINTS = "PERS/COLOR/SHADED", "PERS/COLOR/NOSHADING", "PERS/DEPTH", "PERS/keypoint"
"""Folders of the lit photos, unlit colors, depth and joints; each holds one folder a view (`viewpoint_of`)."""
IMAGE_FILES = (
    (SHADED, "_front.png"),
    (UNLIT, "_front.png"),
    (UNLIT, "_back.png"),
    (DEPTH, "_front.png"),
    (DEPTH, "_back.png"),
)
"""The five pictures of a pair: the folder of their kind, and what follows the subject in the name."""
JOINTS_FILE = (JOINTS, "_front.npy")
_BETWEEN_PATHS = re.compile(r"\s+(?=/)")
"""In a line of a list; names may have blanks."""
_VIEW = re.compile(r"(?P<set>.+)_0_y_(?P<yaw>-?\d+(\.\d+)?)_x")


@dataclass(frozen=True)
class Viewpoint:
    """A set of people seen from one side: what a folder of pictures is named after."""

    set_name: str
    yaw: float  # [deg] the people are turned about Y


def viewpoint_of(folder: str) -> Viewpoint | None:
    """The viewpoint of a folder's name, {SET}_0_y_{YAW}_x; None for any other name."""
    match = _VIEW.fullmatch(folder)
    return Viewpoint(match["set"], float(match["yaw"])) if match else None


@dataclass(frozen=True, order=True)
class Pair:
    """Names one training pair: a subject of a set, seen from one side."""

    set_name: str
    subject: str
    yaw: float  # [deg] the person is turned about Y

    def __post_init__(self) -> None:
        """Raises InputError for a name that would lead out of the data folder."""
        for name in (self.set_name, self.subject):
            check_name(name, "training pair")

    @property
    def folder(self) -> str:
        """Name of the view: {SET}_0_y_{YAW}_x."""
        return f"{self.set_name}_0_y_{self.yaw:g}_x"

    @property
    def shaded_front(self) -> str:
        """The lit photo."""
        return f"{SHADED}/{self.folder}/{self.subject}_front.png"

    def color(self, side: str) -> str:
        """Unlit color; side is "front" or "back"."""
        return f"{UNLIT}/{self.folder}/{self.subject}_{side}.png"

    def depth(self, side: str) -> str:
        """Depth; side is "front" or "back"."""
        return f"{DEPTH}/{self.folder}/{self.subject}_{side}.png"

    @property
    def joints(self) -> str:
        """The 31 joints."""
        return f"{JOINTS}/{self.folder}/{self.subject}{JOINTS_FILE[1]}"

    @property
    def joints_json(self) -> str:
        """Where owners of the official sets keep what OpenPose found on the render."""
        return f"PERS/keypoint_json/{self.folder}/{self.subject}_front_keypoints.json"

    @property
    def images(self) -> tuple[str, ...]:
        """The five pictures of the pair."""
        return tuple(f"{kind}/{self.folder}/{self.subject}{ending}" for kind, ending in IMAGE_FILES)

    @property
    def list_line(self) -> str:
        """The pair's line in a list file."""
        return f"/{self.shaded_front} /{self.color('front')} /{self.depth('front')}"

    @classmethod
    def from_list_line(cls, line: str) -> Pair:
        """The pair that a list file's line names.

        Raises:
            InputError: the line does not name one pair of the official layout.
        """
        paths = _BETWEEN_PATHS.split(line.strip())
        shaded = Path(paths[0])
        view = viewpoint_of(shaded.parent.name)
        if view and shaded.name.endswith("_front.png"):
            pair = cls(view.set_name, shaded.name.removesuffix("_front.png"), view.yaw)
            if paths == _BETWEEN_PATHS.split(pair.list_line):
                return pair
        raise InputError(
            f"line {line.strip()!r}, expected three paths like {cls('RP', 'rp_someone_posed_001', -30).list_line}"
        )
