"""Photos of people to normals, depth and colored point clouds.

python test_model.py photo.jpg                      everything about one photo in results/photo
python test_model.py samples --save_name demo       a folder of photos and videos, in results/demo
"""

from __future__ import annotations

from utils.script import IS_PROGRAM, ends_in_one_line, importing

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import get_args

from datasets.people.person_sources import (
    KEYPOINT_CHOICES,
    MASK_CHOICES,
    SourceOptions,
    needed_packages,
    person_sources,
)
from datasets.people.photo_folder import PhotoList, find_photos
from datasets.people.read_photo import ReadPhoto, look_ahead
from utils.batch import run_batch
from utils.child_processes import beside
from utils.choices import SHIPPED_CHECKPOINT, Agreement, Frame, Precision
from utils.command_line import HelpFormatter, given_path, metres, positive
from utils.distributed import cores, rank, shard
from utils.errors import InputError
from utils.gallery import write_gallery
from utils.records import Records, fingerprint, write_run
from utils.result_folder import ResultFolder

MOST_AT_ONCE = {"cpu": 4, "cuda": 8, "mps": 4}
"""Photos that are worked on at a time unless --jobs says otherwise, by device: each takes up to 1 GB of memory."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    inputs = parser.add_argument_group("what")
    inputs.add_argument("photos", nargs="*", type=given_path, metavar="PHOTO", help="photo, video or folder of them")
    inputs.add_argument("--data_path", type=given_path, help="another such photo, video or folder")
    inputs.add_argument("--recursive", action="store_true", help="go into sub-folders, too")
    inputs.add_argument("--every", type=positive, default=1, metavar="N", help="take every N-th frame of a video")
    _add_model_options(parser.add_argument_group("model"))
    _add_people_options(parser.add_argument_group("people"))
    _add_result_options(parser.add_argument_group("results"))
    args = parser.parse_intermixed_args(argv)  # photos may stand between options
    args.photos += [args.data_path] if args.data_path else []
    if not args.photos:
        parser.error("expected a photo, a video or a folder of them")
    return args


def _add_model_options(model: argparse._ArgumentGroup) -> None:
    model.add_argument(
        "--load_ckpt", default=SHIPPED_CHECKPOINT, help="checkpoint of this project, or the authors' .pth.tar"
    )
    model.add_argument("--device", default="auto", help="auto (CUDA where there is one), cpu, cuda, cuda:n or mps")
    model.add_argument(
        "--precision", default="fp32", choices=get_args(Precision), help="of the part networks; tf32: of all, on a GPU"
    )
    model.add_argument(
        "--agreement",
        default="auto",
        choices=("auto", *get_args(Agreement)),
        help="depth that is made to agree with the normals; auto: what the model's config says",
    )


def _add_people_options(people: argparse._ArgumentGroup) -> None:
    people.add_argument(
        "--keypoints",
        default="auto",
        choices=KEYPOINT_CHOICES,
        help="where joints come from; auto: NAME_keypoints.json beside the photo, else mediapipe",
    )
    people.add_argument(
        "--mask",
        default="auto",
        choices=MASK_CHOICES,
        help="where the mask comes from; auto: NAME_mask.png beside the photo, else its alpha, else mediapipe",
    )
    people.add_argument(
        "--person",
        type=person_choice,
        metavar="N",
        help="which of several people, counted from the left, from 1; all: everybody, as NAME_1, NAME_2 ...",
    )
    people.add_argument(
        "--frame",
        default="auto",
        choices=get_args(Frame),
        help="auto: a person who is small in the photo is enlarged; photo: the whole photo, as the official code does",
    )
    people.add_argument(
        "--threads",
        type=int,
        help="of the detectors; 0: onnxruntime chooses; when left out the cores divided by the jobs",
    )
    people.add_argument(
        "--providers", nargs="+", default=["CPUExecutionProvider"], help="of onnxruntime for the detectors, best first"
    )


def _add_result_options(results: argparse._ArgumentGroup) -> None:
    results.add_argument("--save_path", type=given_path, default=Path("results"), help="folder of all results")
    results.add_argument("--save_name", help="name of this one in it (default: that of the photo or folder)")
    results.add_argument("--save_keypoints", action="store_true", help="write OpenPose JSON, to be corrected by hand")
    results.add_argument(
        "--mesh_step",
        type=positive,
        metavar="N",
        help="map pixels to a vertex of the mesh (default: for 100 000 faces)",
    )
    results.add_argument(
        "--open_jumps", action="store_true", help="leave the mesh open between an arm and the hip behind it"
    )
    results.add_argument(
        "--height", type=metres, metavar="M", help="of the person: puts the mesh in metres, the feet on the ground at 0"
    )
    results.add_argument("--turntable", action="store_true", help="also write the person turning, as animated WebP")
    results.add_argument("--overwrite", action="store_true", help="do finished photos again")
    results.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="photos at a time, each with its part of the cores (default: one per core, up to 4, with a GPU up to 8)",
    )


def person_choice(text: str) -> int | str:
    """The type of --person."""
    if text == "all" or text.removeprefix("-").isdecimal():
        return text if text == "all" else int(text)
    raise argparse.ArgumentTypeError(f"{text!r}, expected a number from 1 or all")


def settings_of(args: argparse.Namespace) -> dict[str, object]:
    """What the results depend on besides photos, masks and joints.

    Raises:
        InputError: there is no such checkpoint.
    """
    options = ["precision", "agreement", "keypoints", "mask", "person", "frame"]
    options += ["mesh_step", "open_jumps", "height", "turntable"]
    options += ["save_keypoints"] * args.save_keypoints  # it adds files and changes none
    return {
        "checkpoint": Path(args.load_ckpt).name,
        "checkpoint_sha256": fingerprint(args.load_ckpt),
        **{f"--{name}": getattr(args, name) for name in options},
    }


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when every photo was done."""
    args = parse_args(argv)
    try:
        listed = find_photos(args.photos, args.recursive, args.every)
        with _looking_ahead(args, listed) as found:
            with importing():
                from inference import MeshOptions, PhotoDigitizer
                from inference.photo_run import PhotoRun
                from utils.device import pick_device, torch_threads
            ahead = found()
        jobs = args.jobs or min(cores(), len(listed.photos), MOST_AT_ONCE[pick_device(args.device).type])
        sources = person_sources(args.keypoints, args.mask, source_options(args, cores(jobs)))
        if ahead is None:
            sources.open()
        digitizer = PhotoDigitizer.load(
            args.load_ckpt, args.device, args.precision, args.agreement, sources=sources, frame=args.frame
        )
        if args.mesh_step and digitizer.model.canvas % args.mesh_step:
            raise InputError(
                f"--mesh_step {args.mesh_step}, expected a divisor of the canvas, {digitizer.model.canvas}"
            )
        settings = settings_of(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if (note := listed.note()) and rank() == 0:
        print(note)
    folder = ResultFolder.of(args.save_path, args.save_name, args.photos)
    if rank() == 0:
        write_run(folder.root, "test_model.py", settings | {"device": str(digitizer.device)})
    records = Records(folder.root, "photos", settings)
    meshes = MeshOptions(args.mesh_step, args.open_jumps, args.height, args.turntable)
    run = PhotoRun(
        digitizer,
        listed.photos,
        folder,
        records,
        meshes,
        everybody=args.person == "all",
        save_keypoints=args.save_keypoints,
        ahead=ahead,
    )
    is_done = (lambda name: False) if args.overwrite else run.is_done
    with torch_threads(cores(jobs)):
        report = run_batch(shard(list(listed.photos)), run.in_threads(jobs), is_done, "digitize")
    report.print_summary(f"digitized into {folder.root}")
    if page := write_gallery(folder):
        print(f"look at it: {page}")
    return report.exit_code


def source_options(args: argparse.Namespace, threads: int) -> SourceOptions:
    """Of the detectors, with so many threads unless the command line says otherwise."""
    person = None if args.person == "all" else args.person
    threads = threads if args.threads is None else args.threads
    return SourceOptions(person, providers=tuple(args.providers), threads=threads)


def _looking_ahead(
    args: argparse.Namespace, listed: PhotoList
) -> AbstractContextManager[Callable[[], ReadPhoto | None]]:
    """Where there is one photo, the person in it is looked for while PyTorch is imported: in a process of its own,
    because of Python's lock. Weights are not fetched there, and somebody else's program is not begun a second time."""
    (name, file), *more = listed.photos.items()
    fetches, left = needed_packages(args.keypoints, args.mask), cores() - 1
    if more or file.video or args.person == "all" or fetches or rank() > 0 or left == 0 or not IS_PROGRAM:
        return nullcontext(lambda: None)
    return beside(look_ahead, name, file, args.keypoints, args.mask, source_options(args, left))


if __name__ == "__main__":
    sys.exit(main())
