"""Three answers that need no network to the photos of an output folder, as output folders to measure beside it.

inflation  the photo's silhouette as a slab, from the mean front to the mean back depth of the training people
mean       the mean training person, whoever is in the photo
truth      the true depth of the photos, which are renders: what two maps can show of a person at best

python -m benchmarks.baselines inflation --data_path data --pred results/synthetic --save_path results --save_name slab
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.pairs.pair_files import read_pair
from datasets.pairs.pair_layout import Pair
from datasets.pairs.training_pairs import read_lists
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, decode_network
from geometry.point_cloud import lift_sides, sides_cloud
from geometry.side_gap import closed_cloud
from models.digitizer import FrontBack
from models.result_maps import depth_pictures
from utils.batch import run_batch
from utils.command_line import given_path
from utils.errors import InputError
from utils.files import read_photo, write_png
from utils.ply import write_cloud
from utils.result_folder import DEPTH_NORMALS, NORMALS, ResultFolder

KINDS = ("inflation", "mean", "truth")
Answer = Callable[[str], tuple[np.ndarray, np.ndarray | None]]
"""From a photo's name to network depth of front and back, (2, R, R), and where it holds, (R, R) bool; None: on its
silhouette."""


@dataclass(frozen=True)
class MeanPerson:
    """What training people have in common."""

    presence: np.ndarray  # (R, R) fraction of the pairs with a person at this pixel
    depth: np.ndarray  # (2, R, R) float64 mean network depth of front and back; 0 where no pair has a person
    levels: np.ndarray  # (2,) mean network depth of front and back over all pixels of all people

    @classmethod
    def of(cls, root: Path, pairs: Sequence[Pair]) -> MeanPerson:
        """Over all pairs.

        Raises:
            InputError: a file is missing or broken, the sizes differ, or there is no person in any of them.
        """
        total: np.ndarray = np.zeros(())
        count: np.ndarray = np.zeros(())
        for pair in tqdm(pairs, desc="mean person"):
            depth = np.stack([decode_network(values, len(values)) for values in read_pair(root, pair)[1:]])
            if total.shape not in ((), depth.shape):
                raise InputError(f"{root / pair.depth('front')}: {depth.shape[-1]} px, others {total.shape[-1]} px")
            total, count = total + depth, count + (depth[0] > 0)
        if not count.any():
            raise InputError(f"{root}: no person in any of {len(pairs)} pairs")
        levels = total.sum((1, 2)) / count.sum()
        return cls(count / len(pairs), total / np.maximum(count, 1), levels)

    def slab(self, name: str) -> tuple[np.ndarray, None]:
        """The answer "inflation"."""
        return np.broadcast_to(self.levels[:, None, None], self.depth.shape), None

    def mean(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The answer "mean"."""
        return self.depth, self.presence > 0.5


@dataclass(frozen=True)
class TrueDepths:
    """The renders that photos are."""

    root: Path
    pairs: dict[str, Pair]  # photo's name -> its pair

    @classmethod
    def of(cls, root: Path, pairs: Sequence[Pair]) -> TrueDepths:
        """Raises InputError when two views of a subject have photos of one name."""
        named = {Path(pair.shaded_front).stem: pair for pair in pairs}
        if len(named) < len(pairs):
            raise InputError(f"{root}: several views of a person, expected one: their photos have one name")
        return cls(root, named)

    def answer(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The answer "truth".

        Raises:
            InputError: the photo is not among the pairs, or a file of its pair cannot be read.
        """
        if name not in self.pairs:
            raise InputError(f"{name}: not in the lists, expected one of the {len(self.pairs)} photos of {self.root}")
        depth = np.stack([decode_network(values, len(values)) for values in read_pair(self.root, self.pairs[name])[1:]])
        return depth, depth[0] > 0


def answer_of(kind: str, root: Path, pairs: Sequence[Pair]) -> Answer:
    """One of KINDS, from a data folder's pairs.

    Raises:
        InputError: as the answer's own.
    """
    if kind == "truth":
        return TrueDepths.of(root, pairs).answer
    person = MeanPerson.of(root, pairs)
    return person.slab if kind == "inflation" else person.mean


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument(
        "--data_path",
        type=given_path,
        default=Path("data"),
        help="data folder of the training people; truth: of the photos",
    )
    parser.add_argument("--lists", nargs="+", default=["Synthetic_train"], help="their lists, as in configs")
    parser.add_argument("--pred", type=given_path, required=True, help="output folder of test_model.py")
    parser.add_argument("--save_path", type=given_path, default=Path("results"))
    parser.add_argument("--save_name", required=True)
    return parser.parse_args(argv)


def _with_backgrounds(depth: np.ndarray, present: np.ndarray) -> FrontBack:
    """(2, R, R) network depth as (1, 1, R, R) each, with the networks' backgrounds where nobody is present."""
    sides = zip(depth, (FRONT_BACKGROUND, BACK_BACKGROUND), strict=True)
    maps = [np.where(present, values, background).astype(np.float32) for values, background in sides]
    return FrontBack(*(torch.from_numpy(values)[None, None] for values in maps))


def write_answer(name: str, answer: Answer, images: Path, folder: ResultFolder) -> None:
    """Depth, its normals (as `cons/` and as `normal/`) and both clouds of one photo; the closed cloud last.

    Raises:
        InputError: the cut-out cannot be read or has another size than the answer, or there is none.
    """
    path = images / f"{name}.png"
    rgb, alpha = read_photo(path)
    if alpha is None:
        raise InputError(f"{path}: no alpha, expected a cut-out")
    values, present = answer(name)
    if alpha.shape != values.shape[1:]:
        raise InputError(
            f"{path}: {rgb.shape[1]} x {rgb.shape[0]} px, expected a cut-out of {len(values[0])} px, the pairs' size"
        )
    depth = _with_backgrounds(values, alpha > 0 if present is None else present)
    pictures = depth_pictures(name, depth)
    pictures |= {place.replace(f"{DEPTH_NORMALS}/", f"{NORMALS}/"): picture for place, picture in pictures.items()}
    sides = lift_sides(depth.front[0, 0].numpy(), depth.back[0, 0].numpy())
    for place, picture in pictures.items():
        write_png(folder.image(place), picture)
    write_cloud(folder.cloud(name, closed=False), sides_cloud(sides, rgb))
    write_cloud(folder.cloud(name, closed=True), closed_cloud(sides, rgb))


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every photo has its answer."""
    args = parse_args(argv)
    images, folder = args.pred / "images", ResultFolder.of(args.save_path, args.save_name)
    names = sorted(path.stem for path in images.glob("[!.]*.png"))
    try:
        if not names:
            raise InputError(f"{images}: no cut-outs, expected an output folder of test_model.py")
        answer = answer_of(args.kind, args.data_path, read_lists(args.data_path, args.lists))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report = run_batch(
        names,
        lambda name: write_answer(name, answer, images, folder),
        lambda name: folder.cloud(name, closed=True).exists(),
        args.kind,
    )
    report.print_summary(f"answered into {folder.root}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
