"""Where scans come from: the three official sets and any folder of meshes (METHOD.md 2.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from datasets.rendering.rp_subjects import FOLDER_ENDING, MESH_ENDINGS, SHRUNK, SHRUNK_TO, TURNED_DEG, TURNED_SUBJECTS
from datasets.rendering.scan import Scan
from datasets.rendering.scan_file import read_colored_mesh
from datasets.rendering.scan_placement import turned
from geometry.keypoints import WHOLEBODY
from utils.errors import InputError
from utils.files import is_closed, read_json
from utils.mesh_formats.mesh_reader import MESH_SUFFIXES
from utils.numeric_pickle import read_numeric_pickle


class ScanSource(Protocol):
    """A set of scans."""

    @property
    def set_name(self) -> str:
        """{SET} in folder and file names."""
        ...

    def names(self) -> list[str]:
        """All subjects, in order.

        Raises:
            InputError: there are none.
        """
        ...

    def files(self, name: str) -> list[Path]:
        """Where the files that a subject is made of are or may be: whoever changes one has another subject."""
        ...

    def load(self, name: str) -> Scan:
        """One subject.

        Raises:
            InputError: a file is missing or broken.
        """
        ...


def read_joint3d(path: Path) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Read a Joint3D file: COCO-WholeBody joints in the frame of the scan.

    Returns:
        (31, 3) float64 and (31,) bool present, or two None when there is no such file.

    Raises:
        InputError: the file is broken.
    """
    if not path.is_file():
        return None, None
    content = read_json(path, "JSON with joint3d (133, 3)")
    try:
        joints = np.array(content["joint3d"], dtype=np.float64)
        visible = np.array(content.get("visible", np.ones(len(joints))), dtype=np.float64).ravel()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no joint3d of numbers, expected JSON with joint3d (133, 3)") from error
    if joints.shape != (133, 3) or visible.shape != (133,):
        raise InputError(f"{path}: joint3d {joints.shape} and visible {visible.shape}, expected (133, 3) and (133,)")
    if np.isinf(joints).any():  # a joint that is not there may be NaN
        raise InputError(f"{path}: joint3d has an infinite number, expected places in the frame of the scan")
    chosen = list(WHOLEBODY)
    return joints[chosen], (visible[chosen] > 0) & np.isfinite(joints[chosen]).all(1)


def _load(name: str, mesh_path: Path, size: int, texture: Path | None, joints: Path | None) -> Scan:
    found = read_colored_mesh(mesh_path, size, texture)
    points, present = (None, None) if joints is None else read_joint3d(joints)
    return Scan(name, found.mesh, found.appearance, points, present, notes=found.notes)


def _first(candidates: list[Path], what: str) -> Path:
    """The first file that exists, upper and lower case alike."""
    for path in candidates:
        if path.parent.is_dir():
            for file in sorted(path.parent.iterdir()):
                if file.name.lower() == path.name.lower():
                    return file
    names = " or ".join(path.name for path in candidates)
    raise InputError(f"{candidates[0].parent}: no {names}, expected the {what}")


def _one_word(name: str) -> str:
    """List files separate paths by blanks, so names have none."""
    return "_".join(name.split())


def _is_mesh(path: Path) -> bool:
    return path.suffix.lower() in MESH_SUFFIXES and path.is_file()


def _folders(root: Path, ending: str = "") -> list[str]:
    if not root.is_dir():
        raise InputError(f"{root}: no such folder, expected one folder per scan")
    names = sorted(
        path.name.removesuffix(ending)
        for path in root.iterdir()
        if path.is_dir() and path.name.endswith(ending) and not path.name.startswith(".")
    )
    if not names:
        raise InputError(f"{root}: no folders *{ending}, expected one per scan")
    return names


@dataclass(frozen=True)
class RenderPeople:
    """obj/RP/{ID}_OBJ/{ID}_100k.obj with tex/{ID}_dif_8k.jpg, or what else begins with {ID}_dif."""

    root: Path  # the data folder
    size: int  # of the renders [px]
    set_name: str = "RP"

    def names(self) -> list[str]:
        """See ScanSource."""
        return _folders(self.root / "obj/RP", FOLDER_ENDING)

    def files(self, name: str) -> list[Path]:
        """See ScanSource."""
        folder = self.root / f"obj/RP/{name}{FOLDER_ENDING}"
        meshes = [folder / f"{name}{ending}.obj" for ending in MESH_ENDINGS]
        return [*meshes, *_rp_textures(folder / "tex", name), self._joints(name)]

    def _joints(self, name: str) -> Path:
        return self.root / f"Joint3D/RP/{name}.json"

    def load(self, name: str) -> Scan:
        """See ScanSource."""
        folder = self.root / f"obj/RP/{name}{FOLDER_ENDING}"
        mesh = _first([folder / f"{name}{ending}.obj" for ending in MESH_ENDINGS], "mesh")
        texture = _rp_texture(folder / "tex", name)
        scan = _load(name, mesh, self.size, texture, self._joints(name))
        if name in SHRUNK:
            scan = replace(scan, frame_scale=SHRUNK_TO)
        return turned(scan, TURNED_DEG) if name in TURNED_SUBJECTS else scan


def _rp_textures(folder: Path, name: str) -> list[Path]:
    """The pictures {ID}_dif*.{jpg,png}."""
    found = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [path for path in found if re.fullmatch(rf"{re.escape(name)}_dif.*\.(jpe?g|png)", path.name, re.I)]


