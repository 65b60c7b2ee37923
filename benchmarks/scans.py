"""Scans and synthetic people to training pairs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.render_stages import depth_and_color, scan_of_size, shaded_views
from datasets.rendering.scan import Scan

BODY = Path(__file__).parents[1] / "tests" / "data" / "render_mesh.ply"
SIZE = 2048
YAWS = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
FIRST_SEED = 300_000
"""Of synthetic people: none of training or test."""


def body_of(faces: int) -> Scan:
    """A posed body with so many triangles."""
    return scan_of_size(BODY, faces)


def depth_of_scan(faces: int) -> Callable[[], None]:
    """Front and back depth and color of a scan in memory."""
    scan = body_of(faces)

    def work() -> None:
        depth_and_color(scan, SIZE)

    return work


def views_of_scan(faces: int) -> Callable[[], None]:
    """Seven shaded views of a scan in memory, written to files."""
    scan, folder = body_of(faces), tempfile.TemporaryDirectory()

    def work() -> None:
        shaded_views(scan, SIZE, YAWS, Path(folder.name))

    return work


def synthetic_person() -> Callable[[], dict[str, float]]:
    """Seven views of a new synthetic person at 1024 px on one core, the person included, written to files."""
    from datasets.synthetic.person import make_person

    folder, seeds = tempfile.TemporaryDirectory(), iter(range(FIRST_SEED, 2 * FIRST_SEED))

    def work() -> dict[str, float]:
        shaded_views(make_person(next(seeds)), SIZE // 2, YAWS, Path(folder.name), threads=1)
        return {"samples/h": 3600.0 * len(YAWS)}

    return work
