"""Readers of frames of a video, moving and phone pictures, material libraries, and the textures that they name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from datasets.people.video import Video
from datasets.rendering.scan_file import read_colored_mesh
from tests import mutations
from tests.reading_kinds import Reader, picture, written
from utils.files import read_photo, write_bytes


def seen_and_worn() -> dict[str, Reader]:
    """Frames of a video, pictures, material libraries and the textures that they name."""
    frame = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)

    def filmed(path: Path) -> None:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
        for _ in range(3):
            writer.write(frame)
        writer.release()

    def frames(path: Path) -> object:
        video = Video(path)
        return [video.read(number) for number in range(min(video.frames, 4))]

    def dressed(path: Path) -> object:
        """A triangle that wears what a material library says."""
        write_bytes(path.with_name("t.png"), picture(Image.fromarray(frame), "PNG"))
        obj = path.with_name("m_a.obj")
        obj.write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl m\nf 1/1 2/1 3/1\n")
        return read_colored_mesh(obj, 64)

    def wrapped(path: Path) -> object:
        path.with_name("a.mtl").write_text(f"newmtl m\nmap_Kd {path.name}\n")
        obj = path.with_name("m_a.obj")
        obj.write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl m\nf 1/1 2/1 3/1\n")
        return read_colored_mesh(obj, 64)

    pictures = tuple(picture(Image.fromarray(frame), kind) for kind in ("PNG", "JPEG", "TGA"))
    moving = picture(Image.fromarray(frame), "GIF", save_all=True, append_images=[Image.new("RGB", (32, 32))])
    mtl = b"newmtl m\nKd 1 0 0\nmap_Kd -s 1 1 1 t.png\nd 1\n"
    return {
        "video": Reader("a.avi", (written(filmed, ".avi"),), frames, mutations.flipped),
        "photo AVIF": Reader("a.avif", (picture(Image.fromarray(frame), "AVIF"),), read_photo, mutations.flipped),
        "photo GIF": Reader("a.gif", (moving,), read_photo, mutations.flipped),
        "material library": Reader("a.mtl", (mtl,), dressed, mutations.text),
        "texture": Reader("a.png", pictures[:1], wrapped, mutations.png),
        "other texture": Reader("a.jpg", pictures, wrapped, mutations.flipped),
    }
