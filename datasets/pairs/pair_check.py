"""Which of the listed pairs can be used: a look at the head of every file, and a record for the next start."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from datasets.pairs.pair_files import picture_size, read_joints
from datasets.pairs.pair_layout import Pair
from datasets.people.square_canvas import canvas_coordinates
from geometry.joint_repair import IncompletePersonError, repair
from geometry.keypoints import INDEX, Keypoints
from geometry.similarity import pose_parts
from utils.errors import InputError
from utils.files import write_text

BAD_FRACTION = 0.01
"""Training goes on without up to this fraction of its samples."""
THREADS, AT_ONCE = 8, 64
"""Several threads wait for the disk or the network; each takes this many pairs at once."""
WAITING = 0.7
"""Of the time, that Python works, below which pairs are waited for. Above, threads would wait for each other: twice as
long."""
TORSO = [INDEX[name] for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]
LONG_TORSO = 2.0
"""[px] `repair` accepts every person whose torso is this long and whose joints are all known."""


def joints_on_canvas(path: Path, joints: np.ndarray, present: np.ndarray, canvas: int) -> np.ndarray:
    """(31, 2) [px] with every gap closed.

    Args:
        path: of the joint file, for error messages.
        joints: (31, 2) [px].
        present: (31,) bool.
        canvas: side of the canvas [px].

    Raises:
        InputError: too little of the person is known.
    """
    try:
        keypoints = Keypoints.from_scores(joints, present.astype(float), str(path))
        repaired = repair(keypoints).keypoints
        pose_parts(canvas_coordinates(repaired.xy, canvas))
    except (IncompletePersonError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    return repaired.xy


def check_pair(root: Path, pair: Pair, canvas: int) -> None:
    """Look at a pair without decoding it, each file opened once: files there, sizes right, joints usable.

    Raises:
        InputError: names the file and the reason.
    """
    for path in (pair.shaded_front, pair.depth("front"), pair.depth("back")):
        width, height = picture_size(root / path)
        if (width, height) != (canvas, canvas):
            raise InputError(f"{root / path}: {width} x {height} px, expected model.canvas = {canvas}")
    joints, present = read_joints(root / pair.joints)
    shoulders, hips = joints[TORSO].reshape(2, 2, 2).mean(1)
    # All but a few people are complete, and need no look at every rule.
    if not present.all() or np.hypot(*(hips - shoulders)) < LONG_TORSO:
        joints_on_canvas(root / pair.joints, joints, present, canvas)


def check_pairs(root: Path, pairs: Sequence[Pair], canvas: int) -> dict[int, str]:
    """Position -> one line, of the pairs that `check_pair` refuses."""

    def look(positions: range) -> dict[int, str]:
        problems = {}
        for position in positions:
            try:
                check_pair(root, pairs[position], canvas)
            except InputError as error:
                problems[position] = str(error)
        return problems

    found: dict[int, str] = {}
    done, at_once = 0, 1
    with ThreadPoolExecutor(THREADS) as pool:
        while done < len(pairs):
            parts = [range(len(pairs))[done + AT_ONCE * part :][:AT_ONCE] for part in range(at_once)]
            started, worked = time.perf_counter(), time.process_time()
            for problems in pool.map(look, parts) if at_once > 1 else map(look, parts):
                found |= problems
            worked, taken = time.process_time() - worked, time.perf_counter() - started
            done += AT_ONCE * at_once
            at_once = THREADS if worked < WAITING * taken else 1
    return found


def without(pairs: Sequence[Pair], problems: dict[int, str]) -> tuple[list[Pair], list[str]]:
    """The pairs that can be used, and one line about each of the others.

    Raises:
        InputError: they are more than BAD_FRACTION.
    """
    lines = [problems[position] for position in sorted(problems)]
    refuse_above_limit(lines, len(pairs))
    return [pair for position, pair in enumerate(pairs) if position not in problems], lines


def refuse_above_limit(problems: Sequence[str], total: int) -> None:
    """Raises InputError when more than BAD_FRACTION of all samples are bad."""
    if len(problems) > BAD_FRACTION * total:
        shown = "; ".join(list(problems)[:3])
        raise InputError(
            f"{len(problems)} of {total} training samples cannot be used, expected at most {BAD_FRACTION:.0%}: {shown}"
        )


class CheckRecord:
    """What an earlier start found out about a list, valid as long as the list and the folders of its files are as old.

    Files that are changed in place, without a new name, go unnoticed here, and are found out when they are read.

    Args:
        root: data folder.
        name: of the list, list/{name}.txt.
        pairs: of the list.
        canvas: side of the pictures [px].
    """

    def __init__(self, root: Path, name: str, pairs: Sequence[Pair], canvas: int) -> None:
        self.path = root / "list" / f".{name}_{canvas}.checked.json"
        listed = root / "list" / f"{name}.txt"
        self.ages = {str(listed.relative_to(root)): _age(listed)} | folder_ages(root, pairs)

    def bad_positions(self) -> list[int] | None:
        """Positions of the pairs that could not be used; None when nothing is known."""
        try:
            content: Any = json.loads(self.path.read_text(encoding="utf-8"))
            known = content["ages"] == self.ages
            return [int(position) for position in content["bad"]] if known else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, bad: Sequence[int]) -> None:
        """Note the positions of the pairs that cannot be used, where the folder can be written."""
        # Without a record the next start takes longer, and that is all.
        with contextlib.suppress(OSError):
            write_text(self.path, json.dumps({"ages": self.ages, "bad": list(bad)}))


def folder_ages(root: Path, pairs: Sequence[Pair]) -> dict[str, int | None]:
    """When a file last came into, or went from, each of the folders of these pairs: folder -> time [ns]."""
    folders = {Path(path).parent for pair in _one_a_view(pairs) for path in (*pair.images, pair.joints)}
    return {str(folder): _age(root / folder) for folder in sorted(folders)}


def _one_a_view(pairs: Sequence[Pair]) -> list[Pair]:
    return list({(pair.set_name, pair.yaw): pair for pair in pairs}.values())


def _age(path: Path) -> int | None:
    """Time of the last change [ns]; None when it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
