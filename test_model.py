"""Photos of people to normals, depth and colored point clouds.

python test_model.py --data_path samples --load_ckpt checkpoints/small.pt --save_path results --save_name demo
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from tqdm import tqdm

from datasets.people.openpose import write_keypoints
from datasets.people.person_sources import KEYPOINT_CHOICES, MASK_CHOICES, SourceOptions, person_sources
from datasets.people.photo_folder import find_photos
from inference import PhotoDigitizer
from models.digitizer import Agreement
from utils.batch import run_batch
from utils.device import PRECISIONS
from utils.distributed import share
from utils.errors import InputError, ends_in_one_line
from utils.result_folder import ResultFolder


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", required=True, help="folder of photos, or one photo")
    parser.add_argument("--load_ckpt", required=True, help="checkpoint of this project, or the authors' .pth.tar")
    parser.add_argument("--save_path", default="results")
    parser.add_argument("--save_name", default="demo")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:n")
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS, help="of the part networks")
    parser.add_argument(
        "--agreement",
        default="auto",
        choices=("auto", *get_args(Agreement)),
        help="depth that is made to agree with the normals; auto: what the model's config says",
    )
    parser.add_argument("--keypoints", default="auto", choices=KEYPOINT_CHOICES)
    parser.add_argument("--mask", default="auto", choices=MASK_CHOICES)
    parser.add_argument("--person", type=int, help="which of several people, counted from the left, from 1")
    parser.add_argument("--threads", type=int, default=0, help="of the detectors; 0 lets onnxruntime choose")
    parser.add_argument(
        "--providers", nargs="+", default=["CPUExecutionProvider"], help="of onnxruntime for the detectors, best first"
    )
    parser.add_argument("--save_keypoints", action="store_true", help="write OpenPose JSON, to be corrected by hand")
    parser.add_argument("--overwrite", action="store_true", help="do finished photos again")
    return parser.parse_args(argv)


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every photo was done."""
    args = parse_args(argv)
    try:
        photos = find_photos(args.data_path)
        options = SourceOptions(person=args.person, providers=tuple(args.providers), threads=args.threads)
        sources = person_sources(args.keypoints, args.mask, options)
        digitizer = PhotoDigitizer.load(args.load_ckpt, args.device, args.precision, args.agreement, sources)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    folder = ResultFolder.of(args.save_path, args.save_name)

    def work(name: str) -> None:
        subject = digitizer.find(photos[name], name=name)
        for warning in subject.person.warnings:
            tqdm.write(f"{photos[name].name}: {warning}")
        if args.save_keypoints:
            write_keypoints(folder.keypoints(name), subject.person.keypoints)
        digitizer.digitize(subject).write(folder)

    def is_done(name: str) -> bool:
        return folder.sheet(name).exists() and not args.overwrite

    report = run_batch(share(list(photos)), work, is_done, "digitize")
    report.print_summary(f"digitized into {folder.root}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
