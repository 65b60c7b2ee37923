"""A forward pass as pictures: the files of METHOD.md 9.4."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from geometry.depth import encode_network
from geometry.normals import normals_from_depth
from geometry.point_cloud import silhouettes
from models.digitizer import DepthMaps, Digitized, FrontBack
from utils.result_folder import DEPTH, DEPTH_NORMALS, NORMALS, PARTS


def to_picture(stored: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] -> (H, W, 3) uint8 RGB, or (H, W) uint8 for one channel."""
    values = (stored.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return values.permute(1, 2, 0).contiguous().numpy() if len(values) == 3 else values[0].numpy()


def depth_pictures(name: str, depth: FrontBack) -> dict[str, np.ndarray]:
    """Both depth maps as files, and the stored normals of both, by their place.

    Args:
        depth: (1, 1, R, R) network depth each, with the networks' backgrounds.
    """
    size = depth.front.shape[-1]
    sides = {"front": depth.front.float().cpu(), "back": depth.back.float().cpu()}
    silhouette, _ = silhouettes(*(values[0, 0].numpy() for values in sides.values()))
    inside = torch.from_numpy(silhouette)
    pictures = {}
    for side, values in sides.items():
        pictures[f"{DEPTH}/{name}_{side}"] = encode_network(values[0, 0].numpy(), size, silhouette)
        pictures[f"{DEPTH_NORMALS}/{name}_{side}"] = to_picture(
            normals_from_depth(torch.where(inside, values, 0.0), size)[0]
        )
    return pictures


def result_pictures(name: str, result: Digitized, depth: DepthMaps, photo: np.ndarray, person: np.ndarray) -> dict:
    """The pictures of one photo by their place, without suffix.

    Args:
        result: of a batch of one.
        depth: of `result`, placed on the canvas.
        photo: (R, R, 3) uint8.
        person: (R, R) bool.

    Returns:
        place -> uint8 or uint16 array.
    """
    alpha = (person * 255).astype(np.uint8)
    pictures = depth_pictures(name, depth.depth) | {
        f"images/{name}": np.dstack([np.where(person[..., None], photo, 0), alpha]),
        f"{PARTS}/{name}_mask": to_picture(depth.mask_logits[0].sigmoid()),
        f"{PARTS}/{name}_down_mask": to_picture(result.coarse_depth.mask_logits[0].sigmoid()),
    }
    coarse = result.coarse_depth.masked
    coarse_size = coarse.front.shape[-1]
    coarse_person = (result.coarse_depth.mask_logits[0, 0] > 0).cpu().numpy()
    for side in ("front", "back"):
        coarse_values = getattr(coarse, side)[0, 0].cpu().numpy()
        pictures |= {
            f"{NORMALS}/{name}_{side}": to_picture(getattr(result.fused_normals, side)[0]),
            f"{PARTS}/{name}_{side}_down": to_picture(getattr(result.coarse_normals, side)[0]),
            f"{PARTS}/{name}_{side}_down_depth": encode_network(coarse_values, coarse_size, coarse_person),
        }
        for kind, maps in result.part_normals.items():
            pictures[f"{PARTS}/{name}_{side}_{kind}"] = to_picture(getattr(maps, side)[0, 0])
    return pictures
