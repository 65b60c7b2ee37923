"""One subject from scan to files: all its views, resumable, joints from where they are to be had."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datasets.pairs.pair_files import has_images, is_complete, joints_of, picture_size, write_images, write_joints
from datasets.pairs.pair_layout import Pair
from datasets.people.person import KeypointSource, Photo
from datasets.people.person_sources import SourceOptions, person_sources
from datasets.rendering.render_records import RenderRecords, ScanStamps
from datasets.rendering.scan_renderer import ScanRenderer, project_scan_joints, seed_of
from datasets.rendering.scan_sources import ScanSource
from datasets.rendering.shading import random_lighting
from utils.errors import InputError, one_line
from utils.files import check_writable, read_photo

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
        """The pair that a view of a subject becomes; yaw in degrees."""
        return Pair(self.source.set_name, name, yaw)

    @property
    def records(self) -> RenderRecords:
        """With which settings the views were made."""
        return RenderRecords.of(self.root, self.size, self.seed, self.ambient_rays, self.keypoints)

    def is_done(self, name: str) -> bool:
        """Whether every view of the subject is complete, and was made with these settings."""
        if self.overwrite:
            return False
        pairs, scan = [self.pair(name, yaw) for yaw in self.yaws], self.source.files(name)
        return all(is_complete(self.root, pair) for pair in pairs) and not any(
            self._made_otherwise(pair, scan) or self.records.other_joints(pair) for pair in pairs
        )

    def is_known(self, name: str) -> bool:
        """Whether it is known how all its views were made."""
        return all(self.records.is_known(self.pair(name, yaw)) for yaw in self.yaws)

    def _made_otherwise(self, pair: Pair, scan: Sequence[Path]) -> str | None:
        """In what pictures that are there differ from those that would be made now; None: there are none such."""
        if not any((self.root / path).exists() for path in pair.images):
            return None
        if self.records.is_known(pair):
            return self.records.other_pictures(pair, scan)
        try:
            size, _ = picture_size(self.root / pair.shaded_front)
        except InputError:
            return None
        return f"--res was {size}, is now {self.size}" if size != self.size else None

    def __call__(self, name: str) -> None:
        """Render what is missing.

        Raises:
            InputError: the scan cannot be used, or views have no joints (the pictures are there all the same), or
                there are pictures that were made with other settings.
        """
        pairs, scan = {yaw: self.pair(name, yaw) for yaw in self.yaws}, self.source.files(name)
        for pair in pairs.values() if not self.overwrite else ():
            if why := self._made_otherwise(pair, scan):
                there = self.root / pair.shaded_front
                raise InputError(f"{name}: {there} is there, but {why}: give --overwrite or another --data_path")
        missing = [yaw for yaw, pair in pairs.items() if self.overwrite or not has_images(self.root, pair)]
        again = {yaw: why for yaw, pair in pairs.items() if (why := self.records.other_joints(pair))}
        if again:
            tqdm.write(f"{name}: joints again: {next(iter(again.values()))}")
        pending = [yaw for yaw, pair in pairs.items() if yaw in again or not is_complete(self.root, pair)]
        wanted = sorted({*missing, *pending})
        scan_needed = missing or (self.keypoints in ("auto", "joints") and pending)
        joints = self._render(name, missing, wanted) if scan_needed else {}
        self._write_joints({yaw: (pairs[yaw], joints.get(yaw)) for yaw in wanted})

    def _render(self, name: str, missing: list[float], wanted: list[float]) -> dict[float, np.ndarray]:
        """Write the pictures of the missing views; joints of the scan in every wanted view, if it has any."""
        check_writable(self.root)
        files = ScanStamps.of(self.source.files(name))
        scan = self.source.load(name)
        for note in scan.notes:
            tqdm.write(one_line(f"note: {note}"), file=sys.stderr)
        try:
            renderer = ScanRenderer(scan, self.ambient_rays, self.threads)
            # Whoever is stopped from here on leaves no view that looks done and is half old, half new.
            for yaw in missing:
                pair = self.pair(name, yaw)
                for path in (pair.joints, *pair.images):
                    (self.root / path).unlink(missing_ok=True)
                self.records.begin_pictures(pair, files)
            for yaw in missing:
                lighting = random_lighting(np.random.default_rng(seed_of(name, yaw, self.seed)))
                write_images(self.root, self.pair(name, yaw), renderer.view(self.size, yaw, lighting))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        return {yaw: project_scan_joints(renderer.scan, self.size, yaw) for yaw in wanted if scan.joints is not None}

    def _write_joints(self, views: dict[float, tuple[Pair, np.ndarray | None]]) -> None:
        """Write the joints of views: those of the scan that are given, or others.

        Raises:
            InputError: views have none; the others are written.
        """
        failures = {}
        for yaw, (pair, projected) in views.items():
            try:
                joints = self._joints(pair, projected)
            except InputError as error:
                failures[yaw] = error
                continue
            (self.root / pair.joints).unlink(missing_ok=True)
            self.records.begin_joints(pair)
            write_joints(self.root, pair, joints)
        if failures:
            yaw, first = next(iter(failures.items()))
            raise InputError(f"{len(failures)} of {len(self.yaws)} views have no joints; yaw {yaw:g}: {first}")

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
