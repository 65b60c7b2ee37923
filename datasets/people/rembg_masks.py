"""Masks from rembg's models, by name only. Only home of rembg."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.people.onnx_runtime import OpenedOnce, import_onnxruntime, opening_weights
from datasets.people.person import FoundMask, ModelUnavailableError, Photo
from geometry.keypoints import Keypoints

REMBG_MODELS = (
    "u2net",
    "u2net_human_seg",
    "isnet-general-use",
    "birefnet-general",
    "birefnet-general-lite",
    "birefnet-portrait",
)
"""Models with a free licence (Apache-2.0, MIT) that work from the photo alone. rembg's own default is neither."""


def weights_path(model: str) -> Path:
    """Where rembg looks for a model's weights, to put the file there by hand."""
    data_home = os.environ.get("XDG_DATA_HOME")
    default = f"{data_home}/rembg" if data_home else "~/.rembg"
    home = os.environ.get("U2NET_HOME") or os.environ.get("REMBG_HOME") or default
    return Path(home).expanduser() / "models" / model / f"{model}.onnx"


class RembgMask:
    """A mask from one of rembg's models; its weights are downloaded by rembg when it is opened, if they are not there.

    Args:
        model: one of REMBG_MODELS.
        providers: onnxruntime execution providers.
        threads: of onnxruntime; 0 lets it choose.
    """

    def __init__(self, model: str, providers: Sequence[str] = ("CPUExecutionProvider",), threads: int = 0) -> None:
        if model not in REMBG_MODELS:
            raise ValueError(f"rembg model {model!r}, expected one of {', '.join(REMBG_MODELS)}")
        self.model, self.providers, self.threads = model, list(providers), threads
        self.open = OpenedOnce(self._open)

    def mask(self, photo: Photo, keypoints: Keypoints) -> FoundMask:
        """The salient object, cleaned by rembg. It may hold other people too: check_mask compares it with the joints.

        Raises:
            ModelUnavailableError: rembg or the weights are not on this machine and could not be fetched.
        """
        session = self.open()
        import rembg

        values = rembg.remove(photo.rgb, session=session, only_mask=True, post_process_mask=True)
        return FoundMask(np.asarray(values).reshape(photo.rgb.shape[:2]) >= 128)

    def _open(self) -> Any:
        onnxruntime = import_onnxruntime(f"mask {self.model}")
        if importlib.util.find_spec("rembg") is None:
            raise ModelUnavailableError(f"mask {self.model}: the package rembg is missing: pip install rembg")
        import rembg

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        with opening_weights(f"mask {self.model}", "rembg", f"the file at {weights_path(self.model)}"):
            return rembg.new_session(self.model, sess_opts=options, providers=self.providers)
