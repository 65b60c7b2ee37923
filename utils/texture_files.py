"""What test_model.py leaves for any other surface of a person: the texture, and where head and feet are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from geometry.depth import decode_network
from geometry.mesh import Mesh
from geometry.photo_projection import PhotoProjection
from geometry.point_cloud import Sides, lift_sides
from geometry.standing import Standing
from geometry.textured_mesh import TexturedMesh
from utils.errors import InputError
from utils.files import read_depth_png, read_json, read_photo, write_bytes, write_text
from utils.glb_file import jpeg
from utils.head_hair import HeadJoints
from utils.photo_texture import Texture, texture_window
from utils.result_folder import ResultFolder


@dataclass(frozen=True)
class Body:
    """Where a person's head and feet are."""

    head: HeadJoints  # on the canvas of the maps [px]
    standing: Standing  # in the camera's frame


def write_texture(folder: ResultFolder, name: str, texture: Texture, body: Body) -> None:
    """Write textures/NAME.jpg and textures/NAME.json."""
    content = {"head": {what: at.tolist() for what, at in vars(body.head).items()}, "standing": asdict(body.standing)}
    write_text(folder.body(name), json.dumps(content, indent=1) + "\n")
    write_bytes(folder.texture(name), jpeg(texture.picture))


def read_body(folder: ResultFolder, name: str) -> Body:
    """Read textures/NAME.json.

    Raises:
        InputError: the file is missing or broken.
    """
    path = folder.body(name)
    content = read_json(path, "head and feet of a person, as test_model.py writes them")
    try:
        head = {what: np.array(at, dtype=np.float64).reshape(2) for what, at in content["head"].items()}
        ground = tuple(float(value) for value in content["standing"]["ground"])
        if len(ground) != 3:
            raise ValueError(f"ground {ground}, expected three numbers")
        return Body(HeadJoints(**head), Standing(ground, float(content["standing"]["head_top"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: broken ({error}), expected what test_model.py writes") from error


def read_sides(folder: ResultFolder, name: str) -> Sides:
    """Both depth maps of a person, in space.

    Raises:
        InputError: a file is missing or broken, or there is no body.
    """
    paths = [folder.image(f"depth/{name}_{side}") for side in ("front", "back")]
    front, back = (decode_network(values, len(values)) for values in map(read_depth_png, paths))
    try:
        return lift_sides(front, back)
    except ValueError as error:
        raise InputError(f"{paths[0]}: {error}") from error


def textured_like_maps(mesh: Mesh, folder: ResultFolder, name: str) -> TexturedMesh:
    """Another surface of a person, in the camera's frame, with the person's texture.

    Raises:
        InputError: one of the person's files is missing or broken.
    """
    sides = read_sides(folder, name)
    picture, _ = read_photo(folder.texture(name))
    return Texture(picture, texture_window(sides)).on(mesh, PhotoProjection.of(sides), read_body(folder, name).head)
