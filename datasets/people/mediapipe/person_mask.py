"""The bundled source of masks: the pose network's coarse mask, sharpened on the photo's own colors."""

from __future__ import annotations

import cv2
import numpy as np

from datasets.people.matting import cut_from_flat, flat_color, grab_cut, guided_filter, large_components
from datasets.people.mediapipe.detector import MediaPipeDetector
from datasets.people.mediapipe.landmarks import Pose
from datasets.people.mediapipe.onnx_networks import INPUT_SIDE
from datasets.people.mediapipe.person_boxes import REACH
from datasets.people.mediapipe.regions import Pyramid, index_affine
from datasets.people.person import FoundMask, MaskError, Photo
from geometry.keypoints import Keypoints
from utils.errors import InputError

PRESENCE = 0.5
"""Presence below which the network sees no person where the joints of a file are."""
FITS = 0.05
"""Of a person's extent: how far, in the median, joints of a file may lie from those that the networks find."""
WORKING_SIDE = 1024
"""Pixels across the person's region in which the mask is sharpened; more costs time and gains nothing."""
WORKING_SIDE_LOW = 512
"""A smaller person is enlarged to this, because the steps' margins are in pixels."""
FLAT_FRINGE = 0.3
"""Fraction of the surroundings of a person on a flat background that may be something else."""
SKIRT_WEIGHT, SKIRT_NEAR, SKIRT_FAR = 0.4, 0.02, 0.07
"""Weight of the garment network, and between which distances from the pose mask it fades, in body heights."""


def _nearness(coarse: np.ndarray) -> np.ndarray:
    """(S, S) float32: 1 on the person and near it, falling to 0 at SKIRT_FAR."""
    away = cv2.distanceTransform((coarse <= 0.5).astype(np.uint8), cv2.DIST_L2, 5) / (len(coarse) / REACH)
    return np.clip((SKIRT_FAR - away) / (SKIRT_FAR - SKIRT_NEAR), 0, 1)


class MediaPipeMask:
    """The mask of the person with the given joints; neighbours are left out.

    Args:
        detector: whose forward pass of the same photo is used again.
        with_skirt: let a second network add wide garments near the body. It may also add what lies behind them.
    """

    def __init__(self, detector: MediaPipeDetector, with_skirt: bool = False) -> None:
        self.detector, self.with_skirt = detector, with_skirt

    def open(self) -> None:
        """Load the networks now. Raises ModelUnavailableError as `mask` does."""
        self.detector.open()

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The person's pixels.

        Raises:
            MaskError: the network sees no person at these joints.
            ModelUnavailableError: the networks cannot be loaded.
        """
        pose = self.detector.pose(photo, keypoints)
        coarse = pose.mask
        if self.with_skirt:
            coarse = self._with_skirt(photo, pose)
        if pose.presence < PRESENCE or not (coarse > 0.5).any():
            raise MaskError(
                f"{photo.path.name}: the mask network sees no person at these joints ({keypoints.source})"
                f"{self._factor(photo, keypoints)}, expected joints of this photo, or a mask beside it as"
                f" {photo.path.stem}_mask.png"
            )
        return FoundMask(sharpened(photo.rgb, pose, coarse))

    def _factor(self, photo: Photo, keypoints: Keypoints) -> str:
        """A word about the factor by which joints would fit the person in a photo, when there is one."""
        try:
            found = self.detector.keypoints(photo).keypoints
        except InputError:
            return ""
        both = found.present & keypoints.present
        seen, given = found.xy[both], keypoints.xy[both]
        factor = float((seen * given).sum() / max((given**2).sum(), 1e-9))
        away = np.median(np.linalg.norm(factor * given - seen, axis=1)) / max(np.ptp(seen, axis=0).max(), 1.0)
        return f" (multiplied by {factor:.2g} they would fit: were they made for another size?)" if away < FITS else ""

    def _with_skirt(self, photo: Photo, pose: Pose) -> np.ndarray:
        """(256, 256) the coarse mask with what the garment network adds near it."""
        side = INPUT_SIDE["selfie_segmentation"]
        picture = Pyramid(photo.rgb).crop(pose.region, side) / 255.0
        selfie = self.detector.networks.run("selfie_segmentation", picture)[0][0, :, :, 0]
        return (1 - SKIRT_WEIGHT) * pose.mask + SKIRT_WEIGHT * selfie * _nearness(pose.mask)


def sharpened(rgb: np.ndarray, pose: Pose, coarse: np.ndarray) -> np.ndarray:
    """A coarse mask of a person's region as a mask of the photo, its border on the edges of the photo's colors.

    Args:
        rgb: (H, W, 3) uint8.
        pose: whose region the mask is of.
        coarse: (S, S) probability of the person.

    Returns:
        (H, W) bool.
    """
    height, width = rgb.shape[:2]
    corners = pose.region.to_photo(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float), 1)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int)
    window, full_size = rgb[top:bottom, left:right], (int(right - left), int(bottom - top))

    def warped(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        affine = pose.region.photo_from_crop(len(values)) - [[0, 0, left], [0, 0, top]]
        affine = affine * (np.array(size) / full_size)[:, None]
        return cv2.warpAffine(values, index_affine(affine), size, flags=cv2.INTER_LINEAR)

    mask = np.zeros((height, width), bool)
    color = flat_color(rgb)
    if color is not None:
        cut, near = cut_from_flat(window, color, warped(coarse, full_size)), warped(_nearness(coarse), full_size)
        fringe = (near > 0) & (near < 0.5)
        # A photo that was padded with one color has flat borders too, but not around the person.
        if cut[fringe].mean() < FLAT_FRINGE:
            mask[top:bottom, left:right] = large_components(cut & (near > 0))
            return mask
    scale = np.clip(1.0, WORKING_SIDE_LOW / pose.region.side, WORKING_SIDE / pose.region.side)
    size = max(1, round(full_size[0] * scale)), max(1, round(full_size[1] * scale))
    small = cv2.resize(window, size, interpolation=cv2.INTER_AREA if scale <= 1 else cv2.INTER_CUBIC)
    cut = large_components(grab_cut(small, warped(coarse, size))).astype(np.float32)
    smooth = guided_filter(small, cut)
    mask[top:bottom, left:right] = cv2.resize(smooth, full_size, interpolation=cv2.INTER_LINEAR) > 0.5
    return mask
