"""Where the files of one run lie, with the authors' names: {save_path}/{save_name}/... (METHOD.md 9.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CLOUDS, CLOSED_CLOUDS, MESHES, SHEETS = "output_plys", "output_plys_c", "output_objs", "sheets"
"""Clouds as the maps give them, clouds with the side gap filled, Poisson meshes, contact sheets."""
MAP_MESHES, TEXTURES, TURNTABLES = "meshes", "textures", "turntables"
"""Textured meshes straight from the maps, their textures, people turning."""
DEPTH, NORMALS, DEPTH_NORMALS, PARTS = "depth", "normal", "cons", "normal_parts"
"""Depth, fused normals, normals of the depth, and the maps of the single networks."""


@dataclass(frozen=True)
class ResultFolder:
    """The folder of one run."""

    root: Path

    @classmethod
    def of(cls, save_path: Path | str, save_name: str | None, inputs: Sequence[Path | str] = ()) -> ResultFolder:
        """{save_path}/{save_name}; without a name, that of the one photo or folder given, or "photos" for many."""
        if save_name is None:
            given = Path(inputs[0]).resolve() if len(inputs) == 1 else Path("photos")
            save_name = given.stem if given.is_file() else given.name
        return cls(Path(save_path) / save_name)

    @classmethod
    def at(cls, place: ResultFolder | Path | str) -> ResultFolder:
        """A folder by its path, or as it is."""
        return place if isinstance(place, ResultFolder) else cls(Path(place))

    def image(self, relative: str) -> Path:
        """A picture by its place without suffix, such as "normal/anna_front"."""
        return self.root / f"{relative}.png"

    def cloud(self, name: str, closed: bool) -> Path:
        """The cloud of the maps, or the closed one."""
        return self.root / (CLOSED_CLOUDS if closed else CLOUDS) / f"{name}.ply"

    def sheet(self, name: str) -> Path:
        """The contact sheet. It is written last: when it is there, the photo is done."""
        return self.root / SHEETS / f"{name}.png"

    def map_mesh(self, name: str) -> Path:
        """The textured mesh straight from the maps."""
        return self.root / MAP_MESHES / f"{name}.glb"

    def texture(self, name: str) -> Path:
        """The photo as the texture of any surface of this person: front and back side by side."""
        return self.root / TEXTURES / f"{name}.jpg"

    def body(self, name: str) -> Path:
        """Where the person's head and feet are."""
        return self.root / TEXTURES / f"{name}.json"

    def turntable(self, name: str) -> Path:
        """The person turning, as an animated WebP."""
        return self.root / TURNTABLES / f"{name}.webp"

    def keypoints(self, name: str) -> Path:
        """OpenPose-format joints as they were used."""
        return self.root / "keypoints" / f"{name}_keypoints.json"

    def mesh(self, name: str, suffix: str) -> Path:
        """A mesh; suffix without dot."""
        return self.root / MESHES / f"{name}.{suffix}"
