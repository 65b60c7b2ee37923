"""Every reader of users' files with valid inputs, and what becomes of mutations of them.

python -m tests.input_readers FOLDER SEED FIRST LAST    in a process of its own: a reader may take it down

FOLDER/bad.jsonl gets a line for every bad ending, FOLDER/at the number of the input at hand.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import signal
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from datasets.pairs.pair_files import read_joints
from datasets.pairs.pair_layout import Pair
from datasets.pairs.pair_lists import read_list
from datasets.people.given_mask import read_mask
from datasets.people.openpose import OpenPoseFile, keypoint_path
from datasets.people.person import Photo, complete_keypoints
from datasets.rendering.scan_file import read_colored_mesh
from datasets.rendering.scan_sources import read_facing, read_joint3d
from evaluation.measured_mesh import read_mesh
from evaluation.pairing import read_split
from geometry.mesh import Mesh
from models.build import ModelConfig
from tests import mutations
from tests.readers_of_looks import seen_and_worn
from tests.readers_of_results import of_results
from tests.reading_kinds import Reader, picture, written
from training.reports import METRICS, read_metrics
from training.settings import Settings
from utils.checkpoint import read_checkpoint, write_checkpoint
from utils.config import build_config, override, read_yaml
from utils.errors import InputError
from utils.files import read_depth_png, read_photo
from utils.mesh_files import write_mesh
from utils.mesh_formats.named_files import named_files
from utils.ply import read_cloud

ROOT = Path(__file__).parents[1]
SECONDS, MEMORY = 20, 4 << 30
"""That one input may take."""


class TookTooLong(BaseException):
    """Not an Exception, so that no reader takes it for its own."""


def _pictures() -> dict[str, Reader]:
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 255, (23, 31, 4), dtype=np.uint8))
    rgb, depth = rgba.convert("RGB"), Image.fromarray(rng.integers(0, 65535, (16, 16)).astype(np.uint16))
    exif = Image.Exif()
    exif[274] = 6
    import cv2

    deep = cv2.imencode(".png", rng.integers(0, 65535, (20, 20, 4)).astype(np.uint16))[1].tobytes()
    deep_tiff = cv2.imencode(".tiff", rng.integers(0, 65535, (20, 20, 3)).astype(np.uint16))[1].tobytes()
    mask = picture(Image.fromarray(np.eye(31, dtype=np.uint8)[:23] * 255), "PNG")
    pngs = (picture(rgba, "PNG"), picture(rgb.convert("P"), "PNG"), picture(depth, "PNG"), deep)
    return {
        "photo PNG": Reader("a.png", pngs, read_photo, mutations.png),
        "photo JPEG": Reader("a.jpg", (picture(rgb, "JPEG", exif=exif),), read_photo, mutations.flipped),
        "photo WebP": Reader("a.webp", (picture(rgba, "WEBP"),), read_photo, mutations.flipped),
        "photo TIFF": Reader("a.tif", (picture(rgb, "TIFF"), picture(depth, "TIFF"), deep_tiff), read_photo,
                             mutations.flipped),
        "photo BMP": Reader("a.bmp", (picture(rgb, "BMP"),), read_photo, mutations.flipped),
        "mask": Reader("a.png", (mask,), lambda path: read_mask(path, (31, 23)), mutations.png),
        "depth": Reader("a.png", (picture(depth, "PNG"),), read_depth_png, mutations.png),
    }  # fmt: skip


def _read_keypoints(path: Path) -> object:
    photo = Photo(path.with_name("a.png"), np.zeros((2048, 2048, 3), np.uint8), None)
    assert keypoint_path(photo.path) == path
    return complete_keypoints(photo, OpenPoseFile().keypoints(photo).keypoints)


def _texts() -> dict[str, Reader]:
    keypoints = (ROOT / "samples/synthetic_200001_keypoints.json").read_bytes()
    joint3d = json.dumps({"joint3d": np.ones((133, 3)).tolist(), "visible": [1] * 133}).encode()
    lists = "\n".join(Pair("RP", name, yaw).list_line for name in ("a", "b") for yaw in (-30, 0.5)).encode()
    metrics = b"".join(json.dumps({"kind": "train", "step": k, "loss": 0.5}).encode() + b"\n" for k in range(4))
    yaml = tuple((ROOT / f"configs/{name}.yaml").read_bytes() for name in ("small", "paper"))

    def settings(path: Path) -> object:
        return build_config(Settings, override(read_yaml(path), ["run.seed=1"]), str(path))

    return {
        "keypoints": Reader("a_keypoints.json", (keypoints,), _read_keypoints, mutations.json_text),
        "joints of a scan": Reader("a.json", (joint3d,), read_joint3d, mutations.json_text),
        "list": Reader("a.txt", (lists,), read_list, mutations.text),
        "split": Reader("a.txt", (b"a\nb -30 0 30\n# c\nd # e\n",), read_split, mutations.text),
        "config": Reader("a.yaml", yaml, settings, mutations.text),
        "metrics": Reader(METRICS, (metrics,), lambda path: read_metrics(path.parent), mutations.json_lines),
    }


def _read_model(path: Path) -> object:
    checkpoint = read_checkpoint(path)
    return build_config(ModelConfig, checkpoint.model, str(path))


def _arrays() -> dict[str, Reader]:
    joints = written(lambda path: np.save(path, np.ones((31, 3))), ".npy")
    model = {"canvas": 256, "normal_widths": [4, 6], "depth_widths": [4, 6], "refiner_width": 4}
    weights = OrderedDict(a=torch.ones(3, 4), b=torch.zeros(2, dtype=torch.float16))
    ours = written(lambda path: write_checkpoint(path, model, weights, step=7), ".pt")
    old = io.BytesIO()
    torch.save({"format": "2k2k-pytorch/1", "model": model, "weights": weights}, old,
               _use_new_zipfile_serialization=False)  # fmt: skip
    fit = {"global_orient": np.array([[0.0, 0.6, 0.0]], np.float32), "betas": np.zeros(10), "scale": np.float64(1)}
    pickles = tuple(pickle.dumps(fit, protocol) for protocol in (2, 3, 4))
    return {
        "joints": Reader("a.npy", (joints,), read_joints, mutations.npy),
        "checkpoint": Reader("a.pt", (ours,), _read_model, mutations.archive),
        "old checkpoint": Reader("a.pt", (old.getvalue(),), _read_model, mutations.flipped),
        "pickle": Reader("a.pkl", pickles, read_facing, mutations.opcodes),
    }


def _meshes() -> dict[str, Reader]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    faces = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]])
    colors = (corners * 60 + 120).astype(np.uint8)
    mesh = Mesh(corners, faces, colors)
    files = {suffix: written(lambda path: write_mesh(path, mesh), suffix) for suffix in (".obj", ".ply", ".glb")}
    ascii_ply = "ply\nformat ascii 1.0\nelement vertex 8\nproperty float x\nproperty float y\nproperty float z\n"
    ascii_ply += "element face 6\nproperty list uchar int vertex_indices\nend_header\n"
    points = "".join(f"{x} {y} {z}\n" for x, y, z in corners)
    triangles = "".join(f"3 {a} {b} {c}\n" for a, b, c in faces)
    off = f"OFF\n8 6 0\n{points}{triangles}".encode()
    stl = b"\0" * 80 + len(faces).to_bytes(4, "little")
    stl += b"".join(np.r_[np.zeros(3), corners[face].ravel()].astype("<f4").tobytes() + b"\0\0" for face in faces)
    obj = b"mtllib a.mtl\nusemtl m\nvt 0 0\nvt 1 1\nvn 0 0 1\n" + files[".obj"].replace(
        b"f 1 2 4", b"f 1/1/1 2/2/1 4/1/1"
    )
    glb = files[".glb"]
    length = int.from_bytes(glb[12:16], "little")
    document = json.loads(glb[20 : 20 + length])
    import base64

    document["buffers"][0]["uri"] = (
        "data:application/octet-stream;base64," + base64.b64encode(glb[28 + length :]).decode()
    )
    cloud = "ply\nformat ascii 1.0\nelement vertex 3\n"
    cloud += "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    cloud += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + "end_header\n"
    cloud += "0 0 0 0 0 1 10 20 30\n" * 3

    def scan(path: Path) -> object:
        named_files(path)
        return read_colored_mesh(path, 128)

    plys = (files[".ply"], (ascii_ply + points + triangles).encode())
    return {
        "scan OBJ": Reader("a.obj", (obj, files[".obj"]), scan, mutations.text),
        "scan PLY": Reader("a.ply", plys, scan, mutations.header_then_bytes),
        "scan OFF": Reader("a.off", (off,), scan, mutations.text),
        "scan STL": Reader("a.stl", (stl,), scan, mutations.flipped),
        "scan GLB": Reader("a.glb", (glb,), scan, mutations.glb),
        "scan glTF": Reader("a.gltf", (json.dumps(document).encode(),), scan, mutations.json_text),
        "measured PLY": Reader("a.ply", plys, read_mesh, mutations.header_then_bytes),
        "measured OBJ": Reader("a.obj", (files[".obj"],), read_mesh, mutations.text),
        "measured GLB": Reader("a.glb", (glb,), read_mesh, mutations.glb),
        "cloud": Reader("a.ply", (cloud.encode(), files[".ply"]), read_cloud, mutations.header_then_bytes),
    }


def readers() -> dict[str, Reader]:
    return _pictures() | seen_and_worn() | _texts() | of_results() | _arrays() | _meshes()


def ending(reader: Reader, path: Path) -> str | None:
    """What is wrong with how reading ends: with anything but a result or one line."""
    signal.alarm(SECONDS)
    try:
        reader.read(path)
    except InputError as error:
        message = str(error)
        if not message.isprintable() or len(message) > 700 or path.stem not in message:
            return f"message: {message!r}"[:1000]
    except (Exception, TookTooLong) as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {where.filename}:{where.lineno}: {error}"[:600]
    finally:
        signal.alarm(0)
    return None


def _too_long(number: int, frame: object) -> None:
    raise TookTooLong


def main(folder: Path, seed: int, first: int, last: int) -> None:
    table = readers()
    names = list(table)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    at = os.open(folder / "at", os.O_WRONLY | os.O_CREAT)
    for number in range(first, last):
        name = names[number % len(names)]
        reader, rng = table[name], np.random.default_rng((seed, number))
        path = folder / reader.file
        valid = reader.valid[int(rng.integers(len(reader.valid)))]
        path.write_bytes(mutations.twice(reader.mutate)(valid, rng))
        os.pwrite(at, f"{number:9} {name:30}".encode(), 0)
        bad = ending(reader, path)
        if bad:
            with (folder / "bad.jsonl").open("a") as file:
                file.write(json.dumps({"input": number, "reader": name, "ending": bad}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
