"""Two trivial answers to the photos of an output folder, as output folders to measure beside it.

inflation  the photo's silhouette as a slab, from the mean front to the mean back depth of the training people
mean       the mean training person, whoever is in the photo

python -m benchmarks.baselines inflation --data_path data --pred results/synthetic --save_path results --save_name slab
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Sequence
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
from utils.errors import InputError
from utils.files import read_photo, write_png
from utils.ply import write_cloud
from utils.result_folder import DEPTH_NORMALS, NORMALS, ResultFolder

KINDS = ("inflation", "mean")


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

    def answer(self, kind: str, silhouette: np.ndarray) -> FrontBack:
        """A baseline's depth for a photo: (1, 1, R, R) network depth each, with the networks' backgrounds.

        Args:
            kind: one of KINDS.
            silhouette: (R, R) bool, the person in the photo.
        """
        present = silhouette if kind == "inflation" else self.presence > 0.5
        depth = self.depth if kind == "mean" else np.broadcast_to(self.levels[:, None, None], self.depth.shape)
        sides = zip(depth, (FRONT_BACKGROUND, BACK_BACKGROUND), strict=True)
        maps = [np.where(present, values, background).astype(np.float32) for values, background in sides]
        return FrontBack(*(torch.from_numpy(values)[None, None] for values in maps))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--data_path", type=Path, default=Path("data"), help="data folder of the training people")
    parser.add_argument("--lists", nargs="+", default=["Synthetic_train"], help="their lists, as in configs")
    parser.add_argument("--pred", type=Path, required=True, help="output folder of test_model.py")
    parser.add_argument("--save_path", type=Path, default=Path("results"))
    parser.add_argument("--save_name", required=True)
    return parser.parse_args(argv)


def write_answer(name: str, kind: str, person: MeanPerson, images: Path, folder: ResultFolder) -> None:
    """Depth, its normals (as `cons/` and as `normal/`) and both clouds of one photo; the closed cloud last.

    Raises:
        InputError: the cut-out cannot be read or has another size than the training people.
    """
    path = images / f"{name}.png"
    rgb, alpha = read_photo(path)
    if alpha is None or alpha.shape != person.presence.shape:
        raise InputError(
            f"{path}: {rgb.shape[1]} x {rgb.shape[0]} px, alpha {alpha is not None}, expected a cut-out of "
            f"{len(person.presence)} px, the size of the training people"
        )
    depth = person.answer(kind, alpha > 0)
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
        person = MeanPerson.of(args.data_path, read_lists(args.data_path, args.lists))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report = run_batch(
        names,
        lambda name: write_answer(name, args.kind, person, images, folder),
        lambda name: folder.cloud(name, closed=True).exists(),
        args.kind,
    )
    report.print_summary(f"answered into {folder.root}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
