"""How soon a page of many people shows the first of them in 3D, in headless Chromium (requirements-test.txt)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import start_browser
from benchmarks.sample import PHOTO
from inference import PhotoDigitizer
from utils.files import write_png
from utils.gallery import write_gallery
from utils.result_folder import ResultFolder


def _results(root: Path, people: int) -> ResultFolder:
    """The results of one photo under many names."""
    folder, person = ResultFolder(root), PhotoDigitizer.load()(PHOTO)
    person.write_map_mesh(folder)
    person.write_maps(folder)
    write_png(folder.sheet(person.name), person.sheet)
    for number in range(1, people):
        for path in (folder.map_mesh, folder.sheet):
            shutil.copy(path(person.name), path(f"{person.name}_{number}"))
        for place in ("images/{}", "normal/{}_front"):
            shutil.copy(folder.image(place.format(person.name)), folder.image(place.format(f"{person.name}_{number}")))
    return folder


def first_view(people: int) -> Callable[[], None]:
    """Open the page, until the first person is seen in 3D; the browser itself runs before.

    Raises:
        InputError: there is no Chromium with its driver.
    """
    browser = start_browser(1400, 1000)
    folder = tempfile.TemporaryDirectory()
    page = write_gallery(_results(Path(folder.name), people))

    def work() -> None:
        assert page is not None and folder  # which lives as long as this
        browser.get("about:blank")
        browser.get(page.as_uri())
        shown = lambda page: page.find_element(By.TAG_NAME, "body").get_attribute("data-shown")  # noqa: E731
        WebDriverWait(browser, 60, poll_frequency=0.02).until(shown)

    return work
