"""Figures of errors: histograms, and turntables of people colored by error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from evaluation.alignment import Similarity, depth_shift
from evaluation.distances import Surface
from evaluation.measurement import BINS
from evaluation.mesh_views import Box, look, positions, shading_normals
from evaluation.report import Results
from geometry.scan_frame import turn
from utils.atomic_file import atomic_path

TURNTABLE_YAWS = (0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0)
TURNTABLE_SIZE = 448
ERROR_TOP_CM = 5.0
"""The end of the color scale: the same for every subject, so that strips can be compared."""
COLORS = colormaps["turbo"]


def _save(figure: Figure, path: Path) -> None:
    # Letters that the font does not have are drawn as boxes.
    with atomic_path(path) as temporary, warnings.catch_warnings(action="ignore", category=UserWarning):
        figure.savefig(temporary, dpi=100)


def _strip(surface: Surface, distance_of: Callable[[np.ndarray], np.ndarray], box: Box, columns: slice) -> np.ndarray:
    """The surface from all yaws side by side, colored by error, lit from the camera, on white.

    Args:
        distance_of: (N, 3) points of the surface -> (N,) their distances to the other one [m].
        columns: of each view that are drawn.

    Returns:
        (size, views x columns, 3) float64.
    """
    shading = surface.mesh.vertex_normals()
    views = []
    for yaw in TURNTABLE_YAWS:
        hits = look(surface, box, TURNTABLE_SIZE, yaw, columns)
        picture = np.ones((len(hits.hit), 3))
        if hits.hit.any():
            distance = distance_of(positions(surface, hits, hits.hit))
            towards_camera = turn(shading_normals(surface.mesh, shading, hits)[hits.hit], yaw)[:, 2]
            color = COLORS(np.clip(100 * distance / ERROR_TOP_CM, 0, 1))[:, :3]
            picture[hits.hit] = color * (0.5 + 0.5 * np.abs(towards_camera[:, None]))
        views.append(picture.reshape(TURNTABLE_SIZE, -1, 3))
    return np.concatenate(views, axis=1)


def write_turntable(path: Path, title: str, predicted: Surface, truth: Surface) -> None:
    """Write the error-colored turntable: the prediction by its distance to the scan, the scan by the other.

    The prediction is depth-aligned first. Eight yaws, parallel rays, colors from 0 to 5 cm.
    """
    shift = depth_shift(predicted, truth) or Similarity.identity()
    box = Box.around(truth.mesh, predicted.mesh, margin=1.02)
    reach = np.hypot(*(truth.mesh.vertices - box.centre)[:, [0, 2]].T).max() / box.half * TURNTABLE_SIZE / 2
    half = int(np.clip(np.ceil(1.1 * reach), 16, TURNTABLE_SIZE // 2))
    columns = slice(TURNTABLE_SIZE // 2 - half, TURNTABLE_SIZE // 2 + half)
    strips = (
        _strip(predicted, lambda points: truth.nearest(shift.apply(points)).distance, box, columns),
        _strip(truth, lambda points: predicted.nearest(shift.apply_inverse(points)).distance, box, columns),
    )
    width = strips[0].shape[1]
    inches = (width / 100 + 1.3, 2 * TURNTABLE_SIZE / 100 + 0.4)
    figure = Figure(figsize=inches)
    for row, (label, strip) in enumerate(zip(("prediction to scan", "scan to prediction"), strips, strict=True)):
        bottom = (1 - row) * TURNTABLE_SIZE / 100 / inches[1]
        axis = figure.add_axes((0.3 / inches[0], bottom, width / 100 / inches[0], TURNTABLE_SIZE / 100 / inches[1]))
        axis.imshow(strip, interpolation="nearest", aspect="auto")
        axis.set_ylabel(label)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    bar = figure.add_axes(((width / 100 + 0.4) / inches[0], 0.06, 0.18 / inches[0], 0.84))
    scale = ScalarMappable(Normalize(0, ERROR_TOP_CM), COLORS)
    figure.colorbar(scale, cax=bar, extend="max", label="distance [cm], depth-aligned")
    figure.suptitle(title, fontsize=11, parse_math=False)
    _save(figure, path)


def write_histogram(path: Path, title: str, results: Results) -> None:
    """Write how errors are spread: over points or pixels of all subjects (above), over subjects (below).

    The lower row shows the column that heads the block's story: Chamfer where there is one, else the first.
    """
    blocks = list(dict.fromkeys(block for one in results.measured.values() for block in one.distributions))
    figure = Figure(figsize=(1.0 + 4.6 * len(blocks), 6.4), layout="constrained")
    axes = figure.subplots(2, len(blocks), squeeze=False)
    for column, block in enumerate(blocks):
        _draw_points(axes[0, column], block, results)
        _draw_subjects(axes[1, column], block, results)
    figure.suptitle(title, fontsize=11, parse_math=False)
    _save(figure, path)


def _draw_points(axis: Axes, block: str, results: Results) -> None:
    spread = [one.distributions[block] for one in results.measured.values() if block in one.distributions]
    edges = np.linspace(0, spread[0].top, BINS + 1)
    for curve in spread[0].counts:
        total = np.sum([one.counts[curve] for one in spread], axis=0)
        axis.stairs(100 * total / max(total.sum(), 1), edges, label=curve, linewidth=1.5)
    axis.set_title(block)
    axis.set_xlabel(f"{spread[0].axis}; the last bin holds what is larger")
    axis.set_ylabel("fraction [%]")
    axis.set_xlim(0, spread[0].top)
    axis.legend()


def _draw_subjects(axis: Axes, block: str, results: Results) -> None:
    word = block.split(",")[0]
    columns = [column for column in results.columns if column.split("/")[0].split(" ")[0] == word.split(" ")[0]]
    chosen = [column for column in columns if "chamfer" in column] or columns[:1]
    values = [one.values[column] for column in chosen for one in results.measured.values() if column in one.values]
    values = [value for value in values if np.isfinite(value)]
    axis.hist(values, bins=min(30, max(5, len(values) // 3)))
    axis.set_xlabel(chosen[0] if chosen else block)
    axis.set_ylabel("subjects")
    axis.locator_params(axis="y", integer=True)
