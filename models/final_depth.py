"""From a forward pass to the depth of maps, clouds and meshes: agreed with the normals, cut by the masks."""

from __future__ import annotations

import numpy as np
import torch

from geometry.agreement import agree, kinks_of
from geometry.coarse_grid import lift_depth
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND
from geometry.window import person_window
from models.digitizer import Conventions, DepthMaps, Digitized, FrontBack


def final_depth(result: Digitized, person: np.ndarray, conventions: Conventions) -> DepthMaps:
    """Depth on the whole canvas.

    Args:
        result: of a batch of one.
        person: (R, R) bool, the mask of the photo.
        conventions: agreement "coarse" or "refined": that depth, made to agree with the fused normals; "off": the
            refined one as it is. masked: the refined mask cuts the depth.

    Returns:
        (1, 1, R, R) each on the CPU, float32, with the networks' backgrounds. Agreed depth, and that of a masked model,
        has front <= back wherever the person is; any other may cross, and silhouettes() cuts it there.
    """
    refined = _on_cpu(result.depth).placed(result.window, len(person))
    said = (refined.mask_logits[0, 0] > 0).numpy()
    if conventions.agreement == "off":
        return _uncrossed(refined, said) if conventions.masked else refined
    body = person & said if conventions.masked else person
    window = person_window(body)
    coarse = _on_cpu(result.coarse_depth).masked.stacked
    lifted = lift_depth(coarse, window)[0].numpy()
    refined_anchor = conventions.agreement == "refined"
    anchor = refined.depth.stacked[0][(..., *window.slices)].numpy() if refined_anchor else lifted
    kinks = kinks_of(lifted) if conventions.residual or not refined_anchor else None
    fused = result.fused[0][(..., *window.slices)].float().cpu().numpy()
    here = body[window.slices] & bool((coarse[:, 0] < FRONT_BACKGROUND).any())  # nothing where the coarse mask is empty
    agreed = agree(anchor, fused.reshape(2, 3, *fused.shape[1:]), here, len(person), kinks)
    placed = np.empty((2, *person.shape), np.float32)
    placed[0], placed[1] = FRONT_BACKGROUND, BACK_BACKGROUND
    placed[(..., *window.slices)] = np.where(here, agreed, placed[(..., *window.slices)])
    return DepthMaps(FrontBack.split(torch.from_numpy(placed)[None]), refined.mask_logits)


def _on_cpu(maps: DepthMaps) -> DepthMaps:
    front, back, logits = (values.float().cpu() for values in (maps.depth.front, maps.depth.back, maps.mask_logits))
    return DepthMaps(FrontBack(front, back), logits)


def _uncrossed(maps: DepthMaps, person: np.ndarray) -> DepthMaps:
    """The maps, with front and back at their middle where they cross on the person: the mask decides, not the depth."""
    front, back = maps.depth.front, maps.depth.back
    crossed = (front > back) & torch.from_numpy(person)
    middle = (front + back) / 2
    return DepthMaps(
        FrontBack(torch.where(crossed, middle, front), torch.where(crossed, middle, back)), maps.mask_logits
    )
