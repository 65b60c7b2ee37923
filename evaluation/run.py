"""One run of evaluate.py: what is measured against what, all subjects, and what is written about them."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from datasets.rendering.scan_sources import ScanSource
from datasets.scan_sets import open_source
from evaluation.figures import write_histogram
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
from evaluation.report import Results, table, write_csv, write_json
from evaluation.subject_measurer import SubjectMeasurer
from utils.batch import run_batch
from utils.errors import InputError, one_line
from utils.files import check_writable

PACKAGES = ("numpy", "open3d", "scipy")
"""Whose versions may move a number."""


@dataclass(frozen=True)
class Request:
    """What evaluate.py is asked; its help says what each is. `of` fills in what the folders tell."""

    pred: Path
    gt: Path
    protocol: str
    data_name: str | None
    split: Path | None
    frame: str | None  # None for maps
    yaw: float
    seed: int
    jobs: int
    out: Path
    json: Path

    @classmethod
    def of(cls, args: argparse.Namespace) -> Request:
        """From the command line, and from the folders where it says nothing.

        Raises:
            InputError: a folder holds nothing to measure, or nothing of the protocol's kind.
        """
        kind = "meshes" if args.data_name else truth_kind(args.gt)
        protocol = args.protocol or ("maps" if kind == "maps" else "strict")
        if (protocol == "maps") != (kind == "maps"):
            raise InputError(f"--gt {args.gt}: holds {kind}, which --protocol {protocol} does not take")
        out = args.out or args.pred / f"evaluation_{protocol}"
        found = {"protocol": protocol, "frame": _frame(args, protocol), "out": out}
        return cls(**(vars(args) | found | {"json": args.json or out / "results.json"}))

    @property
    def settings(self) -> dict[str, object]:
        """What the numbers depend on, for their file."""
        return {
            "protocol": self.protocol,
            "pred": str(self.pred),
            "gt": str(self.gt),
            "data_name": self.data_name,
            "split": str(self.split) if self.split else None,
            "frame": self.frame,
            "yaw": self.yaw,
            "seed": self.seed,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        }


def _frame(args: argparse.Namespace, protocol: str) -> str | None:
    if protocol == "maps":
        return None
    first = next(iter(prediction_views(args.pred).values()))
    return args.frame or ("camera" if args.data_name or is_output_folder(first) else "scan")


def find_pairs(request: Request, source: ScanSource | None) -> Pairs:
    """The predictions and their ground truth.

    Args:
        source: of scans; None: they are files in the folder of the ground truth.
    """
    split, is_maps = read_split(request.split) if request.split else None, request.protocol == "maps"
    if source is None:
        find_truths = partial(find_depths, request.gt) if is_maps else lambda yaw: find_scans(request.gt)
        return pair_up(request.pred, find_truths, is_maps, split, request.yaw)
    if request.data_name == "Synthetic":
        from datasets.synthetic.synthetic_source import Synthetic

        # Any seed makes a person, so every predicted one has a truth, whether the split names it or not.
        predicted = (name for name in predicted_subjects(request.pred) if Synthetic.seed_of(name) is not None)
        names = sorted({one.subject for one in split or ()}.union(predicted))
    else:
        names = source.names()
    truths = {name: [Path(name)] for name in names}
    return pair_up(request.pred, lambda yaw: truths, is_maps, split, request.yaw)


def evaluate(request: Request) -> Results:
    """Pair, measure, and collect what was found.

    Raises:
        InputError: there is nothing to measure, or no place for the results.
    """
    source = None
    if request.data_name:
        # Textures are not looked at, so the smallest render's will do.
        source = open_source(request.gt, request.data_name, size=128, count=1, seed=0, smpl_model_path=None)
    pairs = find_pairs(request, source)
    frame = f", frame: {request.frame}" if request.frame else ""
    print(f"{request.protocol}: {request.pred} against {request.data_name or ''} {request.gt}{frame}")
    if pairs.outside:
        print(f"{pairs.outside} predictions of people outside the split are not measured")
    by_name = {pair.name: pair for pair in pairs.ready}
    check_writable(request.out)
    # Whoever is stopped from here on leaves no table that belongs to other pictures.
    for path in (request.out / "histogram.png", request.out / "results.csv", request.json):
        path.unlink(missing_ok=True)
    for name in [*by_name, *pairs.failures]:
        (request.out / "turntables" / f"{name}.png").unlink(missing_ok=True)
    results = Results(request.settings, {pair.name: pair.subject for pair in pairs.ready}, failures=pairs.failures)
    with tempfile.TemporaryDirectory() as numbers:
        measurer = SubjectMeasurer(
            by_name,
            source,
            has_hidden_parts=request.data_name == "Synthetic",
            protocol=request.protocol,
            frame=request.frame or "",
            seed=request.seed,
            numbers=Path(numbers),
            pictures=request.out / "turntables",
        )
        report = run_batch(list(by_name), measurer, lambda name: False, "evaluate", request.jobs)
        done = set(report.done)
        results.measured = {name: measurer.result(name) for name in by_name if name in done}
    results.failures |= report.failures
    return results


def write(results: Results, request: Request) -> None:
    """The table on the screen, then CSV, JSON and the histogram."""
    summary = results.summary(request.seed)
    if results.measured:
        print(table(results, summary), "\n")
        people = len({results.subject_of[name] for name in results.measured})
        title = f"{request.protocol}: {len(results.measured)} measured, {people} people"
        write_histogram(request.out / "histogram.png", title, results)
    write_csv(request.out / "results.csv", results, summary)
    write_json(request.json, results, summary)
    print(f"{len(results.measured)} measured, {len(results.failures)} failed; written to {request.out}")
    for name, one in results.measured.items():
        for warning in one.warnings:
            print(f"WARNING {one_line(name)}: {warning}", file=sys.stderr)
    for name, reason in results.failures.items():
        print(f"FAILED {one_line(name)}: {reason}", file=sys.stderr)
