"""From a photo to its results, as one object: loaded once, called with photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from datasets.people.person import Photo, find_person
from datasets.people.person_sources import KnownKeypoints, KnownMask, PersonSources, person_sources
from datasets.people.square_canvas import prepared_photo, to_network
from geometry.keypoints import Keypoints
from geometry.window import person_window
from inference.digitized_person import DigitizedPerson
from inference.subject import Subject
from models.build import load_digitizer
from models.digitizer import Agreement, Conventions, Digitizer, Poses
from models.fast import accelerate
from utils.device import PRECISIONS, pick_device, set_precision

SHIPPED_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "small.pt"
"""The model that comes with this project."""


@dataclass(frozen=True)
class PhotoDigitizer:
    """A model on a device, and where joints and masks come from.

    Calling it does both steps: `find` looks for the person (CPU), `digitize` runs the networks (the device). A program
    with many photos may do them side by side, as test_model.py does.
    """

    model: Digitizer
    device: torch.device
    conventions: Conventions  # the model's, or with the agreement that the user wants
    sources: PersonSources

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = SHIPPED_CHECKPOINT,
        device: str = "auto",
        precision: str = "fp32",
        agreement: Agreement | Literal["auto"] = "auto",
        sources: PersonSources | None = None,
    ) -> PhotoDigitizer:
        """Load a checkpoint for inference; detectors are loaded when the first photo needs them.

        Args:
            checkpoint: of this project, or the authors' .pth.tar.
            device: see utils.device.pick_device.
            precision: fp32; tf32, of all networks on a GPU; bf16 or fp16, of the part networks, the others in fp32.
            agreement: which depth is made to agree with the fused normals; "auto": what the checkpoint says.
            sources: of joints and masks; when None, files beside the photo and else the bundled detector
                (datasets.people.person_sources makes others).

        Raises:
            InputError: an argument names nothing that is there, or the checkpoint cannot be used.
        """
        chosen = pick_device(device)
        set_precision(precision)
        model = accelerate(load_digitizer(checkpoint), PRECISIONS[precision]).to(chosen)
        conventions = model.conventions if agreement == "auto" else replace(model.conventions, agreement=agreement)
        return cls(model, chosen, conventions, sources or person_sources())

    def __call__(
        self,
        photo: Photo | Path | str | np.ndarray,
        keypoints: Keypoints | None = None,
        mask: np.ndarray | None = None,
        name: str | None = None,
    ) -> DigitizedPerson:
        """Digitize the person in a photo; arguments and errors as in `find`."""
        return self.digitize(self.find(photo, keypoints, mask, name))

    def find(
        self,
        photo: Photo | Path | str | np.ndarray,
        keypoints: Keypoints | None = None,
        mask: np.ndarray | None = None,
        name: str | None = None,
    ) -> Subject:
        """Find the person in a photo and place it on the model's canvas.

        Args:
            photo: a file; or its pixels as (H, W, 3) RGB or (H, W, 4) RGBA uint8, whose alpha is the mask.
            keypoints: joints in the photo's pixels to use instead of those that the sources would find.
            mask: (H, W) bool, True on the person, to use instead of the source's.
            name: of the result's files; the photo's own when None ("photo" for pixels).

        Raises:
            InputError: the photo cannot be read, or there is no usable person in it.
        """
        if isinstance(photo, np.ndarray):
            photo = Photo.of_pixels(photo, name or "photo")
        elif not isinstance(photo, Photo):
            photo = Photo.read(photo)
        sources = self.sources
        if keypoints is not None:
            sources = replace(sources, keypoints=KnownKeypoints(keypoints))
        if mask is not None:
            sources = replace(sources, mask=KnownMask(mask))
        return Subject.place(photo, find_person(photo, sources.keypoints, sources.mask), self.model.canvas, name)

    @torch.inference_mode()
    def digitize(self, subject: Subject) -> DigitizedPerson:
        """Run the networks on a subject, the refiner on the person's box."""
        photo = to_network(prepared_photo(subject.rgb, subject.mask, self.conventions.backdrop)).to(self.device)
        poses = Poses.stack([subject.poses], self.device)
        return DigitizedPerson(subject, self.model(photo, poses, person_window(subject.mask)), self.conventions)
