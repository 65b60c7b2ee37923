"""The page of app.py: what it shows and what happens behind it. The one module that needs Gradio."""

from __future__ import annotations

import html
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import gradio as gr
import numpy as np
from gradio.data_classes import ImageData

from datasets.people.person import Photo
from geometry.keypoints import JOINTS, Keypoints
from inference.digitized_person import DigitizedPerson
from inference.photo_digitizer import PhotoDigitizer
from utils.errors import InputError
from utils.files import write_png
from utils.gallery import person_page
from utils.result_folder import ResultFolder

QUEUE = 8
"""Jobs that may wait; who comes later is told that the queue is full."""
VIEW_HEIGHT = 520
"""Of the 3D view and the picture beside it [px]."""
KEEP_SECONDS = 3600
"""Uploads of a visitor who is still there are removed after this time."""


@dataclass(frozen=True)
class Shown:
    """What a visitor sees: one photo and its joints, as found or corrected."""

    photo: Photo
    keypoints: Keypoints


class Demo:
    """What happens behind the page."""

    def __init__(self, digitizer: PhotoDigitizer, folder: Path) -> None:
        self.digitizer, self.folder = digitizer, folder
        self.gone: set[str] = set()  # visitors whose page was closed

    def start(self, path: str | None, progress: gr.Progress, visitor: str) -> Iterator[tuple[Any, ...]]:
        """Digitize an uploaded photo; yields the page's outputs after every stage, until the visitor leaves.

        Raises:
            InputError: the photo cannot be read, or there is no usable person in it.
        """
        if not path:
            raise InputError("no photo yet: choose one, or click an example")
        yield from self._run(Photo.read(path), None, progress, visitor)

    def again(self, shown: Shown | None, progress: gr.Progress, visitor: str) -> Iterator[tuple[Any, ...]]:
        """Digitize the photo once more, with the joints as they were corrected; yields and raises as `start`."""
        if shown is None:
            raise InputError("no joints yet: digitize a photo first")
        yield from self._run(shown.photo, shown.keypoints, progress, visitor)

    def _run(
        self, photo: Photo, keypoints: Keypoints | None, progress: gr.Progress, visitor: str
    ) -> Iterator[tuple[Any, ...]]:
        progress(0.05, "finding the person")
        subject = self.digitizer.find(photo, keypoints)
        shown = Shown(photo, subject.person.keypoints)
        yield shown, picture_of_joints(shown), frame_around(None), None, None, None, None
        if visitor in self.gone:
            return
        progress(0.25, "normals and depth")
        person = self.digitizer.digitize(subject)
        if visitor in self.gone:
            return
        progress(0.7, "mesh")
        files = self._write(person, visitor)
        if visitor in self.gone:
            self.leave(visitor)
            return
        front, back = (person.pictures[f"normal/{person.name}_{side}"] for side in ("front", "back"))
        warnings = "\n".join(f"* {warning}" for warning in person.warnings)
        yield shown, picture_of_joints(shown), frame_around(files[0]), (subject.rgb, front), back, warnings, files

    def _write(self, person: DigitizedPerson, visitor: str) -> list[str]:
        """The mesh, the cloud and the contact sheet, in a folder of the visitor's own; the mesh first."""
        self.folder_of(visitor).mkdir(exist_ok=True)
        folder = ResultFolder(Path(tempfile.mkdtemp(dir=self.folder_of(visitor))))
        person.write_map_mesh(folder)
        person.write_clouds(folder)
        write_png(folder.sheet(person.name), person.sheet)
        paths = (folder.map_mesh(person.name), folder.cloud(person.name, closed=True), folder.sheet(person.name))
        return [str(path) for path in paths]

    def folder_of(self, visitor: str) -> Path:
        """Where a visitor's files lie until the page is closed."""
        return self.folder / f"visitor_{visitor}"

    def leave(self, visitor: str) -> None:
        """Remove what a visitor leaves behind, and end what still runs for him."""
        self.gone.add(visitor)
        shutil.rmtree(self.folder_of(visitor), ignore_errors=True)


def path_of(upload: ImageData | None) -> str | None:
    """The file of an upload as it came: our own reader opens it, and names what it cannot use."""
    return None if upload is None else upload.path


def picture_of_joints(shown: Shown) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the photo with its joints, those that a rule placed in another color."""
    picture = shown.photo.rgb.copy()
    radius = max(2, round(max(picture.shape[:2]) / 200))
    for (x, y), origin in zip(shown.keypoints.xy, shown.keypoints.origin, strict=True):
        color = (255, 140, 0) if origin == "predicted" else (0, 230, 90)
        cv2.circle(picture, (round(x), round(y)), radius, color, -1, cv2.LINE_AA)
        cv2.circle(picture, (round(x), round(y)), radius, (20, 20, 20), max(1, radius // 3), cv2.LINE_AA)
    return picture


def frame_around(mesh: str | None) -> str:
    """The 3D view of a mesh's file as a frame in the page; None: an empty one."""
    content = "" if mesh is None else html.escape(person_page(Path(mesh).read_bytes()))
    style = f"width: 100%; height: {VIEW_HEIGHT}px; border: 0; border-radius: 8px; background: #e6e8eb"
    return f'<iframe title="the person in 3D" style="{style}" srcdoc="{content}"></iframe>'


