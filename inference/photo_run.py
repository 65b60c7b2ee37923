"""Many photos into one folder of results: what test_model.py does with each, and when it counts as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasets.people.openpose import write_keypoints
from datasets.people.person import NoPersonError, PersonCutOffError
from datasets.people.photo_folder import PhotoFile
from datasets.people.read_photo import ReadPhoto, input_files
from inference.digitized_person import MeshOptions
from inference.photo_digitizer import PhotoDigitizer
from inference.subject import Subject
from utils.batch import InThreads, LeftOut
from utils.records import Records
from utils.result_folder import ResultFolder


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
    ahead: ReadPhoto | None = None  # one of the photos, as datasets.people.read_photo.look_ahead read it

    def in_threads(self, jobs: int) -> InThreads:
        """Several photos at a time; frames of a video are read in their order."""
        return InThreads(self.read, self.digitize, jobs)

    def read(self, name: str) -> ReadPhoto:
        """Read a photo; from now on it is not done.

        Raises:
            InputError: it cannot be read.
        """
        self.records.forget(name)
        if self.ahead is not None and self.ahead.name == name:
            return self.ahead
        return ReadPhoto.read(name, self.photos[name])

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
            elif read.upright is not None:
                subjects, left_out = [self.digitizer.place(read.upright, read.name)], []
            else:
                subjects, left_out = [self.digitizer.find(read.photo, name=read.name)], []
        except (NoPersonError, PersonCutOffError) as error:
            if self.photos[read.name].video is not None:
                raise LeftOut(str(error)) from error
            raise
        for warning in (*left_out, *(warning for subject in subjects for warning in subject.person.warnings)):
            tqdm.write(f"{read.photo.path.name}: {warning}")
        return subjects

    def is_done(self, name: str) -> bool:
        """Whether the results of a photo are there and would come out the same; says why when they would not."""
        why = self.records.why_again(name, input_files(self.photos[name]))
        if why:
            tqdm.write(f"{name}: done again: {why}")
        return why is None
