"""Headless Chromium, which draws in 3D without a graphics card."""

from __future__ import annotations

import shutil

from selenium import webdriver

from utils.errors import InputError

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --no-first-run --disable-quic --disable-background-networking --hide-scrollbars "
    "--disable-component-update --disable-sync --disable-extensions --use-gl=angle --use-angle=swiftshader "
    "--enable-unsafe-swiftshader --ignore-gpu-blocklist --enable-logging=stderr"
).split()


def start_browser(width: int, height: int) -> webdriver.Chrome:
    """A browser with a window of that size [px]; the caller quits it.

    Raises:
        InputError: there is no Chromium with its driver.
    """
    if CHROMIUM is None or DRIVER is None:
        raise InputError("no Chromium with its driver here: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
