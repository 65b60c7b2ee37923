"""Which predictions belong to which scans, and what is missing."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from datasets.pairs import pair_layout
from datasets.pairs.pair_layout import viewpoint_of
from datasets.rendering.rp_subjects import FOLDER_ENDING, MESH_ENDINGS
from evaluation.subjects import Comparison
from utils.errors import InputError
from utils.files import check_name, read_text
from utils.mesh_formats.mesh_reader import MESH_SUFFIXES
from utils.result_folder import DEPTH, MESHES

SCAN_SUFFIX = re.compile(f"({'|'.join((FOLDER_ENDING, *MESH_ENDINGS))})$")
"""What follows a RenderPeople subject's name in the names of its folder and mesh."""


Found = dict[str, list[Path]]
"""Name -> the files that claim it: one, or the name is ambiguous; none where its folder cannot be read."""
FindTruths = Callable[[float], Found]


@dataclass
class Pairs:
    """What is to be measured, and what cannot be."""

    ready: list[Comparison] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # name -> reason, one line
    outside: int = 0  # predictions of known subjects that the split does not name


@dataclass(frozen=True)
class Expected:
    """A subject of a split."""

    subject: str
    yaws: tuple[float, ...]  # empty: whatever views there are


def read_split(path: Path) -> list[Expected]:
    """A split file: one subject a line, then the yaws of its views [deg] if they are fixed; # starts a comment.

    Raises:
        InputError: the file is missing or empty, a yaw is not a number, or a subject comes twice.
    """
    lines = read_text(path, "a list of subjects").splitlines()
    expected = {}
    for number, line in enumerate(lines, 1):
        subject, *yaws = line.partition("#")[0].split() or [""]
        if not subject:
            continue
        check_name(subject, f"{path}: line {number}")
        if subject in expected:
            raise InputError(f"{path}: line {number} names {subject} again, expected every subject once")
        try:
            expected[subject] = Expected(subject, tuple(float(yaw) for yaw in yaws))
            if not all(map(math.isfinite, expected[subject].yaws)):
                raise ValueError
        except ValueError:
            raise InputError(f"{path}: line {number} is {line!r}, expected a subject and yaws in degrees") from None
    if not expected:
        raise InputError(f"{path}: names no subject, expected one a line")
    return list(expected.values())


def _folder(path: Path, flag: str) -> Path:
    if not path.is_dir():
        raise InputError(f"{flag} {path}: no such folder")
    return path


def _meshes_in(folder: Path) -> Found:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in MESH_SUFFIXES and not path.name.startswith("."):
            found[path.stem].append(path)
    return found


def _depths_in(folder: Path) -> Found:
    """Names with a {ID}_front.png or {ID}_back.png; the path is folder / {ID}."""
    names = sorted({path.stem.rsplit("_", 1)[0] for side in ("front", "back") for path in folder.glob(f"*_{side}.png")})
    return {name: [folder / name] for name in names}


def is_output_folder(folder: Path) -> bool:
    """Whether a folder is what test_model.py writes: {save_path}/{save_name}."""
    return (folder / MESHES).is_dir() or (folder / DEPTH).is_dir()


def _view_folders(folder: Path) -> dict[float | None, Path]:
    views: dict[float | None, Path] = {}
    for path in sorted(folder.iterdir()):
        view = viewpoint_of(path.name)
        if view and path.is_dir():
            if view.yaw in views:
                raise InputError(
                    f"{folder}: {views[view.yaw].name} and {path.name} are the same view, expected one data set"
                )
            views[view.yaw] = path
    return views


def prediction_views(folder: Path) -> dict[float | None, Path]:
    """yaw -> folder, when the folder is named as a view or holds folders that are; otherwise {None: folder}."""
    named = viewpoint_of(_folder(folder, "--pred").resolve().name)
    if named:
        return {named.yaw: folder}
    return _view_folders(folder) or {None: folder}


def truth_kind(folder: Path) -> str:
    """ "maps" when the folder holds rendered depth (official layout), otherwise "meshes"."""
    _folder(folder, "--gt")
    return "maps" if _depth_root(folder) is not None or _depths_in(folder) else "meshes"


def _depth_root(folder: Path) -> Path | None:
    """The folder that holds {SET}_0_y_{YAW}_x folders of depth, given itself, PERS or the data folder."""
    for root in (folder / pair_layout.DEPTH, folder / Path(pair_layout.DEPTH).name, folder):
        if root.is_dir() and _yaws_of_view_folders(root):
            return root
    return None


def _yaws_of_view_folders(folder: Path) -> dict[Path, float]:
    """Folders of single views, of any set -> yaw [deg]."""
    views = {path: viewpoint_of(path.name) for path in sorted(folder.iterdir()) if path.is_dir()}
    return {path: view.yaw for path, view in views.items() if view}


