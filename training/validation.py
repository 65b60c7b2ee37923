"""How good the model is on people it does not train on: losses in eval mode, and the errors people ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from datasets.pairs.training_pairs import Sample, TrainingPairs
from evaluation.map_errors import depth_errors_mm, normal_angles, person_height, silhouette_iou
from geometry.coarse_grid import COARSE_STRIDE, coarse_of
from losses.objective import phase1_objective, phase2_objective
from losses.targets import both_normals
from losses.terms import LossWeights
from models.digitizer import DepthMaps, Digitizer, Phase1Maps
from training import ranks
from training.signals import prepare_worker
from training.steps import poses_of, truth_of, window_of
from utils.distributed import share

SIDES = ("front", "back")


@dataclass(frozen=True)
class Prediction:
    """One batch in eval mode."""

    maps: Phase1Maps
    depth: DepthMaps  # the refiner's; the coarse one in phase 1
    scale: int  # 1 when `depth` is on the canvas, COARSE_STRIDE when it is coarse

    def person(self) -> Tensor:
        """(B, h, w) bool, where the prediction sees somebody: what the point cloud will keep (METHOD.md 9.1)."""
        if self.scale > 1:
            return self.depth.mask_logits[:, 0] > 0
        return (self.depth.depth.front <= self.depth.depth.back)[:, 0]


def predict(model: Digitizer, batch: Sample, phase: int) -> Prediction:
    """Run a model that is in eval mode, the refiner on the box around all people of the batch, as at test."""
    maps = model.phase1(batch.photo, poses_of(batch))
    if phase == 1:
        return Prediction(maps, maps.coarse_depth, scale=COARSE_STRIDE)
    window = window_of(batch)
    return Prediction(maps, model.refine(maps, window).placed(window, model.canvas), scale=1)


def errors_of(prediction: Prediction, batch: Sample) -> dict[str, np.ndarray]:
    """Errors of each sample of a batch.

    Returns:
        name -> (B,) float64: normal_{front,back}_deg of the fused normals and depth_{front,back}_mm (absolute, for a
        person of 1.8 m), means over the silhouette; mask_iou_percent. In phase 1 depth and mask are the coarse ones.
    """
    canvas = batch.depth.shape[-1]
    truth = both_normals(batch.depth, canvas).cpu()
    depth = (batch.depth if prediction.scale == 1 else coarse_of(batch.depth, canvas)).cpu()
    fused, seen = prediction.maps.fused_normals, prediction.person().cpu()
    rows = []
    for index in range(len(depth)):
        row, person = {}, (batch.depth[index, 0] > 0).cpu()
        both = seen[index] & (depth[index, 0] > 0)
        height = person_height(*batch.depth[index].cpu(), person)
        for number, side in enumerate(SIDES):
            normals = getattr(fused, side)[index].float().cpu()
            wanted = truth[index, 3 * number : 3 * number + 3]
            angles = normal_angles(normals[:, person].T, wanted[:, person].T)
            row[f"normal_{side}_deg"] = angles.mean()
            guess = getattr(prediction.depth.depth, side)[index, 0].float().cpu()
            errors = depth_errors_mm(guess[both], depth[index, number][both], height)
            row[f"depth_{side}_mm"] = np.abs(errors).mean() if len(errors) else np.nan
        row["mask_iou_percent"] = silhouette_iou(seen[index], depth[index, 0] > 0)
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def evenly(count: int, limit: int) -> list[int]:
    """Up to `limit` positions spread over range(count)."""
    return sorted({int(position) for position in np.linspace(0, count - 1, min(count, limit)).round()})


@torch.no_grad()
def validate(
    model: Digitizer,
    pairs: TrainingPairs,
    limit: int,
    workers: int,
    phase: int,
    weights: LossWeights,
    learns: Callable[[str], bool],
    device: torch.device,
    show: Callable[[Sample, Prediction], None],
) -> dict[str, float]:
    """Losses and errors over the validation pairs, shared by all processes.

    Args:
        model: in eval mode.
        limit: how many pairs at most.
        learns: whether a loss term counts in "loss".
        show: called with every batch of one sample.

    Returns:
        The means, "loss" and every term among them; a pair without any depth to compare counts for the rest.
    """
    mine: Sequence[int] = share(evenly(len(pairs), limit))
    loader = DataLoader(
        pairs,
        sampler=[(0, position) for position in mine],
        collate_fn=Sample.stack,
        num_workers=workers,
        worker_init_fn=prepare_worker,
    )
    rows: list[dict[str, float]] = []
    for cpu_batch in loader:
        batch = cpu_batch.to(device)
        prediction = predict(model, batch, phase)
        if phase == 1:
            maps, truth = prediction.maps, truth_of(batch, model.canvas)
            terms = phase1_objective(maps.normals_by_network, maps.coarse_depth, truth, weights)
        else:
            terms = phase2_objective(prediction.depth, batch.depth, model.canvas, weights)
        losses = {name: float(term) for name, term in terms.items()}
        errors = {name: float(values[0]) for name, values in errors_of(prediction, batch).items()}
        rows.append({"loss": sum(value for name, value in losses.items() if learns(name))} | losses | errors)
        show(batch, prediction)
    return _means(rows, device)


def _means(rows: list[dict[str, float]], device: torch.device) -> dict[str, float]:
    """Over the rows of all processes; a process may have none, so the names travel too."""
    names = sorted(set(ranks.gathered(list(rows[0]) if rows else [])))
    values = np.array([[row[name] for name in names] for row in rows]).reshape(-1, len(names))
    sums = np.stack([np.nansum(values, axis=0), np.isfinite(values).sum(axis=0)])
    total, count = ranks.summed(torch.from_numpy(sums).to(device, torch.float32)).cpu().double()
    return {name: float(total[k] / count[k]) if count[k] else float("nan") for k, name in enumerate(names)}
