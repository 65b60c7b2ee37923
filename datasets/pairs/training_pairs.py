"""Rendered pairs as training sees them: a photo, the depth behind it, and where its parts lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from datasets.pairs.augmentation import Augmentation, View, view_of
from datasets.pairs.pair_check import joints_on_canvas
from datasets.pairs.pair_files import read_joints, read_pair
from datasets.pairs.pair_layout import Pair
from datasets.pairs.pair_lists import read_list
from datasets.pairs.samples import BYTES_PER_PIXEL, PackedSample, packed
from datasets.people.square_canvas import canvas_coordinates, prepared_photo
from geometry.coarse_grid import THINNED
from geometry.poses import Poses
from geometry.similarity import pose_parts
from geometry.window import person_window
from utils.errors import InputError

REPLACEMENTS = 20
"""How many other samples are tried in the place of one that cannot be read."""


def read_lists(root: Path, names: Sequence[str]) -> list[Pair]:
    """The pairs of several lists, by name: `list/{name}.txt`.

    Raises:
        InputError: no list, one that is missing or empty, or a line that names no pair.
    """
    if not names:
        raise InputError("no lists, expected names of files under list/, such as RP_train")
    return [pair for name in names for pair in read_list(root / "list" / f"{name}.txt")]


class TrainingPairs(Dataset):
    """Samples by (epoch, position), batches of one: each a pure function of that and the seed; workers hold no state.

    Args:
        root: data folder in the official layout.
        pairs: what the lists name.
        canvas: side of the pictures [px].
        augmentation: None gives the photo as it would be at test.
        seed: of the randomness.
        backdrop: of the model (datasets.people.square_canvas.cut_out).
    """

    def __init__(
        self,
        root: Path,
        pairs: Sequence[Pair],
        canvas: int,
        augmentation: Augmentation | None,
        seed: int,
        backdrop: tuple[int, ...] = (),
    ) -> None:
        self.root = root
        self.pairs = pairs
        self.canvas = canvas
        self.augmentation = augmentation
        self.seed = seed
        self.backdrop = backdrop

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def sample_bytes(self) -> int:
        """The most that a sample takes on its way."""
        thin = self.augmentation is not None and self.augmentation.thin
        return BYTES_PER_PIXEL * (self.canvas // THINNED if thin else self.canvas) ** 2

    def __getitem__(self, key: tuple[int, int]) -> PackedSample:
        """The sample at a position, or one in its place with a line about each that could not be used.

        Raises:
            InputError: none of the replacements could be used either.
        """
        epoch, position = key
        rng = np.random.default_rng((self.seed, epoch, position))
        problems: list[str] = []
        for _ in range(REPLACEMENTS):
            try:
                return replace(self._read(self.pairs[position], rng), problems=tuple(problems))
            except InputError as error:
                problems.append(str(error))
                position = int(rng.integers(len(self.pairs)))
        raise InputError(f"{len(problems)} samples in a row cannot be used, the first: {problems[0]}")

    def _read(self, pair: Pair, rng: np.random.Generator) -> PackedSample:
        rgb, front, back = read_pair(self.root, pair)
        if len(rgb) != self.canvas:
            raise InputError(f"{self.root / pair.shaded_front}: {len(rgb)} px, expected model.canvas = {self.canvas}")
        path = self.root / pair.joints
        joints = joints_on_canvas(path, *read_joints(path), self.canvas)
        view = view_of(rgb, (front, back), joints)
        if not view.person.any():
            raise InputError(f"{self.root / pair.depth('front')}: the depth map is all background, expected a person")
        if self.augmentation:
            view = self.augmentation(view, rng)
        else:
            view = replace(view, rgb=prepared_photo(view.rgb, view.person, self.backdrop))
        return self._sample(view, pair)

    def _sample(self, view: View, pair: Pair) -> PackedSample:
        # As at test: parts that begin beyond the picture are left out.
        seen = np.all((view.joints >= 0) & (view.joints <= self.canvas - 1), axis=1)
        try:
            poses = pose_parts(canvas_coordinates(view.joints, self.canvas), seen)
        except ValueError as error:
            raise InputError(f"{self.root / pair.joints}: {error}") from error
        window = person_window(view.person)
        return packed(view.rgb, view.depth, self.canvas, Poses.stack([poses]), window)
