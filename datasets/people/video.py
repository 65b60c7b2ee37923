"""A video as a folder of frames. Only home of OpenCV's video reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.errors import InputError
from utils.files import check_name

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what FFmpeg says of a damaged file names none
HINT = "expected a video that OpenCV can decode, such as H.264 in mp4 or mov"


class Video:
    """Frames by their number; those asked for in order are decoded once.

    Raises:
        InputError: no frame can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_name(path.name, str(path))  # OpenCV ends the process on a name that is not UTF-8
        if not path.is_file():
            raise InputError(f"{path}: no regular file, {HINT}")
        self._capture = self._open()
        self._next = 0
        # Headers have been seen to say too much, so every frame is tried.
        self.frames = 0
        while self._capture.grab():
            self.frames += 1
        self._capture.release()
        self._next = self.frames
        if not self.frames:
            raise InputError(f"{path}: holds no frame that can be decoded, {HINT}")

    def _open(self) -> Any:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise InputError(f"{self.path}: cannot be decoded, {HINT}")
        return capture

    def read(self, frame: int) -> np.ndarray:
        """One frame as it is displayed.

        Args:
            frame: number from 0.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            InputError: it cannot be decoded.
        """
        if frame < self._next or not self._capture.isOpened():
            self._capture, self._next = self._open(), 0
        while self._next < frame and self._capture.grab():
            self._next += 1
        decoded, bgr = self._capture.read()
        self._next += 1
        if not decoded:
            raise InputError(f"{self.path}: frame {frame} cannot be decoded, {HINT}")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
