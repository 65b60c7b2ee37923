"""Time and peak memory of every stage, measured here and now.

python benchmark.py                        all stages
python benchmark.py --stages forward-fp32 forward-bf16 --repeats 5 --json bench.json

Every stage runs in a process of its own, so that its peak memory is its own: one warm-up, then the repeats. Machines
drift: compare stages of one run with each other, not with numbers of another day.
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from utils.errors import InputError
from utils.files import write_text

STAGES = {
    "convolution-rate": ("networks", "convolution_rate", ()),
    "forward-fp32": ("networks", "forward", ("fp32",)),
    "forward-bf16": ("networks", "forward", ("bf16",)),
    "small-networks": ("onnx_networks", "networks", ("torch",)),
    "small-networks-onnxruntime": ("onnx_networks", "networks", ("onnxruntime",)),
    "joints": ("people", "joints", ()),
    "mask": ("people", "mask", ()),
    "agreement-768": ("surfaces", "agreement", (768,)),
    "agreement-2048": ("surfaces", "agreement", (2048,)),
    "photos": ("photo_runs", "photos", (True,)),
    "photos-one-by-one": ("photo_runs", "photos", (False,)),
    "clouds-and-files": ("surfaces", "clouds_and_files", ()),
    "photo-to-glb": ("photo_runs", "to_glb", ()),
    "photo-to-glb-cold": ("photo_runs", "to_glb_cold", ()),
    "photo-to-glb-2048-without-networks": ("photo_runs", "to_glb_without_networks", (2048,)),
    "map-mesh-768": ("looks", "mesh", (768,)),
    "map-mesh-2048": ("looks", "mesh", (2048,)),
    "textured-glb": ("looks", "textured_glb", ()),
    "contact-sheet": ("looks", "sheet", ()),
    "turntable": ("looks", "turning", ()),
    "gallery-50": ("gallery", "first_view", (50,)),
    "mesh-2M": ("surfaces", "mesh", ()),
    "mesh-2M-solver-alone": ("surfaces", "solver_alone", ()),
    "render-110k": ("scans", "depth_of_scan", (110_000,)),
    "render-1M": ("scans", "depth_of_scan", (1_000_000,)),
    "render-1M-7-views": ("scans", "views_of_scan", (1_000_000,)),
    "synthetic-7-views": ("scans", "synthetic_person", ()),
    "strict-1M": ("measuring", "strict", (1_000_000,)),
    **{
        f"load-{size}{suffix}": ("loading", "load", (size, stage))
        for size in (2048, 768)
        for stage, suffix in (("read", "-read"), ("augment", "-augment"), ("whole", ""))
    },
    "train-phase-1": ("training_steps", "step", (1, "canvas")),
    "train-phase-1-kept-heap": ("training_steps", "step", (1, "canvas")),
    "train-phase-2": ("training_steps", "step", (2, "canvas")),
    "train-phase-2-person": ("training_steps", "step", (2, "person")),
    "train-phase-2-person-compiled": ("training_steps", "step", (2, "person", True)),
    "train-small-coarse": ("small_training", "epoch", (1, "phase1.networks=coarse")),
    **{
        f"train-small-coarse-{name}": ("small_training", "epoch", (1, "phase1.networks=coarse", change))
        for name, change in (
            ("echo-4", "phase1.echo=4"),
            ("80-columns", "compute.coarse_columns=80"),
            ("all-columns", "compute.coarse_columns=0"),
        )
    },
    "train-small-parts": ("small_training", "epoch", (1, "phase1.networks=parts")),
    "train-small-refiner": ("small_training", "epoch", (2,)),
    "train-small-refiner-no-crops": ("small_training", "epoch", (2, "compute.refiner_crop=0")),
}
"""Stage -> module of benchmarks/, function, arguments; only the stage's own process imports it."""
ENVIRONMENTS = {
    # glibc keeps freed memory for the next step (README, Training).
    "train-phase-1-kept-heap": {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "17179869184",
        "MALLOC_TOP_PAD_": "67108864",
    }
}
"""Stage -> variables of its process beside the user's own."""
PACKAGES = ("torch", "numpy", "opencv-python-headless", "open3d", "onnxruntime")


@dataclass(frozen=True)
class Measured:
    """One stage, timed in its own process."""

    stage: str
    seconds: list[float]
    peak_gb: float  # resident memory of the stage's largest process, Python and libraries included
    rates: dict[str, float]  # what the stage itself counts, such as GFLOP/s

    @property
    def median(self) -> float:
        """Of the repeats [s]."""
        return statistics.median(self.seconds)


def measure(stage: str, repeats: int) -> Measured:
    """Set a stage up, warm it up once, time the repeats. Runs in this process."""
    module, function, arguments = STAGES[stage]
    setup = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    work: Callable[[], dict[str, float] | None] = setup(*arguments)
    work()
    seconds: list[float] = []
    rates: dict[str, list[float]] = {}
    for _ in range(repeats):
        start = time.perf_counter()
        counted = work() or {}
        seconds.append(time.perf_counter() - start)
        for name, amount in counted.items():
            rates.setdefault(name, []).append(amount / seconds[-1])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6
    return Measured(stage, seconds, peak, {name: statistics.median(values) for name, values in rates.items()})


def measure_apart(stage: str, repeats: int) -> Measured:
    """`measure` in a fresh process.

    Raises:
        InputError: the stage failed there; its own message is on stderr.
    """
    command = [sys.executable, __file__, "--alone", stage, "--repeats", str(repeats)]
    environment = os.environ | ENVIRONMENTS.get(stage, {})
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if finished.returncode:
        raise InputError(f"stage {stage} failed with exit code {finished.returncode}")
    return Measured(**json.loads(finished.stdout.splitlines()[-1]))


def machine() -> dict[str, str]:
    """Where the numbers come from."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    versions = {name: version(name) for name in PACKAGES}
    return {"cpu": model, "cores": str(os.cpu_count()), "python": platform.python_version(), **versions}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE", help=f"of: {', '.join(STAGES)}"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="also write the numbers to this file")
    parser.add_argument("--alone", choices=STAGES, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when every stage could be measured, 1 otherwise."""
    args = parse_args(argv)
    if args.alone:
        print(json.dumps(asdict(measure(args.alone, args.repeats))))
        return 0
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"{'stage':34} {'median s':>9} {'min':>8} {'max':>8} {'peak GB':>8}")
    results, failed = [], False
    for stage in args.stages:
        try:
            result = measure_apart(stage, args.repeats)
        except InputError as error:
            print(f"{stage:34} {error}")
            failed = True
            continue
        rates = "  ".join(f"{name} {value:.3g}" for name, value in result.rates.items())
        low, high = min(result.seconds), max(result.seconds)
        print(f"{stage:34} {result.median:9.3f} {low:8.3f} {high:8.3f} {result.peak_gb:8.2f}  {rates}", flush=True)
        results.append(asdict(result))
    if args.json:
        write_text(args.json, json.dumps({"machine": machine(), "stages": results}, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
