"""Render scans, or people of our own, to training pairs: pictures, depth and joints from several sides."""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from datasets.pairs.pair_layout import Pair, viewpoint_of
from datasets.pairs.pair_lists import lists_are_current, write_lists
from datasets.people.person_sources import person_sources
from datasets.rendering.subject_renderer import KEYPOINT_CHOICES, SubjectRenderer
from datasets.scan_sets import open_source
from geometry.depth import FILE_LARGEST_PX
from utils.batch import run_batch
from utils.command_line import given_path
from utils.distributed import cores, shard
from utils.errors import InputError
from utils.files import locked

YAW_REACH = 30.0
SMALLEST = 128


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--data_path", type=given_path, default=Path("data"), help="data folder; pairs go to its PERS/, list/"
    )
    parser.add_argument("--data_name", required=True, help="RP, THuman2, 2K2K, Synthetic or a folder of meshes")
    parser.add_argument("--smpl_model_path", type=given_path, help="THuman2's SMPL-X fits; default obj/THuman2/smplx")
    parser.add_argument("--count", type=int, default=200, help="people of Synthetic")
    parser.add_argument("--seed", type=int, default=0, help="first person of Synthetic; lights of every set")
    parser.add_argument("--res", type=int, default=2048, help="width and height of the pictures [px]")
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--yaws", type=float, nargs="+", help="how far the person is turned [deg]")
    sides.add_argument("--views", type=int, default=7, help="number of yaws, spread evenly over -30 to 30 deg")
    parser.add_argument("--keypoints", choices=KEYPOINT_CHOICES, default="auto", help="where the joints come from")
    parser.add_argument("--ambient_rays", type=int, default=4, help="per pixel, for ambient occlusion; 0 leaves it out")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--overwrite", action="store_true", help="render again what is there")
    return parser.parse_args(argv)


def spread_yaws(views: int) -> tuple[float, ...]:
    """Yaws [deg] spread evenly over -30 to 30; one view looks straight ahead."""
    return (0.0,) if views == 1 else tuple(float(yaw) for yaw in np.round(np.linspace(-YAW_REACH, YAW_REACH, views), 2))


def _check(args: argparse.Namespace) -> None:
    limits = {"res": SMALLEST, "views": 1, "count": 1, "jobs": 1, "seed": 0, "ambient_rays": 0}
    for name, least in limits.items():
        if getattr(args, name) < least:
            raise InputError(f"--{name} {getattr(args, name)}, expected {least} or more")
    if args.res > FILE_LARGEST_PX:
        raise InputError(f"--res {args.res}, expected at most {FILE_LARGEST_PX}: the depth files hold no more")
    for yaw in args.yaws or ():
        view = viewpoint_of(Pair("a", "a", yaw).folder)  # what the names of folders can say
        if view is None or view.yaw != yaw:
            raise InputError(f"--yaws {yaw!r}, expected degrees with up to six digits, such as -12.5")
    if args.keypoints in ("mediapipe", "rtmw"):
        person_sources(args.keypoints).open()


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Render; returns the exit code: 1 when a scan failed, 2 when the arguments cannot be used."""
    args = parse_args(argv)
    try:
        _check(args)
        source = open_source(
            args.data_path,
            args.data_name,
            size=args.res,
            count=args.count,
            seed=args.seed,
            smpl_model_path=args.smpl_model_path,
        )
        names = shard(source.names())
    except InputError as error:
        print(f"render.py: {error}", file=sys.stderr)
        return 2
    threads = cores(args.jobs)
    render = SubjectRenderer(
        root=args.data_path,
        source=source,
        size=args.res,
        yaws=tuple(yaw + 0.0 for yaw in args.yaws or spread_yaws(args.views)),  # -0 is 0
        seed=args.seed,
        ambient_rays=args.ambient_rays,
        threads=threads,
        keypoints=args.keypoints,
        overwrite=args.overwrite,
    )
    cv2.setNumThreads(threads)
    report = run_batch(names, render, render.is_done, title=f"render {source.set_name}", jobs=args.jobs)
    report.print_summary("rendered")
    if strangers := sum(not render.is_known(name) for name in report.skipped):
        print(f"{strangers} of those already there were not made by this version: with which settings is unknown")
    if report.done or not lists_are_current(args.data_path, source.set_name):
        with locked(args.data_path / "list"):
            listed = write_lists(args.data_path, source.set_name)
        print(f"{listed} pairs in {args.data_path}/list/{source.set_name}_all.txt, split by subject beside it")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
