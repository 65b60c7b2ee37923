"""The demo page: from an upload to the person in 3D, joints by hand, one line for what cannot be used."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import CHROMIUM, DRIVER, start_browser
from datasets.people.person import Photo
from geometry.keypoints import INDEX, JOINTS, Keypoints
from inference import PhotoDigitizer
from inference.demo_page import Demo, Shown, moved, picture_of_joints
from utils.errors import InputError

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "synthetic_200004.jpg"


@pytest.fixture
def visitors(tmp_path) -> Path:
    """Where the files of visitors go."""
    folder = tmp_path / "visitors"
    folder.mkdir()
    return folder


@pytest.fixture
def demo(checkpoint, visitors) -> Demo:
    """With a tiny model: what is tested is the page."""
    return Demo(PhotoDigitizer.load(checkpoint, device="cpu"), visitors)


def silent(fraction: float, stage: str) -> None:
    """Stands for the page's progress bar."""


def shown_joints() -> Shown:
    photo = Photo.of_pixels(np.zeros((200, 100, 3), np.uint8), "photo")
    return Shown(photo, Keypoints(np.full((31, 2), 50.0), np.ones(31), ("detected",) * 31, "here"))


def test_a_click_moves_the_chosen_joint_alone():
    before = shown_joints()
    after = moved(before, "left_knee", (70, 150)).keypoints
    assert tuple(after.xy[INDEX["left_knee"]]) == (70, 150)
    assert after.origin[INDEX["left_knee"]] == "corrected"
    others = [index for index, name in enumerate(JOINTS) if name != "left_knee"]
    np.testing.assert_array_equal(after.xy[others], before.keypoints.xy[others])


def test_joints_are_drawn_where_they_are():
    picture = picture_of_joints(shown_joints())
    assert picture[50, 50].max() > 100
    assert not picture[100:].any()


def test_nothing_to_digitize_is_one_line(demo):
    with pytest.raises(InputError, match="choose one"):
        next(demo.start(None, silent, "anna"))
    with pytest.raises(InputError, match="digitize a photo first"):
        next(demo.again(None, silent, "anna"))


def test_corrected_joints_are_those_that_are_used(demo):
    *_, first = demo.start(str(SAMPLE), silent, "anna")
    corrected = moved(first[0], "left_wrist", tuple(first[0].keypoints.xy[INDEX["left_wrist"]] + 3))
    *_, second = demo.again(corrected, silent, "anna")
    np.testing.assert_allclose(second[0].keypoints.xy, corrected.keypoints.xy)
    assert all(Path(path).stat().st_size > 10_000 for path in second[-1])


def test_who_leaves_leaves_no_file(demo, visitors):
    results = demo.start(str(SAMPLE), silent, "anna")
    for _ in results:
        pass
    assert list(visitors.rglob("*.glb"))
    demo.leave("anna")
    assert not list(visitors.iterdir())


def test_who_leaves_in_the_middle_gets_no_more_files(demo, visitors, monkeypatch):
    for stage in ("digitize", "write"):
        results = demo.start(str(SAMPLE), silent, stage)
        next(results)
        with monkeypatch.context() as patch:
            if stage == "write":  # the page is closed while the files are written

                def write(person, visitor, write=demo._write):
                    files = write(person, visitor)
                    demo.leave(visitor)
                    demo.folder_of(visitor).mkdir()
                    return files

                patch.setattr(demo, "_write", write)
            else:
                demo.leave(stage)
            assert list(results) == []
        assert not list(visitors.iterdir())


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory) -> Path:
    """Where app.py keeps its files."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def address(app_folder):
    """A running app.py."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"no_proxy": "*", "TMPDIR": str(app_folder)}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=environment) as app:
        address, end = f"http://127.0.0.1:{port}/", time.monotonic() + 200
        while True:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address)
                break
            except (urllib.error.URLError, ConnectionError):
                assert app.poll() is None, app.stderr.read().decode()
                assert time.monotonic() < end, "the app did not start"
                time.sleep(0.5)
        yield address
        app.terminate()


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM and DRIVER):
        pytest.skip("no Chromium with its driver here")
    with start_browser(1400, 1100) as driver:
        yield driver


def upload(browser, address: str, photo: Path) -> None:
    browser.get(address)
    wait = WebDriverWait(browser, 120)
    wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=file]"))
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(photo))


def test_a_real_click_leads_from_photo_to_mesh(browser, address, tmp_path):
    upload(browser, address, SAMPLE)
    wait = WebDriverWait(browser, 240)
    wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "img[src*='synthetic_200004']"))
    browser.find_element(By.ID, "digitize").click()
    wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "#files a"))
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "#mesh iframe"))
    wait.until(lambda page: page.find_element(By.TAG_NAME, "body").get_attribute("data-shown"))
    browser.switch_to.default_content()
    browser.find_element(By.CSS_SELECTOR, "#mesh iframe").screenshot(str(tmp_path / "mesh.png"))
    picture = cv2.imread(str(tmp_path / "mesh.png"))
    yellow = (picture[..., 2] > 120) & (picture[..., 0] < 60)  # her shirt
    assert yellow.mean() > 0.02


def test_an_upload_that_is_no_picture_is_one_line(browser, address, tmp_path):
    broken = tmp_path / "photo.jpg"
    broken.write_bytes(b"no picture")
    upload(browser, address, broken)
    time.sleep(2)
    browser.find_element(By.ID, "digitize").click()
    wait = WebDriverWait(browser, 60)
    wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".toast-body"))
    text = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, ".toast-body").get_attribute("textContent"))
    assert "photo" in text and "Traceback" not in text


def test_two_upload_at_once_and_one_leaves_in_the_middle(browser, address, app_folder):
    """The second waits for the first, whose page is closed meanwhile: his job ends and leaves no file."""
    before = set(app_folder.glob("2k2k_*/visitor_*"))
    pages = [browser.current_window_handle]
    for number in range(2):
        if number:
            browser.switch_to.new_window("tab")
            pages.append(browser.current_window_handle)
        upload(browser, address, SAMPLE)
        WebDriverWait(browser, 240).until(lambda page: page.find_elements(By.CSS_SELECTOR, "img[src*='synthetic_']"))
        browser.find_element(By.ID, "digitize").click()
    browser.switch_to.window(pages[0])
    browser.close()
    browser.switch_to.window(pages[1])
    WebDriverWait(browser, 240).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#files a"))
    [mine] = set(app_folder.glob("2k2k_*/visitor_*")) - before
    assert list(mine.rglob("*.glb"))
