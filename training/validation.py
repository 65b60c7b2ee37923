"""How good the model is on people it does not train on: losses in eval mode, and the errors people ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datasets.pairs.samples import Sample
from datasets.pairs.training_pairs import TrainingPairs
from evaluation.map_errors import depth_errors_mm, normal_angles, person_height, silhouette_iou
from geometry.coarse_grid import COARSE_STRIDE, coarse_of
from geometry.point_cloud import body_pixels
from losses.objective import Terms, phase1_objective, phase2_objective
from losses.targets import both_normals
from models.digitizer import DepthMaps, Digitizer, FrontBack, Phase1Maps
from training import ranks
from training.reading import loader_of, reading
from training.run import Run
from training.steps import truth_of
from utils.distributed import shard

SIDES = ("front", "back")


@dataclass(frozen=True)
class Prediction:
    """One batch in eval mode."""

    maps: Phase1Maps
    depth: DepthMaps  # the refiner's; the coarse one in phase 1
    scale: int  # 1 when `depth` is on the canvas, COARSE_STRIDE when it is coarse
    masked: bool  # the silhouette is that of the mask, not of the depth

    def person(self) -> Tensor:
        """(B, h, w) bool, the predicted silhouette: what the point cloud will keep (METHOD.md 9.1)."""
        if self.masked:
            return self.depth.mask_logits[:, 0] > 0
        return body_pixels(self.depth.depth.front, self.depth.depth.back)[:, 0]


def predict(model: Digitizer, batch: Sample, phase: int) -> Prediction:
    """Run a model that is in eval mode, the refiner on the box around all people of the batch, as at test."""
    maps = model.phase1(batch.photo, batch.poses)
    if phase == 1:
        return Prediction(maps, maps.coarse_depth, scale=COARSE_STRIDE, masked=True)
    depth = model.refine(maps, batch.window).placed(batch.window, model.canvas)
    return Prediction(maps, depth, scale=1, masked=model.conventions.masked)


def errors_of(prediction: Prediction, batch: Sample) -> dict[str, np.ndarray]:
    """Errors of each sample of a batch.

    Returns:
        name -> (B,) float64: normal_{front,back}_deg of the fused normals and depth_{front,back}_mm (absolute, for a
        person of 1.8 m), means over the silhouette; mask_iou_percent. In phase 1 depth and mask are the coarse ones.
    """
    canvas = batch.depth.shape[-1]
    full = batch.depth.cpu().numpy()
    depth = full if prediction.scale == 1 else coarse_of(full, canvas)
    truth = _arrays(FrontBack.split(both_normals(batch.depth, canvas)))
    normals, guess = _arrays(prediction.maps.fused_normals), _arrays(prediction.depth.depth)
    seen = prediction.person().cpu().numpy()
    rows = []
    for index in range(len(full)):
        row, person = {}, full[index, 0] > 0
        both = seen[index] & (depth[index, 0] > 0)
        height = person_height(full[index, 0], full[index, 1], person)
        for number, side in enumerate(SIDES):
            # (3, H, W) -> (N, 3) of the silhouette.
            angles = normal_angles(*(maps[side][index][:, person].T for maps in (normals, truth)))
            row[f"normal_{side}_deg"] = angles.mean()
            errors = depth_errors_mm(guess[side][index, 0][both], depth[index, number][both], height)
            row[f"depth_{side}_mm"] = np.abs(errors).mean() if len(errors) else np.nan
        row["mask_iou_percent"] = silhouette_iou(seen[index], depth[index, 0] > 0)
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _arrays(maps: FrontBack) -> dict[str, np.ndarray]:
    """Side -> (B, C, H, W) float32."""
    return {side: getattr(maps, side).float().cpu().numpy() for side in SIDES}


def evenly(count: int, limit: int) -> list[int]:
    """Up to `limit` positions spread over range(count)."""
    return sorted({int(position) for position in np.linspace(0, count - 1, min(count, limit)).round()})


@torch.no_grad()
def validate(
    run: Run,
    model: Digitizer,
    pairs: TrainingPairs,
    device: torch.device,
    learns: Callable[[str], bool],
    show: Callable[[Sample, Prediction], None],
) -> dict[str, float]:
    """Losses and errors over the run's validation pairs, divided among all processes.

    Args:
        model: in eval mode, on the device.
        learns: whether a loss term counts in "loss".
        show: called with every batch of one sample.

    Returns:
        The means, "loss" and every term among them; a pair without any depth to compare counts for the rest.
    """
    chosen = shard(evenly(len(pairs), run.settings.data.validation_samples))
    rows: list[dict[str, float]] = []
    with reading(loader_of(run, pairs, [[(0, position)] for position in chosen])) as batches:
        for cpu_batch in batches:
            for problem in cpu_batch.problems:
                tqdm.write(f"LEFT OUT of the validation: {problem}")
            batch = cast(Sample, cpu_batch.to(device))  # what TrainingPairs hold
            prediction = predict(model, batch, run.phase)
            terms = terms_of(run, prediction, batch)
            losses = {name: float(term) for name, term in terms.items()}
            errors = {name: float(values[0]) for name, values in errors_of(prediction, batch).items()}
            rows.append({"loss": sum(value for name, value in losses.items() if learns(name))} | losses | errors)
            show(batch, prediction)
    return _means(rows)


def terms_of(run: Run, prediction: Prediction, batch: Sample) -> Terms:
    """The objective of the run's phase for a batch in eval mode."""
    canvas, weights = run.settings.model.canvas, run.settings.loss
    if run.phase == 1:
        maps, truth = prediction.maps, truth_of(batch, canvas)
        return phase1_objective(maps.normals_by_network, maps.coarse_depth, truth, weights)
    return phase2_objective(prediction.depth, batch.depth, canvas, weights)


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Over the rows of all processes; a process may have none, so the names travel too."""
    names = sorted({name for names in ranks.all_gather(list(rows[0]) if rows else []) for name in names})
    values = np.array([[row[name] for name in names] for row in rows]).reshape(-1, len(names))
    sums = np.stack([np.nansum(values, axis=0), np.isfinite(values).sum(axis=0)])
    total, count = ranks.all_reduce(torch.from_numpy(sums))
    return {name: float(total[k] / count[k]) if count[k] else float("nan") for k, name in enumerate(names)}
