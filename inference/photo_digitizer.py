"""From a photo to its results, as one object: loaded once, called with photos."""

from __future__ import annotations

import itertools
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from datasets.people.person import MaskError, NoPersonError, NoSuchPersonError, PersonCutOffError, Photo
from datasets.people.person_sources import KnownKeypoints, KnownMask, PersonSources, person_sources
from datasets.people.square_canvas import SquareCanvas, prepared_photo, to_network
from datasets.people.upright import UprightPerson, find_upright
from geometry.keypoints import Keypoints
from geometry.poses import Poses
from geometry.warp import fraction_outside_parts
from geometry.window import person_window
from inference.digitized_person import DigitizedPerson
from inference.subject import Subject
from models.build import load_digitizer
from models.digitizer import Conventions, Digitizer
from models.fast import accelerate
from utils.choices import SHIPPED_CHECKPOINT, Agreement, Frame
from utils.device import PRECISIONS, pick_device, set_precision
from utils.heap import keep_freed_memory
from utils.srgb import make_cielab_tables

PhotoLike = Photo | Path | str | np.ndarray
OUTSIDE_PARTS = 0.02
"""Of the person: as much beside all crops is worth a warning. It is up to 0.3 % of most people, 5 to 11 % of skirts."""


def outside_parts(subject: Subject, filled: bool) -> str | None:
    """A warning about surface that no part network sees, as of wide skirts and coats; None where there is hardly any.

    Args:
        filled: whether the model has other normals for it.
    """
    fraction = fraction_outside_parts(subject.mask, subject.poses.part_from_canvas)
    if fraction < OUTSIDE_PARTS:
        return None
    there = "normals are coarse" if filled else "normals are missing and depth is rough, with straight edges"
    return f"{100 * fraction:.0f} % of the mask lies outside every part (wide clothes?): {there} there"


def as_photo(photo: PhotoLike, name: str) -> Photo:
    """A photo by its file or its pixels.

    Raises:
        InputError: it cannot be read.
    """
    if isinstance(photo, np.ndarray):
        return Photo.of_pixels(photo, name or "photo")
    return photo if isinstance(photo, Photo) else Photo.read(photo)


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
    frame: Frame = "auto"
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)  # of a photo on the device

    @classmethod
    def load(
        cls,
        checkpoint: Path | str = SHIPPED_CHECKPOINT,
        device: str = "auto",
        precision: str = "fp32",
        agreement: Agreement | Literal["auto"] = "auto",
        sources: PersonSources | None = None,
        frame: Frame = "auto",
    ) -> PhotoDigitizer:
        """Load a checkpoint for inference; detectors are loaded when the first photo needs them.

        From then on the process keeps the memory that it frees (utils.heap): a photo takes a quarter less time.

        Args:
            checkpoint: of this project, or the authors' .pth.tar.
            device: see utils.device.pick_device.
            precision: fp32; tf32, of all networks on a GPU; bf16 or fp16, of the part networks, the others in tf32.
            agreement: which depth is made to agree with the fused normals; "auto": the choice stored in the checkpoint.
            sources: of joints and masks; when None, files beside the photo and else the bundled detector
                (datasets.people.person_sources makes others).
            frame: "auto", or "photo" (utils.choices.Frame).

        Raises:
            InputError: an argument names nothing that is there, or the checkpoint cannot be used.
        """
        chosen = pick_device(device)
        threading.Thread(target=make_cielab_tables).start()
        set_precision(precision)
        keep_freed_memory()
        model = accelerate(load_digitizer(checkpoint), PRECISIONS[precision]).to(chosen)
        conventions = model.conventions if agreement == "auto" else replace(model.conventions, agreement=agreement)
        turn = nullcontext() if chosen.type == "cpu" else threading.Lock()
        return cls(model, chosen, conventions, sources or person_sources(), frame, turn)

    def __call__(
        self,
        photo: PhotoLike,
        keypoints: Keypoints | None = None,
        mask: np.ndarray | None = None,
        name: str = "",
    ) -> DigitizedPerson:
        """Digitize the person in a photo; arguments and errors as in `find`."""
        return self.digitize(self.find(photo, keypoints, mask, name))

    def find(
        self,
        photo: PhotoLike,
        keypoints: Keypoints | None = None,
        mask: np.ndarray | None = None,
        name: str = "",
    ) -> Subject:
        """Find the person in a photo and place it on the model's canvas.

        A photo on its side is turned upright, which is among the warnings; with `frame` "auto" a person who is small in
        the photo is cut out of it as large as in training.

        Args:
            photo: a file; or its pixels as (H, W, 3) RGB or (H, W, 4) RGBA uint8, whose alpha is the mask.
            keypoints: joints in the photo's pixels to use instead of those that the sources would find.
            mask: (H, W) bool, True on the person, to use instead of the source's.
            name: of the result's files; the photo's own when empty ("photo" for pixels).

        Raises:
            InputError: the photo cannot be read, or there is no usable person in it.
        """
        sources = self.sources
        if keypoints is not None:
            sources = replace(sources, keypoints=KnownKeypoints(keypoints))
        if mask is not None:
            sources = replace(sources, mask=KnownMask(mask))
        return self.place(find_upright(as_photo(photo, name), sources), name)

    def find_everybody(self, photo: PhotoLike, name: str = "") -> tuple[list[Subject], list[str]]:
        """Everybody in a photo from left to right, named {name}_1, {name}_2 ...; and who was left out and why.

        Raises:
            InputError: the photo cannot be read, or there is no usable person in it.
        """
        photo = as_photo(photo, name)
        subjects: list[Subject] = []
        left_out: list[str] = []
        try:
            for number in itertools.count(1) if self.sources.choosers else (1,):
                self.sources.choose(number)
                try:
                    upright = find_upright(photo, self.sources)
                    subjects.append(self.place(upright, f"{name or photo.path.stem}_{number}"))
                except NoSuchPersonError:
                    if number == 1:
                        raise
                    break
                except (NoPersonError, PersonCutOffError, MaskError) as error:
                    left_out.append(f"person {number} is left out: {error}")
        finally:
            self.sources.choose(None)
        if not subjects:
            raise NoPersonError("; ".join(left_out))
        return subjects, left_out

    def place(self, upright: UprightPerson, name: str = "") -> Subject:
        """Place a person who was found in a photo on the model's canvas, as `find` does.

        Args:
            name: of the result's files; the photo's own when empty.

        Raises:
            InputError: a part's joints are all at the same place.
        """
        person, size, (width, height) = upright.person, self.model.canvas, upright.photo.size
        if self.frame == "auto":
            canvas = SquareCanvas.around(person.mask, person.keypoints.xy, size)
        else:
            canvas = SquareCanvas(height, width, size)
        subject = Subject.place(upright.photo, person, canvas, upright.turns, name)
        return subject.warned(outside_parts(subject, self.conventions.filled))

    @torch.inference_mode()
    def digitize(self, subject: Subject) -> DigitizedPerson:
        """Run the networks on a subject, the refiner on the person's box."""
        pixels = torch.from_numpy(prepared_photo(subject.rgb, subject.mask, self.conventions.backdrop))
        window = person_window(subject.mask)
        with self.turn:
            photo, poses = to_network(pixels.to(self.device)), Poses.stack([subject.poses]).to(self.device)
            result = self.model(photo, poses, window)
        return DigitizedPerson(subject, result, self.conventions)