def _rp_texture(folder: Path, name: str) -> Path:
    """The largest of them: sizes stand in the names as 2k, 4k, 8k; no size means the full one."""
    found = _rp_textures(folder, name)
    if not found:
        raise InputError(f"{folder}: no {name}_dif_8k.jpg or {name}_dif.jpg or any {name}_dif*, expected the texture")

    def size(path: Path) -> float:
        in_name = re.search(r"_(\d+)k\b", path.stem[len(name) :], re.I)
        return float(in_name[1]) if in_name else 7.5

    return min(found, key=lambda path: (-size(path), path.name))


@dataclass(frozen=True)
class THuman2:
    """obj/THuman2/data/{ID}/{ID}.obj with material0.jpeg, turned to the camera by its SMPL-X fit."""

    root: Path  # the data folder
    size: int  # of the renders [px]
    smpl_model_path: Path | None = None  # folder of the fits when it is not obj/THuman2/smplx
    set_name: str = "THuman2"

    def names(self) -> list[str]:
        """See ScanSource."""
        return _folders(self.root / "obj/THuman2/data")

    def files(self, name: str) -> list[Path]:
        """See ScanSource."""
        mesh = self.root / f"obj/THuman2/data/{name}/{name}.obj"
        fits = self.smpl_model_path or self.root / "obj/THuman2/smplx"
        joints = self.root / f"Joint3D/THuman2/{name}.json"
        textures = [mesh.with_name(f"material0.{ending}") for ending in ("jpeg", "jpg", "png")]
        return [mesh, joints, fits / name / "smplx_param.pkl", *textures]

    def load(self, name: str) -> Scan:
        """See ScanSource."""
        mesh, joints, fit, *textures = self.files(name)
        scan = _load(name, _first([mesh], "mesh"), self.size, _first(textures, "texture"), joints)
        return turned(scan, -read_facing(fit))


def read_facing(path: Path) -> float:
    """How far a THuman2 scan is turned away from the camera about Y [deg], from its SMPL-X fit.

    Raises:
        InputError: the file is missing, broken, or holds more than arrays.
    """
    content = read_numeric_pickle(path)
    try:
        orient = np.asarray(content["global_orient"], dtype=np.float64).reshape(-1)
    except (KeyError, TypeError, ValueError, IndexError):
        orient = np.empty(0)
    if orient.shape != (3,) or not np.isfinite(orient).all():
        raise InputError(f"{path}: global_orient of shape {orient.shape}, expected 3 finite numbers [rad]")
    return float(np.degrees(orient[1]))


@dataclass(frozen=True)
class TwoK2K:
    """obj/2K2K/{ID}/{ID}.ply with vertex colors, or .obj with a .png texture."""

    root: Path  # the data folder
    size: int  # of the renders [px]
    set_name: str = "2K2K"

    def names(self) -> list[str]:
        """See ScanSource."""
        return _folders(self.root / "obj/2K2K")

    def files(self, name: str) -> list[Path]:
        """See ScanSource."""
        beside = [self.root / f"obj/2K2K/{name}/{name}{ending}" for ending in (".ply", ".obj", ".png")]
        return [*beside, self.root / f"Joint3D/2K2K/{name}.json"]

    def load(self, name: str) -> Scan:
        """See ScanSource."""
        ply, obj, png, joints = self.files(name)
        mesh = _first([ply, obj], "mesh")
        texture = _first([png], "texture") if mesh.suffix.lower() == ".obj" else None
        return _load(name, mesh, self.size, texture, joints)


@dataclass(frozen=True)
class MeshFolder:
    """Any folder of meshes, searched through its sub-folders; joints from {name}.json beside a mesh, if there."""

    root: Path
    size: int  # of the renders [px]

    @property
    def set_name(self) -> str:
        """The folder's own name as one word."""
        return _one_word(self.root.resolve().name)

    @cached_property
    def meshes(self) -> dict[str, Path]:
        """Subject -> mesh. `a/a.obj` is subject a, `a/b.obj` is a_b; a suffix joins the name only where two clash."""
        found = [path for path in sorted(self.root.rglob("*")) if not path.name.startswith(".")]
        found = [path for path in found if _is_mesh(path) or is_closed(path)]
        if not found:
            raise InputError(f"{self.root}: no meshes, expected files {', '.join(MESH_SUFFIXES)}")
        meshes: dict[str, Path] = {}
        for path in found:
            *folders, stem = path.relative_to(self.root).with_suffix("").parts
            name = _one_word("_".join([*folders[:-1], stem] if folders[-1:] == [stem] else [*folders, stem]))
            while name in meshes:
                name += path.suffix.lower().replace(".", "_")
            meshes[name] = path
        return meshes

    def names(self) -> list[str]:
        """See ScanSource."""
        return list(self.meshes)

    def files(self, name: str) -> list[Path]:
        """See ScanSource."""
        path = self.meshes[name]
        return [path, path.with_suffix(".json")]

    def load(self, name: str) -> Scan:
        """See ScanSource."""
        path = self.meshes[name]
        if is_closed(path):
            raise InputError(f"{path}: this folder cannot be read, expected meshes")
        return _load(name, path, self.size, None, path.with_suffix(".json"))