def find_scans(folder: Path) -> Found:
    """Subject -> its scan files: {ID}.obj|ply|glb in the folder, or one folder per subject.

    Inside a subject's folder the file named like the folder wins; `_OBJ`, `_100k` and `_200k` at the end of a name do
    not belong to the subject (RenderPeople).
    """
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for name, paths in _meshes_in(folder).items():
        found[SCAN_SUFFIX.sub("", name)] += paths
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        subject = SCAN_SUFFIX.sub("", path.name)
        try:
            inside = _meshes_in(path)
        except PermissionError:
            found[subject] += []
            continue
        named = [file for name, files in inside.items() if SCAN_SUFFIX.sub("", name) == subject for file in files]
        everything = [file for files in inside.values() for file in files]
        if everything:
            found[subject] += named or everything
    return dict(found)


def find_depths(folder: Path, yaw: float) -> Found:
    """Subject -> view folder / {ID} of the rendered depth at a yaw.

    Raises:
        InputError: there is no such view, or several data sets have it.
    """
    root = _depth_root(folder)
    if root is None:
        return _depths_in(folder)
    views = [path for path, own_yaw in _yaws_of_view_folders(root).items() if own_yaw == yaw]
    if len(views) != 1:
        raise InputError(f"--gt {root}: {len(views)} folders with yaw {yaw:g}, expected one; name it in full")
    return _depths_in(views[0])


def _predictions_in(folder: Path, maps: bool) -> Found:
    if maps:
        if not (folder / DEPTH).is_dir():
            raise InputError(f"--pred {folder}: no folder {DEPTH}/ in it, expected what test_model.py writes")
        return {name: [folder / name] for name in _depths_in(folder / DEPTH)}
    return _meshes_in(folder / MESHES if (folder / MESHES).is_dir() else folder)


def predicted_subjects(pred: Path) -> set[str]:
    """The names of all predicted meshes, in all views, without the `_front` of a rendered photo."""
    names = {name for folder in prediction_views(pred).values() for name in _predictions_in(folder, maps=False)}
    return {name.removesuffix("_front") for name in names}


def _of_subject(name: str, subjects: set[str]) -> str | None:
    """The subject a prediction's name means: itself, or without the `_front` of a rendered photo."""
    return next((candidate for candidate in (name, name.removesuffix("_front")) if candidate in subjects), None)


def pair_up(pred: Path, find_truths: FindTruths, maps: bool, split: list[Expected] | None, yaw: float) -> Pairs:
    """Match predictions with ground truth by name.

    Args:
        pred: an output folder of test_model.py, a folder of meshes, or a folder of either, one per view.
        find_truths: yaw [deg] -> the ground truth of that view.
        maps: whether depth maps are measured rather than meshes.
        split: the subjects that must be there; None: all of the ground truth.
        yaw: of the predictions, where folders do not tell it [deg].

    Raises:
        InputError: a folder cannot be used at all.
    """
    views: dict[float | None, Path | None] = dict(prediction_views(pred))
    pairs = Pairs()
    expected_yaws = {y for subject in split or () for y in subject.yaws}
    for missing in sorted(expected_yaws - {yaw if v is None else v for v in views}):
        views[missing] = None
    for view, folder in views.items():
        view_yaw = yaw if view is None else view
        predictions = _predictions_in(folder, maps) if folder else {}
        _pair_view(pairs, predictions, find_truths(view_yaw), split, view_yaw, several=len(views) > 1)
    if not pairs.ready and not pairs.failures:
        raise InputError(f"neither scans ({', '.join(MESH_SUFFIXES)}) nor rendered depth in --gt")
    return pairs


def _pair_view(
    pairs: Pairs, predictions: Found, truths: Found, split: list[Expected] | None, yaw: float, several: bool
) -> None:
    suffix = f"_y{yaw:g}" if several else ""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    known = set(truths) | {expected.subject for expected in split or ()}
    for name, paths in predictions.items():
        subject = _of_subject(name, known)
        if subject is None:
            pairs.failures[name + suffix] = f"{paths[0]}: a prediction for an unknown subject, no ground truth has it"
        else:
            found[subject] += paths
    wanted = list(truths)
    if split is not None:
        wanted = [expected.subject for expected in split if not expected.yaws or yaw in expected.yaws]
        pairs.outside += len(set(found) - set(wanted))
    for subject in wanted:
        true, own = truths.get(subject, []), found.get(subject, [])
        if not true:
            why = "its folder cannot be read" if subject in truths else f"no ground truth with the name {subject}"
            pairs.failures[subject + suffix] = why
        elif len(true) > 1:
            pairs.failures[subject + suffix] = f"{_names(true)}: the same name, expected one scan"
        elif not own:
            pairs.failures[subject + suffix] = f"no prediction at yaw {yaw:g}, expected one with the name {subject}"
        elif len(own) > 1:
            pairs.failures[subject + suffix] = f"{_names(own)}: the same name, expected one prediction"
        else:
            pairs.ready.append(Comparison(subject + suffix, subject, yaw, own[0], true[0]))


def _names(paths: list[Path]) -> str:
    return " and ".join(str(path) for path in paths)
