"""The bundled networks: checked against their hashes, opened at first use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.people.onnx_runtime import OpenedOnce, import_onnxruntime
from datasets.people.person import ModelUnavailableError
from utils.checksums import checksum_problem

FOLDER = Path(__file__).resolve().parents[3] / "checkpoints" / "mediapipe"
INPUT_SIDE = {
    "pose_detection": 224,
    "pose_landmark_full": 256,
    "hand_recrop": 256,
    "hand_landmark_full": 224,
    "selfie_segmentation": 256,
}
"""Name of each network and the side of the square picture it sees [px]."""


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probability of a logit; finite for every one."""
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))


class Networks:
    """The networks of one run; each is opened when it is first needed.

    Args:
        providers: onnxruntime execution providers, in order of preference. The CPU is fast enough for these.
        threads: of onnxruntime; 0 lets it choose.
        folder: with the .onnx files and their SHA256SUMS.
    """

    def __init__(
        self, providers: Sequence[str] = ("CPUExecutionProvider",), threads: int = 0, folder: Path = FOLDER
    ) -> None:
        self.providers, self.threads, self.folder = list(providers), threads, folder
        self._sessions = {name: OpenedOnce(partial(self._open, name)) for name in INPUT_SIDE}

    def run(self, name: str, picture: np.ndarray) -> list[np.ndarray]:
        """All outputs of one network.

        Args:
            name: a key of INPUT_SIDE.
            picture: (S, S, 3) RGB in the network's own range.

        Raises:
            ModelUnavailableError: the file is missing or changed, or onnxruntime cannot run it.
        """
        session = self._sessions[name]()
        return session.run(None, {session.get_inputs()[0].name: picture[None].astype(np.float32)})

    def open(self) -> None:
        """Open all of them now. Raises ModelUnavailableError as `run` does."""
        for session in self._sessions.values():
            session()

    def _open(self, name: str) -> Any:
        onnxruntime = import_onnxruntime(name)
        content = self._checked(self.folder / f"{name}.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        unknown = set(self.providers) - set(onnxruntime.get_available_providers())
        if unknown:
            raise ModelUnavailableError(
                f"{name}: onnxruntime has no {', '.join(sorted(unknown))},"
                f" expected some of {', '.join(onnxruntime.get_available_providers())}"
            )
        try:
            return onnxruntime.InferenceSession(content, options, providers=self.providers)
        except Exception as error:  # onnxruntime's own errors derive from Exception only.
            raise ModelUnavailableError(
                f"{name}: onnxruntime cannot open it ({' '.join(str(error).split())})"
            ) from error

    def _checked(self, path: Path) -> bytes:
        """The file's content, when its hash is the one that was written down.

        Raises:
            ModelUnavailableError: a file is missing, or its content is another one.
        """
        hint = "restore it from the repository (git checkout checkpoints/mediapipe)"
        problem = checksum_problem(path, hint, required=True)
        if problem:
            raise ModelUnavailableError(problem)
        return path.read_bytes()
