"""One prediction and its ground truth, from files to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evaluation.map_errors import (
    PERSON_HEIGHT_MM,
    angle_summary,
    depth_errors_mm,
    depth_summary,
    normal_angles,
    person_height,
    shift_aligned,
    silhouette_iou,
)
from evaluation.measured_mesh import read_mesh
from evaluation.measurement import Distribution, Measurement, count
from evaluation.normal_detail import detail_summary
from geometry.depth import FILE_BACKGROUND, decode_network
from geometry.mesh import Mesh
from geometry.normals import normals_from_depth
from geometry.scan_frame import ScanFrame, centre_and_scale, turn
from utils.errors import InputError
from utils.files import read_depth_png, read_photo
from utils.result_folder import DEPTH, DEPTH_NORMALS, NORMALS

PERSON_HEIGHT_M = PERSON_HEIGHT_MM / 1000
METRE_HEIGHTS = (0.5, 3.0)
"""A scan whose height lies between is taken to be in metres by the `sith` protocol."""
SIDES = ("front", "back")
ANGLE_TOP_DEG = 90.0
DEPTH_TOP_MM = 100.0


@dataclass(frozen=True)
class Comparison:
    """A prediction and what it should have been."""

    name: str  # the subject, with "_y{yaw}" when several views are measured
    subject: str
    yaw: float  # how far the person was turned in front of the camera [deg]
    prediction: Path  # a mesh; for maps an output folder / {ID}: the parent holds depth/{ID}_front.png and so on
    truth: Path  # a mesh, or a subject of a set; for maps a view folder / {ID}: the parent holds {ID}_front.png


@dataclass(frozen=True)
class TrueMesh:
    """A scan as its source hands it out."""

    mesh: Mesh  # what is measured, in the scan's own units and place, facing +Z
    frame: ScanFrame  # of the whole scan as it is rendered

    @classmethod
    def of(cls, path: Path, mesh: Mesh) -> TrueMesh:
        """A scan that is rendered and measured as a whole.

        Args:
            path: its name in the error.

        Raises:
            InputError: it has no area or no height.
        """
        return cls(mesh, frame_of(path, mesh))


def load_meshes(pair: Comparison, truth: TrueMesh, frame: str, keep_metres: bool) -> tuple[Mesh, Mesh]:
    """Prediction and scan in one frame, in metres, Y up, seen along -Z.

    Args:
        frame: "camera": the prediction is in the world of the camera (METHOD.md 2.1), the scan in its own: the scan is
            centred and turned, the prediction scaled, both as render.py would. "scan": both are in the scan's frame.
        keep_metres: leave a scan alone that is 0.5 to 3 high; otherwise people are scaled to 1.8 m.

    Raises:
        InputError: a mesh cannot be used.
    """
    predicted, scan = read_mesh(pair.prediction), truth.mesh
    frame_of(pair.prediction, predicted)
    metres = keep_metres and METRE_HEIGHTS[0] <= scan.height <= METRE_HEIGHTS[1]
    factor = 1.0 if metres else PERSON_HEIGHT_M / scan.height
    true_vertices = turn(scan.vertices - truth.frame.offset, pair.yaw)
    if frame == "camera":
        own_vertices = predicted.vertices * truth.frame.scale
    else:
        own_vertices = turn(predicted.vertices - truth.frame.offset, pair.yaw)
    return predicted.moved(factor * own_vertices), scan.moved(factor * true_vertices)


def frame_of(path: Path, mesh: Mesh) -> ScanFrame:
    """The frame in which a mesh would be rendered.

    Args:
        path: its name in the error.

    Raises:
        InputError: it has no area or no height.
    """
    try:
        frame = centre_and_scale(mesh)
    except ValueError as error:
        raise InputError(f"{path}: {error}, expected a person") from None
    if not mesh.height > 0:
        raise InputError(f"{path}: lies flat at Y = {mesh.vertices[mesh.faces[0, 0], 1]:g}, expected a standing person")
    return frame


def _read_normals(path: Path, size: int) -> np.ndarray:
    """(size, size, 3) float32 stored normals of an 8-bit RGB file."""
    image, _ = read_photo(path)
    if image.shape != (size, size, 3):
        raise InputError(f"{path}: {image.shape[1]} x {image.shape[0]} px, expected {size} x {size} like the scan's")
    return image.astype(np.float32) / 255


def _stored_normals(depth: np.ndarray) -> np.ndarray:
    """(R, R, 3) float32 stored normals of a depth map, rounded to 8 bit as normal files are, so that equal is equal."""
    normals = normals_from_depth(torch.from_numpy(depth)[None, None], len(depth))[0]
    return np.round(normals.permute(1, 2, 0).numpy() * 255) / 255


def _read_depths(folder: Path, name: str) -> dict[str, np.ndarray]:
    depths = {}
    for side in SIDES:
        path = folder / f"{name}_{side}.png"
        encoded = read_depth_png(path)
        if encoded.shape[0] != encoded.shape[1]:
            raise InputError(f"{path}: {encoded.shape[1]} x {encoded.shape[0]} px, expected a square depth map")
        if not (encoded != FILE_BACKGROUND).any():
            raise InputError(f"{path}: is background everywhere, expected a person")
        depths[side] = decode_network(encoded, len(encoded))
    if depths["front"].shape != depths["back"].shape:
        raise InputError(f"{folder / name}_back.png: {len(depths['back'])} px, but front has {len(depths['front'])} px")
    return depths


def measure_maps(pair: Comparison) -> Measurement:
    """Depth, normals, their detail and the silhouette of an output folder against rendered depth maps, front and back.

    Normals of `normal/` (fused) and `cons/` (of the predicted depth) are measured where both silhouettes are.

    Raises:
        InputError: a file is missing or broken, or the sizes differ.
    """
    outputs, name = pair.prediction.parent, pair.prediction.name
    truth = _read_depths(pair.truth.parent, pair.truth.name)
    predicted = _read_depths(outputs / DEPTH, name)
    size = len(truth["front"])
    if len(predicted["front"]) != size:
        raise InputError(f"{outputs / DEPTH / name}_front.png: {len(predicted['front'])} px, the scan has {size} px")
    both = {side: (truth[side] > 0) & (predicted[side] > 0) for side in SIDES}
    result = Measurement()
    height = person_height(truth["front"], truth["back"], (truth["front"] > 0) & (truth["back"] > 0))
    if not height > 0:
        raise InputError(f"{pair.truth}_front.png: the person has no height, expected front and back depth")
    for kind in (NORMALS, DEPTH_NORMALS):
        histograms = {}
        for side in SIDES:
            normals = _read_normals(outputs / kind / f"{name}_{side}.png", size)
            true_normals = _stored_normals(truth[side])
            angles = normal_angles(normals[both[side]], true_normals[both[side]])
            detail = detail_summary(normals, true_normals, truth[side], both[side])
            result.add(f"{kind} {side}", angle_summary(angles) | detail)
            histograms[side] = count(angles, ANGLE_TOP_DEG)
        result.distributions[kind] = Distribution("angle between stored normals [deg]", ANGLE_TOP_DEG, histograms)
    errors = {side: depth_errors_mm(predicted[side][both[side]], truth[side][both[side]], height) for side in SIDES}
    aligned = shift_aligned(errors)
    for side in SIDES:
        iou = {"silhouette_iou_%": silhouette_iou(predicted[side] > 0, truth[side] > 0)}
        result.add(f"depth {side}", depth_summary(errors[side], aligned[side]) | iou)
    histograms = {side: count(np.abs(aligned[side]), DEPTH_TOP_MM) for side in SIDES}
    result.distributions["depth, shift-aligned"] = Distribution("depth error [mm]", DEPTH_TOP_MM, histograms)
    return result
