"""Photos of people to normals, depth and colored point clouds.

python test_model.py --data_path samples --load_ckpt checkpoints/small.pt --save_path results --save_name demo
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from tqdm import tqdm

from datasets.people.openpose import write_keypoints
from datasets.people.person import Person, Photo, find_person
from datasets.people.person_sources import KEYPOINT_CHOICES, MASK_CHOICES, SourceOptions, person_sources
from datasets.people.photo_folder import find_photos
from datasets.people.square_canvas import SquareCanvas, canvas_coordinates, test_time_photo, to_network
from geometry.point_cloud import lift_sides, sides_cloud
from geometry.side_gap import closed_cloud
from geometry.similarity import PartPoses, pose_parts
from geometry.warp import part_corners
from geometry.window import person_window
from models.build import load_digitizer
from models.digitizer import Agreement, Conventions, Digitized, Digitizer, Poses
from models.fast import accelerate
from models.final_depth import final_depth
from models.result_maps import result_pictures
from utils.batch import run_batch
from utils.contact_sheet import SheetInput, contact_sheet
from utils.device import PRECISIONS, pick_device
from utils.distributed import share
from utils.errors import InputError
from utils.files import write_png
from utils.ply import write_cloud
from utils.result_folder import ResultFolder


@dataclass(frozen=True)
class Subject:
    """A person on the canvas of the model."""

    rgb: np.ndarray  # (R, R, 3) uint8
    mask: np.ndarray  # (R, R) bool
    joints: np.ndarray  # (31, 2) [px]
    predicted: np.ndarray  # (31,) bool
    poses: PartPoses


def place_on_canvas(photo: Photo, person: Person, size: int) -> Subject:
    """Photo, mask and joints on a size x size canvas, with the poses of the parts.

    Raises:
        InputError: a part's joints are all at the same place.
    """
    canvas = SquareCanvas(*photo.rgb.shape[:2], size)
    keypoints = person.keypoints.moved(canvas.points)
    try:
        poses = pose_parts(canvas_coordinates(keypoints, size))
    except ValueError as error:
        raise InputError(f"{photo.path.name}: {error}") from error
    predicted = np.array([origin == "predicted" for origin in keypoints.origin])
    return Subject(canvas.image(photo.rgb), canvas.mask(person.mask), keypoints.xy, predicted, poses)


@torch.inference_mode()
def digitize(subject: Subject, model: Digitizer, device: torch.device) -> Digitized:
    """Run the model on one subject, the refiner on the person's box."""
    photo = to_network(test_time_photo(subject.rgb, subject.mask, model.conventions.backdrop)).to(device)
    return model(photo, Poses.stack([subject.poses], device), person_window(subject.mask))


def write_result(
    name: str, subject: Subject, result: Digitized, conventions: Conventions, folder: ResultFolder
) -> None:
    """Write everything of METHOD.md 9.4, the contact sheet last.

    Args:
        conventions: of the model, or what the user wants instead.

    Raises:
        InputError: the model found no body.
    """
    size = len(subject.rgb)
    depth = final_depth(result, subject.mask, conventions)
    pictures = result_pictures(name, result, depth, subject.rgb, subject.mask)
    try:
        sides = lift_sides(*(side[0, 0].numpy() for side in (depth.depth.front, depth.depth.back)))
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    closed = closed_cloud(sides, subject.rgb)
    sheet = SheetInput(
        subject.rgb,
        subject.mask,
        subject.joints,
        subject.predicted,
        part_corners(subject.poses.canvas_from_part, size),
        pictures[f"normal/{name}_front"],
        pictures[f"normal/{name}_back"],
        sides,
        closed,
    )
    for place, picture in pictures.items():
        write_png(folder.image(place), picture)
    write_cloud(folder.cloud(name, closed=False), sides_cloud(sides, subject.rgb))
    write_cloud(folder.cloud(name, closed=True), closed)
    write_png(folder.sheet(name), contact_sheet(sheet, name))


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


def load_model(path: str, precision: str, device: torch.device) -> Digitizer:
    """A model for inference; the plain one is freed."""
    if precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32 on a GPU too
    return accelerate(load_digitizer(path), PRECISIONS[precision]).to(device)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every photo was done."""
    args = parse_args(argv)
    try:
        device = pick_device(args.device)
        photos = find_photos(args.data_path)
        options = SourceOptions(person=args.person, providers=tuple(args.providers), threads=args.threads)
        sources = person_sources(args.keypoints, args.mask, options)
        model = load_model(args.load_ckpt, args.precision, device)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    folder, conventions = ResultFolder.of(args.save_path, args.save_name), model.conventions
    if args.agreement != "auto":
        conventions = replace(conventions, agreement=args.agreement)

    def work(name: str) -> None:
        photo = Photo.read(photos[name])
        person = find_person(photo, sources.keypoints, sources.mask)
        for warning in person.warnings:
            tqdm.write(f"{photo.path.name}: {warning}")
        if args.save_keypoints:
            write_keypoints(folder.keypoints(name), person.keypoints)
        subject = place_on_canvas(photo, person, model.canvas)
        write_result(name, subject, digitize(subject, model, device), conventions, folder)

    def is_done(name: str) -> bool:
        return folder.sheet(name).exists() and not args.overwrite

    report = run_batch(share(list(photos)), work, is_done, "digitize")
    report.print_summary(f"digitized into {folder.root}")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
