"""Joints from RTMW whole-body models through rtmlib, an optional package. Only home of rtmlib."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.people.choice import Wanted, choose_person
from datasets.people.onnx_runtime import OpenedOnce, import_onnxruntime, opening_weights
from datasets.people.person import FoundKeypoints, ModelUnavailableError, NoSuchPersonError, Photo
from geometry.keypoints import WHOLEBODY, Keypoints

SEEN = 0.3
"""RTMW's scores are not probabilities: below this a joint is a guess at its place, which is not used."""


def weights_folder() -> Path:
    """Where rtmlib keeps what it downloads, to put the files there by hand."""
    torch_home = os.environ.get("TORCH_HOME")
    if torch_home:
        return Path(torch_home).expanduser() / "hub" / "checkpoints"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "rtmlib" / "hub" / "checkpoints"


class RtmwKeypoints:
    """Joints from rtmlib's whole-body model; its weights are downloaded by rtmlib when it is opened, if needed.

    Args:
        person: number from the left of the photo, from 1; None takes the largest and most central.
        providers: onnxruntime execution providers; rtmlib knows the CPU and CUDA, and chooses its threads itself.
    """

    def __init__(self, person: int | None = None, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        self.wanted = Wanted(person)
        self.device = "cuda" if "CUDAExecutionProvider" in providers else "cpu"
        self.open = OpenedOnce(self._open)

    def keypoints(self, photo: Photo) -> FoundKeypoints:
        """Joints of the person; those with a low score are missing.

        Raises:
            NoSuchPersonError: no person is found, or not as many as `person` says.
            ModelUnavailableError: rtmlib or its weights are not on this machine and could not be fetched.
        """
        models = self.open()
        # rtmlib reads its pictures with OpenCV, so its models were measured on BGR.
        bgr = cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2BGR)
        # Asked for both at once, rtmlib takes the whole picture for a person when it finds none.
        boxes = np.asarray(models.det_model(bgr), dtype=np.float64).reshape(-1, 4)
        if not len(boxes):
            raise NoSuchPersonError(f"{photo.path.name}: no person found by RTMW")
        chosen, warnings = choose_person(boxes, photo.size, self.wanted.person, photo.path.name)
        xy, score = models.pose_model(bgr, bboxes=[boxes[chosen]])
        joints, score = np.asarray(xy)[0][list(WHOLEBODY)], np.asarray(score)[0][list(WHOLEBODY)]
        return FoundKeypoints(Keypoints.from_scores(joints, np.where(score >= SEEN, score, 0.0), "rtmw"), warnings)

    def _open(self) -> Any:
        import_onnxruntime("keypoints rtmw")
        if importlib.util.find_spec("rtmlib") is None:
            raise ModelUnavailableError("keypoints rtmw: the package rtmlib is missing: pip install rtmlib")
        import rtmlib

        with opening_weights("keypoints rtmw", "rtmlib", f"the files into {weights_folder()}"):
            return rtmlib.Wholebody(mode="performance", to_openpose=False, backend="onnxruntime", device=self.device)
