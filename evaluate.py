"""Measure predictions against scans, or against rendered depth maps.

python evaluate.py --pred results/thuman --gt data/obj/THuman2/data --split configs/splits/thuman2_last27.txt
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import json
import math
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from datasets.rendering.scan_sources import ScanSource
from datasets.scan_sets import open_source
from datasets.synthetic.synthetic_source import Synthetic
from evaluation.distances import Surface
from evaluation.figures import write_histogram, write_turntable
from evaluation.measured_mesh import checked_mesh, read_mesh
from evaluation.measurement import Distribution, Measurement
from evaluation.pairing import (
    Pairs,
    find_depths,
    find_scans,
    is_output_folder,
    pair_up,
    predicted_subjects,
    prediction_views,
    read_split,
    truth_kind,
)
from evaluation.protocols import PROTOCOLS, check_plausible
from evaluation.report import Results, table, write_csv, write_json
from evaluation.subjects import Comparison, TrueMesh, frame_of, load_meshes, measure_maps
from evaluation.visible_part import visible_part
from geometry.scan_frame import ScanFrame
from utils.batch import run_batch
from utils.command_line import given_path
from utils.errors import InputError, one_line
from utils.files import check_writable, write_text

PACKAGES = ("numpy", "open3d", "scipy")
"""Whose versions may move a number."""


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
        choices=[*PROTOCOLS, "maps"],
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


@dataclass(frozen=True)
class SubjectMeasurer:
    """Measures one subject after another, in this process or another one."""

    pairs: dict[str, Comparison]
    source: ScanSource | None  # where scans come from; None: from the files that the pairs name
    protocol: str
    frame: str
    seed: int
    numbers: Path  # folder for one JSON file per subject
    pictures: Path  # folder for one turntable per subject

    def __call__(self, name: str) -> None:
        pair = self.pairs[name]
        measurement = measure_maps(pair) if self.protocol == "maps" else self._measure_meshes(pair)
        write_text(self.numbers / f"{name}.json", json.dumps(asdict(measurement)))

    def _measure_meshes(self, pair: Comparison) -> Measurement:
        meshes = load_meshes(pair, self._true_mesh(pair), self.frame, keep_metres=self.protocol == "sith")
        predicted, truth = (Surface(mesh) for mesh in meshes)
        measurement = PROTOCOLS[self.protocol](predicted, truth, self.seed)
        measurement.warnings += check_plausible(*meshes)
        write_turntable(self.pictures / f"{pair.name}.png", pair.name, predicted, truth)
        return measurement

    def _true_mesh(self, pair: Comparison) -> TrueMesh:
        if self.source is None:
            return TrueMesh.of(pair.truth, read_mesh(pair.truth))
        return _from_source(self.source, pair.subject)

    def result(self, name: str) -> Measurement:
        """The measurement of a subject that was called before."""
        content = json.loads((self.numbers / f"{name}.json").read_text(encoding="utf-8"))
        distributions = {block: Distribution(**one) for block, one in content["distributions"].items()}
        return Measurement(content["values"], distributions, content["warnings"])


def _from_source(source: ScanSource, subject: str) -> TrueMesh:
    scan = source.load(subject)
    mesh = checked_mesh(Path(subject), scan.mesh)
    frame = frame_of(Path(subject), mesh)
    frame = ScanFrame(frame.offset, frame.scale / scan.frame_scale)
    # Synthetic people have a whole body under their clothes; a scanner would not have seen it.
    return TrueMesh(visible_part(mesh) if isinstance(source, Synthetic) else mesh, frame)


def _protocol(args: argparse.Namespace) -> str:
    kind = "meshes" if args.data_name else truth_kind(args.gt)
    protocol = args.protocol or ("maps" if kind == "maps" else "strict")
    if (protocol == "maps") != (kind == "maps"):
        raise InputError(f"--gt {args.gt}: holds {kind}, which --protocol {protocol} does not take")
    return protocol


def _frame(args: argparse.Namespace, protocol: str) -> str | None:
    if protocol == "maps":
        return None
    first = next(iter(prediction_views(args.pred).values()))
    return args.frame or ("camera" if args.data_name or is_output_folder(first) else "scan")


def find_pairs(args: argparse.Namespace, protocol: str, source: ScanSource | None) -> Pairs:
    """The predictions and their ground truth, as the arguments choose them."""
    split = read_split(args.split) if args.split else None
    if source is not None:
        if isinstance(source, Synthetic):
            # Any seed makes a person, so every predicted one has a truth, whether the split names it or not.
            predicted = (name for name in predicted_subjects(args.pred) if source.seed_of(name) is not None)
            names = sorted({one.subject for one in split or ()}.union(predicted))
        else:
            names = source.names()
        truths = {name: [Path(name)] for name in names}
        return pair_up(args.pred, lambda yaw: truths, protocol == "maps", split, args.yaw)
    find_truths = partial(find_depths, args.gt) if protocol == "maps" else lambda yaw: find_scans(args.gt)
    return pair_up(args.pred, find_truths, protocol == "maps", split, args.yaw)


def evaluate(args: argparse.Namespace) -> Results:
    """Pair, measure, and collect what was found."""
    protocol = _protocol(args)
    frame = _frame(args, protocol)
    args.out = args.out or args.pred / f"evaluation_{protocol}"
    # Textures are not looked at, so the smallest render's will do.
    source = None
    if args.data_name:
        source = open_source(args.gt, args.data_name, size=128, count=1, seed=0, smpl_model_path=None)
    pairs = find_pairs(args, protocol, source)
    print(f"{protocol}: {args.pred} against {args.data_name or ''} {args.gt}" + (f", frame: {frame}" if frame else ""))
    if pairs.outside:
        print(f"{pairs.outside} predictions of people outside the split are not measured")
    by_name = {pair.name: pair for pair in pairs.ready}
    check_writable(args.out)
    # Whoever is stopped from here on leaves no table that belongs to other pictures.
    for path in (args.out / "histogram.png", args.out / "results.csv", json_path(args)):
        path.unlink(missing_ok=True)
    for name in [*by_name, *pairs.failures]:
        (args.out / "turntables" / f"{name}.png").unlink(missing_ok=True)
    results = Results(
        _settings(args, protocol, frame), {pair.name: pair.subject for pair in pairs.ready}, failures=pairs.failures
    )
    with tempfile.TemporaryDirectory() as numbers:
        measurer = SubjectMeasurer(
            by_name,
            source,
            protocol,
            frame or "",
            seed=args.seed,
            numbers=Path(numbers),
            pictures=args.out / "turntables",
        )
        report = run_batch(list(by_name), measurer, lambda name: False, "evaluate", args.jobs)
        done = set(report.done)
        results.measured = {name: measurer.result(name) for name in by_name if name in done}
    results.failures |= report.failures
    return results


def json_path(args: argparse.Namespace) -> Path:
    """Where the numbers go, with everything that they depend on."""
    return args.json or args.out / "results.json"


def _settings(args: argparse.Namespace, protocol: str, frame: str | None) -> dict[str, object]:
    return {
        "protocol": protocol,
        "pred": str(args.pred),
        "gt": str(args.gt),
        "data_name": args.data_name,
        "split": str(args.split) if args.split else None,
        "frame": frame,
        "yaw": args.yaw,
        "seed": args.seed,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def write(results: Results, args: argparse.Namespace) -> None:
    """The table on the screen, then CSV, JSON and the histogram."""
    summary = results.summary(args.seed)
    if results.measured:
        print(table(results, summary), "\n")
        people = len({results.subject_of[name] for name in results.measured})
        title = f"{results.settings['protocol']}: {len(results.measured)} measured, {people} people"
        write_histogram(args.out / "histogram.png", title, results)
    write_csv(args.out / "results.csv", results, summary)
    write_json(json_path(args), results, summary)
    print(f"{len(results.measured)} measured, {len(results.failures)} failed; written to {args.out}")
    for name, one in results.measured.items():
        for warning in one.warnings:
            print(f"WARNING {one_line(name)}: {warning}", file=sys.stderr)
    for name, reason in results.failures.items():
        print(f"FAILED {one_line(name)}: {reason}", file=sys.stderr)


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when every subject was measured without a warning, 1 otherwise."""
    args = parse_args(argv)
    try:
        results = evaluate(args)
        write(results, args)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main())