def visitor_of(request: gr.Request) -> str:
    """The name of a visitor's page, as Gradio gives it; programs that have no page get a new one every time."""
    return request.session_hash or uuid4().hex


def moved(shown: Shown, joint: str, place: tuple[float, float]) -> Shown:
    """The joint of that name at another place [px of the photo]."""
    index = JOINTS.index(joint)
    xy, score = shown.keypoints.xy.copy(), shown.keypoints.score.copy()
    xy[index], score[index] = place, 1.0
    origin = tuple("corrected" if i == index else word for i, word in enumerate(shown.keypoints.origin))
    return replace(shown, keypoints=replace(shown.keypoints, xy=xy, score=score, origin=origin))


@dataclass(frozen=True)
class _Actions:
    """What the page's controls call. Gradio gives the request and the click by their types, the progress bar by its
    default, and shows what is raised here."""

    demo: Demo

    def digitize(
        self,
        path: str | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (how Gradio finds the progress bar)
    ) -> Iterator[tuple[Any, ...]]:
        yield from self._told(self.demo.start(path, progress, visitor_of(request)))

    def correct(
        self,
        shown: Shown | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (as above)
    ) -> Iterator[tuple[Any, ...]]:
        yield from self._told(self.demo.again(shown, progress, visitor_of(request)))

    def place(self, shown: Shown | None, joint: str, click: gr.SelectData) -> tuple[Any, Any]:
        if shown is None:
            raise gr.Error("no joints yet: digitize a photo first", print_exception=False)
        shown = moved(shown, joint, tuple(click.index))
        return shown, picture_of_joints(shown)

    def leave(self, request: gr.Request) -> None:
        self.demo.leave(visitor_of(request))

    @staticmethod
    def _told(results: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The results; errors as the one line that they are."""
        try:
            yield from results
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error


def build_page(demo: Demo, samples: Path, jobs: int) -> gr.Blocks:
    """The page: inputs on the left, the person on the right, joints to correct below.

    Args:
        samples: folder of example photos; may be empty.
        jobs: photos at a time.
    """
    actions = _Actions(demo)
    with gr.Blocks(title="2K2K", analytics_enabled=False, delete_cache=(600, KEEP_SECONDS)) as page:
        gr.Markdown(
            "# One photo to a person in 3D\nOne standing person, whole or nearly so. Nothing leaves this machine."
        )
        shown = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1):
                photo = gr.Image(type="filepath", label="photo", height=420, sources=["upload", "clipboard"])
                # not a subclass: Gradio writes a file beside the module of each
                photo.preprocess = path_of  # type: ignore[assignment, method-assign]
                button = gr.Button("Digitize", variant="primary", elem_id="digitize")
                examples = sorted(str(path) for path in samples.glob("*.jpg"))
                if examples:
                    gr.Examples(examples, photo)
                warnings = gr.Markdown(elem_id="warnings")
            with gr.Column(scale=2):
                with gr.Row():
                    mesh = gr.HTML(frame_around(None), elem_id="mesh")
                    slider = gr.ImageSlider(label="photo | normals", height=VIEW_HEIGHT)
                files = gr.File(label="downloads: mesh, cloud, contact sheet", file_count="multiple", elem_id="files")
        with gr.Accordion("Correct the joints by hand", open=False), gr.Row():
            joints = gr.Image(label="choose a joint, then click where it is", interactive=False, height=620)
            with gr.Column():
                joint = gr.Dropdown(
                    list(JOINTS), value="left_wrist", label="joint (left and right are the person's own)"
                )
                correct = gr.Button("Digitize with these joints", elem_id="again")
                back = gr.Image(label="normals of the back", height=420)
        outputs = [shown, joints, mesh, slider, back, warnings, files]
        button.click(actions.digitize, photo, outputs, concurrency_limit=jobs, concurrency_id="digitize")
        correct.click(actions.correct, shown, outputs, concurrency_limit=jobs, concurrency_id="digitize")
        joints.select(actions.place, [shown, joint], [shown, joints])
        page.unload(actions.leave)
    return page.queue(max_size=QUEUE)


def serve(page: gr.Blocks, port: int, allowed: Sequence[Path]) -> None:
    """Serve the page on 127.0.0.1 until Ctrl-C, with files of the allowed folders alone."""
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        allowed_paths=[str(path) for path in allowed],
        theme=theme,
        quiet=True,
    )
