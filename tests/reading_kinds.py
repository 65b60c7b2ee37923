"""What a reader of users' files is, for campaigns of mutated inputs."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests import mutations


@dataclass(frozen=True)
class Reader:
    """What is read, and how its files are changed."""

    file: str  # name of the file
    valid: tuple[bytes, ...]
    read: Callable[[Path], object]
    mutate: mutations.Mutation


def picture(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def written(write: Callable[[Path], object], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / f"a{suffix}")
        return (Path(folder) / f"a{suffix}").read_bytes()
