"""Headless Chromium for tests: what a page shows, says on its console and asks of the network."""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.browser import CHROMIUM, FLAGS

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


OF_THE_BROWSER = re.compile(r"google(apis)?\.com|gvt1\.com")
"""Hosts that Chromium asks of its own accord, whatever it is told."""


@dataclass(frozen=True)
class Shown:
    """A page after its scripts ran."""

    picture: np.ndarray  # (H, W, 3) uint8 RGB
    console: list[str]  # what it wrote to the console, errors among it
    requests: list[str]  # what it asked of the network: lines such as "GET http://..." or "CONNECT host:443"


class _Refusing(BaseHTTPRequestHandler):
    """A proxy that gives nothing, and remembers who asked."""

    def handle_one_request(self) -> None:
        line = self.rfile.readline(65537).decode("latin1").strip()
        if line and not OF_THE_BROWSER.search(line):
            self.server.asked.append(line)
        self.close_connection = True


def open_page(page: Path, folder: Path, size: tuple[int, int] = (500, 500), seconds: float = 10) -> Shown:
    """Open a page from the disk.

    Args:
        page: an HTML file.
        folder: an empty one, for the browser.
        size: width and height of the window [px].
        seconds: of the page's own clock until the picture is taken; loading does not count.
    """
    with HTTPServer(("127.0.0.1", 0), _Refusing) as proxy:
        proxy.asked = []
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        command = [
            str(CHROMIUM),
            *FLAGS,
            f"--proxy-server=127.0.0.1:{proxy.server_port}",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={size[0]},{size[1]}",
            f"--virtual-time-budget={int(seconds * 1000)}",
            f"--screenshot={folder / 'shown.png'}",
            page.as_uri(),
        ]
        said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stderr
        proxy.shutdown()
    picture = cv2.cvtColor(cv2.imread(str(folder / "shown.png")), cv2.COLOR_BGR2RGB)
    return Shown(picture, re.findall(r"CONSOLE[^\n]*", said), proxy.asked)
