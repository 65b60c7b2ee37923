"""Many photos into one folder of results: the three stages of test_model.py, and when a photo counts as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasets.people.given_mask import mask_path
from datasets.people.openpose import keypoint_path, write_keypoints
from datasets.people.person import NoPersonError, PersonCutOffError
from datasets.people.photo_folder import PhotoFile
from inference.digitized_person import DigitizedPerson, MeshOptions
from inference.photo_digitizer import PhotoDigitizer
from inference.subject import Subject
from utils.batch import LeftOut, Stages
from utils.records import Records, stamps
from utils.result_folder import ResultFolder


@dataclass(frozen=True)
class FoundPeople:
    """Who is in a photo."""

    name: str  # of the photo
    inputs: Mapping[str, list[int]]  # stamps of the files, from before they were read
    subjects: list[Subject]


@dataclass(frozen=True)
class DigitizedPeople:
    """Everybody in a photo, with results."""

    found: FoundPeople
    people: list[DigitizedPerson]


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

    @property
    def stages(self) -> Stages:
        """Reading, networks and writing of one photo."""
        return Stages(self.find, self.digitize, self.write)

    def find(self, name: str) -> FoundPeople:
        """Read a photo and find who is meant; from now on the photo is not done.

        Raises:
            InputError: there is no usable person.
            LeftOut: there is no person in this frame of a video.
        """
        self.records.forget(name)
        file, inputs = self.photos[name], stamps(self.inputs(name))
        try:
            photo = file.read()
            if self.everybody:
                subjects, left_out = self.digitizer.find_everybody(photo, name)
            else:
                subjects, left_out = [self.digitizer.find(photo, name=name)], []
        except (NoPersonError, PersonCutOffError) as error:
            if file.video is not None:
                raise LeftOut(str(error)) from error
            raise
        for warning in (*left_out, *(warning for subject in subjects for warning in subject.person.warnings)):
            tqdm.write(f"{photo.path.name}: {warning}")
        return FoundPeople(name, inputs, subjects)

    def digitize(self, found: FoundPeople) -> DigitizedPeople:
        """Run the networks on everybody who was found."""
        return DigitizedPeople(found, [self.digitizer.digitize(subject) for subject in found.subjects])

    def write(self, made: DigitizedPeople) -> None:
        """Write all files of a photo, the record that it is done last.

        Raises:
            InputError: the model found no body.
        """
        files: list[Path] = []
        people = {}
        for person in made.people:
            subject = person.subject
            if self.save_keypoints:
                files.append(self.folder.keypoints(person.name))
                write_keypoints(files[-1], subject.person.keypoints)
            files += person.write(self.folder, self.meshes)
            people[person.name] = {"frame": subject.frame, "warnings": list(person.warnings)}
        self.records.write(made.found.name, made.found.inputs, files, people=people)

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
