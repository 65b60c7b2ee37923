"""The paper's model on this machine's GPU: against the golden numbers, and against the clock.

python -m benchmarks.on_gpu                        both tables, each row as soon as it is there
python -m benchmarks.on_gpu --json gpu.json        and the numbers in a file
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.networks import PERSON, paper_model
from benchmarks.training_steps import optimizer_of, phase_of, stepping
from datasets.pairs.samples import Sample
from geometry.poses import Poses
from geometry.window import Window
from losses.terms import LossWeights
from models.build import ModelConfig, build_digitizer, load_weights
from models.digitizer import Digitizer
from models.fast import accelerate
from tests import golden
from training.steps import Phase
from utils.checkpoint import OFFICIAL_MODEL, from_official_names
from utils.config import build_config
from utils.device import PRECISIONS, pick_device, set_precision
from utils.files import write_text

Row = dict[str, Any]
photo, depths, golden_weights = cache(golden.photo), cache(golden.depths), cache(golden.weights)
REPEATS = 5
BATCHES = (2, 8)


def _poses(batch: int = 1) -> Poses:
    one = golden.poses()
    return Poses.of(*(tensor.repeat(batch, 1, 1, 1) for tensor in (one.part_from_canvas, one.canvas_from_part)))


def _sample(batch: int, window: Window, device: torch.device) -> Sample:
    pictures, depth = (tensor.repeat(batch, 1, 1, 1).to(device) for tensor in (photo(), depths()))
    return Sample(pictures, depth, _poses(batch).to(device), (window,) * batch)


def _golden_model() -> Digitizer:
    model = build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "golden"))
    load_weights(model, from_official_names(golden_weights(), "golden"), "golden")
    return model.eval()


def _degrees(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(3, h, w) stored normals -> angles where the expected one is set."""
    a, b = (np.moveaxis(2 * stored.astype(np.float64) - 1, 0, -1)[expected.any(0)] for stored in (actual, expected))
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


@torch.inference_mode()
def golden_forward(precision: str, device: torch.device) -> Row:
    """How far the fused normals and the depth of the golden photo are from the authors' numbers."""
    set_precision(precision)
    model = accelerate(_golden_model(), PRECISIONS[precision]).to(device)
    result = model(photo().to(device), _poses().to(device))
    row: Row = {"what": "golden forward", "precision": precision}
    with np.load(golden.DATA / "forward_phase2.npz") as expected:
        normals = result.fused_normals.front[0, :, ::16, ::16].cpu().numpy()
        angles = _degrees(normals, expected["pred_normal_front"].reshape(normals.shape))
        depth = result.depth.depth.front[0, 0, ::16, ::16].cpu().numpy()
        wanted = expected["pred_depth_front"].reshape(depth.shape)
    row |= {"normals mean [deg]": angles.mean(), "normals 99.9 % [deg]": np.percentile(angles, 99.9)}
    error = np.abs(depth - wanted) * 4096  # steps of a depth file of 2048 px
    return row | {"depth mean [steps]": error.mean(), "depth 99.9 % [steps]": np.percentile(error, 99.9)}


def _phase(
    model: Digitizer, number: int, window: str, precision: str, device: torch.device, is_compiled: bool = False
) -> Phase:
    dtype = PRECISIONS[precision]
    autocast = nullcontext if dtype is torch.float32 else partial(torch.autocast, device.type, dtype=dtype)
    model = model.to(device).to(memory_format=torch.channels_last)
    return phase_of(model, number, window, LossWeights(mask=0.0), autocast, is_compiled)


def golden_step(number: int, precision: str, device: torch.device) -> Row:
    """How far the losses of a training step are from the authors', relative to them."""
    set_precision(precision)
    phase = _phase(_golden_model(), number, "canvas", precision, device)
    phase.train()
    result = phase.run(_sample(1, Window.full(golden.CANVAS), device), lambda loss: loss)
    sums = [
        sum(float(term) for name, term in result.terms.items() if name.startswith(kind))
        for kind in ("normals", "depth", "consistency")
    ]
    with np.load(golden.DATA / "train_step.npz") as expected:
        wanted = expected[f"phase{number}.N_D_C"]
    off = [abs(one / other - 1) for one, other in zip(sums, wanted, strict=True) if other]
    return {"what": f"golden step of phase {number}", "precision": precision, "losses off by": max(off)}


def clocked(work: Callable[[], object], device: torch.device) -> Row:
    """Median and spread of the seconds, and the most memory that tensors took."""
    torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for repeat in range(REPEATS + 2):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        if repeat >= 2:
            seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated(device) / 1e9
    return {"median [s]": float(np.median(seconds)), "spread [s]": max(seconds) - min(seconds), "peak [GB]": peak}


def forward_time(precision: str, device: torch.device) -> Row:
    """One photo as it is digitized: refiner on the person's box."""
    set_precision(precision)
    model, sample = accelerate(paper_model(), PRECISIONS[precision]).to(device), _sample(1, PERSON, device)

    @torch.inference_mode()
    def work() -> None:
        model(sample.photo, sample.poses, PERSON)

    return {"what": "forward", "batch": 1, "precision": precision} | clocked(work, device)


def step_time(
    number: int, window: str, batch: int, precision: str, device: torch.device, is_compiled: bool = False
) -> Row:
    """Forward, backward and Adam of one phase of the paper's model."""
    set_precision(precision)
    phase = _phase(paper_model().train(), number, window, precision, device, is_compiled)
    work = stepping(phase, optimizer_of(phase), _sample(batch, PERSON, device))
    title = f"phase {number}, {window}" if number == 2 else "phase 1"
    title += ", compiled" if is_compiled else ""
    clock = clocked(work, device)
    row = {"what": title, "batch": batch, "precision": precision, "samples/s": batch / clock["median [s]"]}
    return row | clock


def rows(device: torch.device) -> list[partial[Row]]:
    """What is measured, in order."""
    precisions = ("fp32", "tf32", "bf16")
    checks = [partial(golden_forward, precision, device) for precision in precisions]
    checks += [partial(golden_step, number, precision, device) for number in (1, 2) for precision in precisions]
    times = [partial(forward_time, precision, device) for precision in precisions]
    for number, window in ((1, "canvas"), (2, "canvas"), (2, "person")):
        for precision in precisions:
            batches = BATCHES if precision == "bf16" else (2,)
            times += [partial(step_time, number, window, batch, precision, device) for batch in batches]
    times.append(partial(step_time, 2, "person", 2, "tf32", device, True))
    return [*checks, *times]


def measure(about: str, rows_on: Callable[[torch.device], list[partial[Row]]]) -> int:
    """Measure row by row, and print each as soon as it is there.

    Args:
        about: for the command line's help.

    Returns:
        The exit code: 1 without a GPU.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args()
    device = pick_device("auto")
    if device.type != "cuda":
        print("error: PyTorch sees no CUDA device here, expected one to measure", file=sys.stderr)
        return 1
    print(f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}")
    done: list[Row] = []
    for row in rows_on(device):
        try:
            done.append(row())
        except torch.cuda.OutOfMemoryError:
            done.append({"what": f"out of memory: {row.args}"})
        torch.cuda.empty_cache()
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{v}" for k, v in done[-1].items()), flush=True)
        if args.json:
            write_text(args.json, json.dumps(done, indent=1, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(measure(__doc__, rows))
