"""Many photos into one folder of results: what test_model.py does with each, and when it counts as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasets.people.given_mask import mask_path
from datasets.people.openpose import keypoint_path, write_keypoints
from datasets.people.person import NoPersonError, PersonCutOffError, Photo
from datasets.people.photo_folder import PhotoFile
from inference.digitized_person import MeshOptions
from inference.photo_digitizer import PhotoDigitizer
from inference.subject import Subject
from utils.batch import InThreads, LeftOut
from utils.records import Records, stamps
from utils.result_folder import ResultFolder


@dataclass(frozen=True)
class ReadPhoto:
    """A photo, and what its record will say of it."""

    name: str
    inputs: Mapping[str, list[int]]  # stamps of the files, from before they were read
    photo: Photo


@dataclass(frozen=True)
class PhotoRun:
    """One run of test_model.py."""

    digitizer: PhotoDigitizer
    photos: Mapping[str, PhotoFile]
    folder: ResultFolder
    records: Records
    meshes: MeshOptions
    everybody: bool = False  # in a photo, instead of one
    save_keypoints: bool = False

    def in_threads(self, jobs: int) -> InThreads:
        """Several photos at a time; frames of a video are read in their order."""
        return InThreads(self.read, self.digitize, jobs)

    def read(self, name: str) -> ReadPhoto:
        """Read a photo; from now on it is not done.

        Raises:
            InputError: it cannot be read.
        """
        self.records.forget(name)
        return ReadPhoto(name, stamps(self.inputs(name)), self.photos[name].read())

    def digitize(self, read: ReadPhoto) -> None:
        """Digitize who is meant and write all files, the record that the photo is done last.

        Raises:
            InputError: there is no usable person, or the model found no body.
            LeftOut: there is no person in this frame of a video.
        """
        files: list[Path] = []
        people = {}
        for subject in self._find(read):
            person = self.digitizer.digitize(subject)
            if self.save_keypoints:
                files.append(self.folder.keypoints(person.name))
                write_keypoints(files[-1], subject.person.keypoints)
            files += person.write(self.folder, self.meshes)
            people[person.name] = {"frame": subject.frame, "warnings": list(person.warnings)}
        self.records.write(read.name, read.inputs, files, people=people)

    def _find(self, read: ReadPhoto) -> list[Subject]:
        try:
            if self.everybody:
                subjects, left_out = self.digitizer.find_everybody(read.photo, read.name)
            else:
                subjects, left_out = [self.digitizer.find(read.photo, name=read.name)], []
        except (NoPersonError, PersonCutOffError) as error:
            if self.photos[read.name].video is not None:
                raise LeftOut(str(error)) from error
            raise
        for warning in (*left_out, *(warning for subject in subjects for warning in subject.person.warnings)):
            tqdm.write(f"{read.photo.path.name}: {warning}")
        return subjects

    def inputs(self, name: str) -> list[Path]:
        """The files from which a photo's results are made."""
        file = self.photos[name]
        beside = file.path.with_name(f"{file.name}.png")
        return [file.path, mask_path(beside), keypoint_path(beside)]

    def is_done(self, name: str) -> bool:
        """Whether the results of a photo are there and would come out the same; says why when they would not."""
        why = self.records.why_again(name, self.inputs(name))
        if why:
            tqdm.write(f"{name}: done again: {why}")
        return why is None
