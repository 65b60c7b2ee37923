"""With which settings the pictures and joints of a view were made: what was made otherwise does not count as done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.pairs.pair_files import Pair
from utils.mesh_formats.named_files import named_files
from utils.records import NAMED, Records, stamps, stamps_from


@dataclass(frozen=True)
class ScanStamps:
    """A subject's files as they were, and those that only its mesh knows of, such as textures."""

    files: Mapping[str, list[int]]
    named: Mapping[str, list[int] | None]

    @classmethod
    def of(cls, files: Sequence[Path]) -> ScanStamps:
        """Of a subject's files, the mesh first; the mesh is looked through."""
        named = stamps_from(files[0].parent, named_files(files[0])) if files else {}
        return cls(stamps(files), named)


@dataclass(frozen=True)
class RenderRecords:
    """Two small files for every view, in {root}/records of the data folder, which are written before what they tell of.

    So whole files say that a view is there, and its records say as what, whenever rendering was stopped. Views without
    records are those of other programs (the official renderer's, say): nothing is known about them.
    """

    pictures: Records
    joints: Records

    @classmethod
    def of(cls, root: Path, size: int, seed: int, ambient_rays: int, keypoints: str) -> RenderRecords:
        """For the data folder and the options of a run."""
        pictures = {"--res": size, "--seed": seed, "--ambient_rays": ambient_rays}
        return cls(Records(root, "pictures", pictures), Records(root, "joints", {"--keypoints": keypoints}))

    def is_known(self, pair: Pair) -> bool:
        """Whether it is known how the pictures were made."""
        return self.pictures.path(_name(pair)).exists()

    def other_pictures(self, pair: Pair, scan: Sequence[Path]) -> str | None:
        """How the pictures that are there differ from those that would be made now, in words; None: not, or unknown.

        Args:
            scan: files of the subject.
        """
        return self.pictures.why_again(_name(pair), scan) or None

    def other_joints(self, pair: Pair) -> str | None:
        """The same of the joints."""
        return self.joints.why_again(_name(pair), self._joints_from(pair)) or None

    def begin_pictures(self, pair: Pair, scan: ScanStamps) -> None:
        """Note how the pictures are made from now on; the old ones must be gone.

        Args:
            scan: from before it was read.
        """
        self.pictures.write(_name(pair), scan.files, [], **{NAMED: scan.named})

    def begin_joints(self, pair: Pair) -> None:
        """Note how the joints are made from now on; the old ones must be gone."""
        self.joints.write(_name(pair), stamps(self._joints_from(pair)), [])

    def _joints_from(self, pair: Pair) -> list[Path]:
        wanted = self.joints.settings["--keypoints"] in ("auto", "json")
        return [self.joints.root / pair.joints_json] if wanted else []


def _name(pair: Pair) -> str:
    return f"{pair.folder}/{pair.subject}"
