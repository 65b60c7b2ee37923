"""The bundled source of masks: the pose network's coarse mask, sharpened on the photo's own colours."""

from __future__ import annotations

import cv2
import numpy as np

from datasets.matting import grab_cut, guided_filter, large_components
from datasets.mediapipe.detector import MediaPipeDetector
from datasets.mediapipe.landmarks import Pose
from datasets.mediapipe.networks import INPUT_SIDE
from datasets.mediapipe.people import REACH
from datasets.mediapipe.regions import Pyramid, index_affine
from datasets.people import FoundMask, MaskError, Photo
from geometry.keypoints import Keypoints

WORKING_SIDE = 1280
"""Pixels across the person's region in which the mask is sharpened: half of what a person that fills 2048 px has."""
SKIRT_WEIGHT, SKIRT_NEAR, SKIRT_FAR = 0.4, 0.02, 0.07
"""Weight of the garment network, and between which distances from the pose mask it fades, in body heights."""


class MediaPipeMask:
    """The mask of the person with the given joints; neighbours are left out.

    Args:
        detector: whose forward pass of the same photo is used again.
        with_skirt: let a second network add wide garments near the body. It may also add what lies behind them.
    """

    def __init__(self, detector: MediaPipeDetector, with_skirt: bool = False) -> None:
        self.detector, self.with_skirt = detector, with_skirt

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The person's pixels.

        Raises:
            MaskError: the network sees nobody at these joints.
            ModelUnavailableError: the networks cannot be loaded.
        """
        pose = self.detector.pose(photo, keypoints)
        coarse = pose.mask
        if self.with_skirt:
            coarse = self._with_skirt(photo, pose)
        if not (coarse > 0.5).any():
            raise MaskError(f"{photo.path.name}: the mask network sees nobody at these joints")
        return FoundMask(sharpened(photo.rgb, pose, coarse))

    def _with_skirt(self, photo: Photo, pose: Pose) -> np.ndarray:
        """(256, 256) the coarse mask with what the garment network adds near it."""
        side = INPUT_SIDE["selfie_segmentation"]
        picture = Pyramid(photo.rgb).crop(pose.region, side) / 255.0
        selfie = self.detector.networks.run("selfie_segmentation", picture)[0][0, :, :, 0]
        away = cv2.distanceTransform((pose.mask <= 0.5).astype(np.uint8), cv2.DIST_L2, 5) / (side / REACH)
        gate = np.clip((SKIRT_FAR - away) / (SKIRT_FAR - SKIRT_NEAR), 0, 1)
        return (1 - SKIRT_WEIGHT) * pose.mask + SKIRT_WEIGHT * selfie * gate


def sharpened(rgb: np.ndarray, pose: Pose, coarse: np.ndarray) -> np.ndarray:
    """A coarse mask of a person's region as a mask of the photo, its border on the edges of the photo's colours.

    Args:
        rgb: (H, W, 3) uint8.
        pose: whose region the mask is of.
        coarse: (S, S) probability of the person.

    Returns:
        (H, W) bool.
    """
    height, width = rgb.shape[:2]
    photo_from_coarse = pose.region.photo_from_crop(len(coarse))
    corners = pose.region.to_photo(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float), 1)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int)
    scale = min(1.0, WORKING_SIDE / pose.region.side)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    window = cv2.resize(rgb[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    to_window = np.array([size[0] / (right - left), size[1] / (bottom - top)])[:, None]
    window_from_coarse = (photo_from_coarse - [[0, 0, left], [0, 0, top]]) * to_window
    probability = cv2.warpAffine(coarse, index_affine(window_from_coarse), size, flags=cv2.INTER_LINEAR)
    cut = large_components(grab_cut(window, probability)).astype(np.float32)
    smooth = guided_filter(window, cut)
    mask = np.zeros((height, width), bool)
    full = cv2.resize(smooth, (int(right - left), int(bottom - top)), interpolation=cv2.INTER_LINEAR)
    mask[top:bottom, left:right] = full > 0.5
    return mask
