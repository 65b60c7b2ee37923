"""From maps to what people look at: mesh, textured GLB, contact sheet, turntable."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import numpy as np

from benchmarks import sample
from benchmarks.render_stages import depth_and_color
from benchmarks.scans import body_of
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, decode_network
from geometry.map_mesh import map_mesh
from geometry.photo_projection import PhotoProjection
from geometry.point_cloud import Sides, lift_sides
from geometry.textured_mesh import TexturedMesh
from utils.back_of_trunk import TrunkJoints
from utils.contact_sheet import SheetInput, contact_sheet
from utils.glb_file import write_glb
from utils.head_hair import HeadJoints
from utils.photo_texture import photo_texture
from utils.portrait import turntable

SMALL_CANVAS = 768
VIEWED_CANVAS = 384
"""Whose mesh has about 80 000 faces."""


def _maps(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True front and back network depth of a body that fills the canvas as people do, and its picture."""
    front, back, rgb = depth_and_color(body_of(110_000), size)[:3]
    near, far = (decode_network(values, size) for values in (front, back))
    return np.where(near > 0, near, FRONT_BACKGROUND), np.where(near > 0, far, BACK_BACKGROUND), rgb


def mesh(size: int) -> Callable[[], None]:
    """Depth maps to a closed mesh with a vertex a pixel."""
    front, back, _ = _maps(size)

    def work() -> None:
        map_mesh(lift_sides(front, back))

    return work


def _texture(sides: Sides) -> Callable[[], TexturedMesh]:
    """The work of making the texture of a 2048 px photo and laying it on the mesh of some maps."""
    photo = _maps(sample.CANVAS)[2]
    person = np.zeros((sides.size, sides.size), bool)
    person[sides.window.slices] = sides.silhouette
    head = HeadJoints(*(sides.size * np.array(at) for at in ((0.5, 0.2), (0.5, 0.185), (0.5, 0.27))))
    places = (
        ((0.43, 0.28), (0.57, 0.28)),
        ((0.46, 0.5), (0.54, 0.5)),
        (((0.36, 0.4), (0.34, 0.5), (0.34, 0.53)), ((0.64, 0.4), (0.66, 0.5), (0.66, 0.53))),
    )
    trunk = TrunkJoints(*(sides.size * np.array(at) for at in places))
    bare = map_mesh(sides)
    return lambda: photo_texture(photo, person, sides, head, trunk).on(bare, PhotoProjection.of(sides), head)


def textured_glb() -> Callable[[], None]:
    """The texture at 2048 px, laid on a mesh of about 80 000 faces, as a GLB in memory."""
    texture = _texture(lift_sides(*_maps(VIEWED_CANVAS)[:2]))

    def work() -> None:
        write_glb(io.BytesIO(), texture())

    return work


def sheet() -> Callable[[], None]:
    """The contact sheet of a 768 px canvas, its textured mesh given, on one core."""
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    surface = _texture(lift_sides(*_maps(SMALL_CANVAS)[:2]))()
    front, _, rgb = _maps(SMALL_CANVAS)
    joints = np.full((31, 2), SMALL_CANVAS / 2)
    corners = np.zeros((12, 4, 2))
    data = SheetInput(
        photo=rgb,
        person=front < FRONT_BACKGROUND,
        joints=joints,
        predicted=np.zeros(31, bool),
        part_corners=corners,
        normals_front=rgb,
        normals_back=rgb,
        surface=surface,
    )

    def work() -> None:
        contact_sheet(data, "sample")

    return work


def turning() -> Callable[[], None]:
    """A turntable of a mesh of about 80 000 faces, textured and grey, as WebP in memory."""
    surface = _texture(lift_sides(*_maps(VIEWED_CANVAS)[:2]))()

    def work() -> None:
        turntable(surface)

    return work
