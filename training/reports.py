"""What a run leaves for people to look at: metrics.jsonl, TensorBoard, panels and the picture of the loss curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from utils.atomic_file import atomic_path
from utils.errors import naming
from utils.files import read_bytes, write_png, write_text

METRICS, BOARD = "metrics.jsonl", "tensorboard"


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run so far, up to the first that a crash cut short or that is no line of a run."""
    path = folder / METRICS
    lines: list[dict[str, Any]] = []
    for text in read_bytes(path, "the numbers of a run").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int) or "kind" not in line:
            break
        lines.append(line)
    return lines


class Reports:
    """Writes the reports of one run. Lines after `step`, written by an interrupted run after its last checkpoint,
    are dropped.

    When a `with` block of it ends well, the curves of the whole run are drawn.

    Args:
        folder: of the run.
        step: at which the run starts or goes on.
        active: False in all processes but one, where every call does nothing.
    """

    def __init__(self, folder: Path, step: int, active: bool) -> None:
        self.folder = folder
        self.active = active
        if not active:
            return
        kept = [line for line in read_metrics(folder) if line["step"] <= step]
        write_text(folder / METRICS, "".join(f"{json.dumps(line)}\n" for line in kept))
        with naming(folder / BOARD):
            self.board = SummaryWriter(str(folder / BOARD), purge_step=step + 1)

    def __enter__(self) -> Reports:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, stack: object) -> None:
        if self.active:
            with naming(self.folder / BOARD):
                self.board.close()
            if kind is None:
                draw_curves(self.folder)

    def add(self, kind: str, step: int, values: dict[str, float]) -> None:
        """One line.

        Args:
            kind: "train" or "validation".
            step: of the optimiser, done.
        """
        if not self.active:
            return
        line = {"kind": kind, "step": step} | {k: _short(v) for k, v in values.items()}
        path = self.folder / METRICS
        with naming(path), open(path, "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        with naming(self.folder / BOARD):
            for name, value in values.items():
                self.board.add_scalar(f"{kind}/{name}", value, step)

    def picture(self, step: int, epoch: int, sheet: np.ndarray) -> None:
        """The panel of a validation: panels/epoch_003.png."""
        if self.active:
            write_png(self.folder / "panels" / f"epoch_{epoch:03d}.png", sheet)
            with naming(self.folder / BOARD):
                self.board.add_image("validation", sheet, step, dataformats="HWC")


def _short(value: float) -> float | None:
    """Six digits; JSON knows no NaN."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _series(lines: list[dict[str, Any]], kind: str, name: str) -> tuple[list[int], list[float]]:
    points = [(line["step"], line[name]) for line in lines if line["kind"] == kind and line.get(name) is not None]
    return [step for step, _ in points], [value for _, value in points]


def draw_curves(folder: Path) -> None:
    """curves.png: the loss, its terms, normal error, depth error, mask and learning rate against the step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read_metrics(folder)
    terms = sorted({name for line in lines for name in line if "/" in name})
    plots = {
        "loss": [("train", "loss"), ("validation", "loss")],
        "loss terms (training)": [("train", name) for name in terms],
        "normal error [deg]": [("validation", f"normal_{side}_deg") for side in ("front", "back")],
        "depth error [mm]": [("validation", f"depth_{side}_mm") for side in ("front", "back")],
        "mask IoU [%]": [("validation", "mask_iou_percent")],
        "learning rate": [("train", "learning_rate")],
    }
    figure = Figure(figsize=(15, 8))
    FigureCanvasAgg(figure)
    # By hand: a layout that is found costs more than the drawing.
    figure.subplots_adjust(left=0.055, right=0.99, bottom=0.065, top=0.96, wspace=0.17, hspace=0.22)
    for axes, (title, wanted) in zip(figure.subplots(2, 3).flat, plots.items(), strict=True):
        for kind, name in wanted:
            steps, values = _series(lines, kind, name)
            if steps:
                style = {"marker": "o", "markersize": 3} if kind == "validation" else {"linewidth": 0.9}
                axes.plot(steps, values, label=name if "/" in name else f"{kind} {name}", **style)
        axes.set(title=title, xlabel="step", yscale="log" if title.startswith("loss") else "linear")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
    with atomic_path(folder / "curves.png") as temporary:
        figure.savefig(temporary, dpi=110)
