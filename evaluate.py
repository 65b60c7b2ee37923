"""Measure predictions against scans, or against rendered depth maps.

python evaluate.py --pred results/thuman --gt data/obj/THuman2/data --split configs/splits/thuman2_last27.txt
"""

from __future__ import annotations

from utils.script import ends_in_one_line, importing

import argparse
import math
import sys
from collections.abc import Sequence
from typing import get_args

from utils.choices import MeshProtocol
from utils.command_line import given_path
from utils.errors import InputError


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--pred",
        type=given_path,
        required=True,
        help="folder of meshes (obj, ply, glb), an output folder of test_model.py,\n"
        "or a folder of either per view, named {SET}_0_y_{YAW}_x",
    )
    parser.add_argument(
        "--gt",
        type=given_path,
        required=True,
        help="folder of scans ({ID}.obj or {ID}/{ID}.obj; also ply, glb),\n"
        "or rendered depth: the data folder, PERS, PERS/DEPTH or one view in it",
    )
    parser.add_argument(
        "--protocol",
        choices=[*get_args(MeshProtocol), "maps"],
        help="default: maps when --gt holds rendered depth, otherwise strict",
    )
    parser.add_argument(
        "--data_name",
        choices=["RP", "THuman2", "2K2K", "Synthetic"],
        help="take the scans of this set from the data folder --gt, turned to the camera as render.py does it;\n"
        "Synthetic people are made from the seeds that --split names, without the skin under their clothes",
    )
    parser.add_argument(
        "--split", type=given_path, help="file with the subjects to measure, one a line (configs/splits)"
    )
    parser.add_argument(
        "--frame",
        choices=["camera", "scan"],
        help="frame of predicted meshes: camera = as this project writes them (the scan is centred,\n"
        "scaled and turned as render.py does it), scan = the scan's own units and place;\n"
        "default: camera for output folders and with --data_name, scan for folders of meshes",
    )
    parser.add_argument(
        "--yaw", type=float, default=0.0, help="yaw of the predictions' view [deg], where no folder tells"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the samples and the bootstrap")
    parser.add_argument("--jobs", type=int, default=1, help="subjects side by side")
    parser.add_argument(
        "--out", type=given_path, help="folder for tables and pictures; default: PRED/evaluation_PROTOCOL"
    )
    parser.add_argument("--json", type=given_path, help="where the JSON file goes; default: OUT/results.json")
    args = parser.parse_args(argv)
    _check(args, parser)
    return args


def _check(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """End the program with a line about options that cannot be."""
    if args.jobs < 1:
        parser.error(f"--jobs {args.jobs}: expected at least 1")
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: expected 0 or more")
    if not math.isfinite(args.yaw):
        parser.error(f"--yaw {args.yaw}: expected degrees")
    if args.data_name and args.frame == "scan":
        parser.error("--frame scan: scans of --data_name are turned to the camera, expected --frame camera")
    if args.data_name == "Synthetic" and not args.split:
        parser.error("--data_name Synthetic: expected --split with the people's names")


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when every subject was measured without a warning, 1 otherwise."""
    args = parse_args(argv)
    with importing():
        from evaluation.run import Request, evaluate, write
    try:
        request = Request.of(args)
        results = evaluate(request)
        write(results, request)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main())
