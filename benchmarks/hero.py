"""The pictures of the README, made again from samples/ with the model as it is: real output, nothing retouched.

python -m benchmarks.hero      docs/hero.webp, docs/gallery.jpg (needs Chromium), checkpoints/small/demo.jpg
"""

from __future__ import annotations

from utils.script import ends_in_one_line

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import start_browser
from benchmarks.sample import ROOT
from inference import DigitizedPerson, PhotoDigitizer
from utils.files import write_bytes
from utils.gallery import write_gallery
from utils.portrait import FRAME_MS, TURNTABLE_BACKGROUND, turntable_frames
from utils.result_folder import ResultFolder

TURNING = ("synthetic_200004", "synthetic_200006", "synthetic_200021")
"""Who turns in the hero picture, beside his photo."""
ON_SHEET = "synthetic_200004"
HEIGHT = 288
"""Of the hero picture [px]."""
WEBP_QUALITY, JPEG_QUALITY = 62, 82
WINDOW = (1360, 1010)
"""Of the browser [px]: four people."""
SHEET_WIDTH = 1400


def photo_of(person: DigitizedPerson) -> np.ndarray:
    """(HEIGHT, w, 3) uint8: the photo around the person, as the model sees it."""
    columns = np.flatnonzero(person.subject.mask.any(0))
    air = len(person.subject.rgb) // 32
    cut = person.subject.rgb[:, max(columns[0] - air, 0) : columns[-1] + air]
    return cv2.resize(cut, (round(cut.shape[1] * HEIGHT / len(cut)), HEIGHT), interpolation=cv2.INTER_AREA)


def hero(people: Sequence[DigitizedPerson]) -> bytes:
    """An animated WebP: for everybody the photo, the textured mesh turning, and its surface."""
    rows = []
    for person in people:
        frames = list(turntable_frames(person.textured(person.map_mesh(person.viewing_step))))
        width = round(frames[0].shape[1] * HEIGHT / len(frames[0]))
        turning = [cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_AREA) for frame in frames]
        gap = np.full((HEIGHT, 8, 3), TURNTABLE_BACKGROUND, np.uint8)
        rows.append([np.hstack([photo_of(person), frame, gap]) for frame in turning])
    pictures = [Image.fromarray(np.hstack(parts)) for parts in zip(*rows, strict=True)]
    file = io.BytesIO()
    pictures[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=FRAME_MS,
        loop=0,
        quality=WEBP_QUALITY,
        method=4,
    )
    return file.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """A picture of any mode as the bytes of an RGB JPEG file."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()


def gallery_picture(people: Sequence[DigitizedPerson]) -> Image.Image:
    """What Chromium shows of the page of these people.

    Raises:
        InputError: there is no Chromium with its driver.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = ResultFolder.at(place)
        for person in people:
            person.write(folder)
        page = write_gallery(folder)
        assert page is not None  # it has people
        browser = start_browser(*WINDOW)
        try:
            browser.get(page.as_uri())
            body = browser.find_element(By.TAG_NAME, "body")
            WebDriverWait(browser, 120).until(lambda _: int(body.get_attribute("data-shown") or 0) >= 4)
            return Image.open(io.BytesIO(browser.get_screenshot_as_png()))
        finally:
            browser.quit()


@ends_in_one_line
def main(argv: Sequence[str] | None = None) -> int:
    """Write the three pictures. Returns the exit code: 0, or 1 after one line that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    digitizer = PhotoDigitizer.load(device="cpu")
    people = {path.stem: digitizer(path) for path in sorted((ROOT / "samples").glob("*.jpg"))}
    sheet = Image.fromarray(people[ON_SHEET].sheet)
    sheet.thumbnail((SHEET_WIDTH, sheet.height))
    pictures = {
        "docs/hero.webp": hero([people[name] for name in TURNING]),
        "checkpoints/small/demo.jpg": jpeg(sheet),
        "docs/gallery.jpg": jpeg(gallery_picture(list(people.values()))),
    }
    for path, data in pictures.items():
        write_bytes(ROOT / path, data)
        print(f"{path}: {len(data) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
