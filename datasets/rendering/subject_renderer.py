"""One subject from scan to files: all its views, resumable, joints from where they are to be had."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets.pairs.pair_files import has_images, is_complete, joints_of, picture_size, write_images, write_joints
from datasets.pairs.pair_layout import Pair
from datasets.people.person import KeypointSource, Photo
from datasets.people.person_sources import SourceOptions, person_sources
from datasets.rendering.scan_renderer import ScanRenderer, project_scan_joints, seed_of
from datasets.rendering.scan_sources import ScanSource
from datasets.rendering.shading import random_lighting
from utils.errors import InputError
from utils.files import read_photo

KEYPOINT_CHOICES = ("auto", "joints", "json", "mediapipe", "rtmw")
"""joints: of the scan; json: what OpenPose found on earlier renders; mediapipe, rtmw: found on the render now.

`auto` takes the first of joints, json and mediapipe that is there; any other is taken at its word.
"""


@dataclass(frozen=True)
class SubjectRenderer:
    """Writes all views of a subject. Called with its name, in this process or a fresh one."""

    root: Path  # the data folder
    source: ScanSource
    size: int  # [px]
    yaws: tuple[float, ...]  # [deg]
    seed: int  # of the lights
    ambient_rays: int  # per pixel, 0 leaves ambient occlusion out
    threads: int  # 0 takes all cores
    keypoints: str  # one of KEYPOINT_CHOICES
    overwrite: bool = False

    def pair(self, name: str, yaw: float) -> Pair:
        return Pair(self.source.set_name, name, yaw)

    def is_done(self, name: str) -> bool:
        """Whether every view of the subject is complete, in the size that is asked for."""
        pairs = [self.pair(name, yaw) for yaw in self.yaws]
        return not self.overwrite and all(is_complete(self.root, pair) and not self._other_size(pair) for pair in pairs)

    def _other_size(self, pair: Pair) -> int | None:
        """The size [px] of pictures that are there already, when it is another one."""
        try:
            size, _ = picture_size(self.root / pair.shaded_front)
        except InputError:
            return None
        return size if size != self.size else None

    def __call__(self, name: str) -> None:
        """Render what is missing.

        Raises:
            InputError: the scan cannot be used, or views have no joints (the pictures are there all the same), or
                there are pictures of another size.
        """
        others = [size for yaw in self.yaws if (size := self._other_size(self.pair(name, yaw)))]
        if others and not self.overwrite:
            raise InputError(
                f"{name}: there are pictures of {others[0]} px in {self.root}, expected {self.size}: "
                "give --overwrite or another --data_path"
            )
        missing = [yaw for yaw in self.yaws if self.overwrite or not has_images(self.root, self.pair(name, yaw))]
        pending = [yaw for yaw in self.yaws if not is_complete(self.root, self.pair(name, yaw))]
        if self.overwrite:
            # Whoever is stopped here leaves no view that looks done and is half old, half new.
            for yaw in missing:
                (self.root / self.pair(name, yaw).joints).unlink(missing_ok=True)
        scan_needed = missing or (self.keypoints in ("auto", "joints") and pending)
        joints = self._render(name, missing, sorted({*missing, *pending})) if scan_needed else {}
        failures = {}
        for yaw in sorted({*missing, *pending}):
            try:
                write_joints(self.root, self.pair(name, yaw), self._joints(self.pair(name, yaw), joints.get(yaw)))
            except InputError as error:
                failures[yaw] = error
        if failures:
            yaw, first = next(iter(failures.items()))
            raise InputError(f"{len(failures)} of {len(self.yaws)} views have no joints; yaw {yaw:g}: {first}")

    def _render(self, name: str, missing: list[float], wanted: list[float]) -> dict[float, np.ndarray]:
        """Write the pictures of the missing views; joints of the scan in every wanted view, if it has any."""
        scan = self.source.load(name)
        for note in scan.notes:
            tqdm.write(f"note: {note}", file=sys.stderr)
        try:
            renderer = ScanRenderer(scan, self.ambient_rays, self.threads)
            for yaw in missing:
                lighting = random_lighting(np.random.default_rng(seed_of(name, yaw, self.seed)))
                write_images(self.root, self.pair(name, yaw), renderer.view(self.size, yaw, lighting))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        return {yaw: project_scan_joints(renderer.scan, self.size, yaw) for yaw in wanted if scan.joints is not None}

    def _joints(self, pair: Pair, projected: np.ndarray | None) -> np.ndarray:
        if projected is not None and self.keypoints in ("auto", "joints"):
            return projected
        if self.keypoints == "joints":
            raise InputError(f"{pair.subject}: the scan has no joints, expected --keypoints json, mediapipe or rtmw")
        json = self.root / pair.joints_json
        use_json = self.keypoints == "json" or (self.keypoints == "auto" and json.is_file())
        # The joints' file is looked for beside the photo, and that is where the official layout keeps it.
        path = json.with_name(f"{pair.subject}_front.png") if use_json else self.root / pair.shaded_front
        photo = Photo(path, read_photo(self.root / pair.shaded_front)[0], alpha=None)
        source = _detector("file" if use_json else "mediapipe" if self.keypoints == "auto" else self.keypoints)
        return joints_of(source.keypoints(photo).keypoints)


@lru_cache
def _detector(choice: str) -> KeypointSource:
    """One session per process."""
    return person_sources(keypoints=choice, options=SourceOptions(threads=1)).keypoints
