"""People of the official scan sets, made of one box each, in the folders in which the sets come."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np

BOX = """mtllib a.mtl
v -20 0 -10\nv 20 0 -10\nv 20 180 -10\nv -20 180 -10\nv -20 0 10\nv 20 0 10\nv 20 180 10\nv -20 180 10
vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1
f 5/1 6/2 7/3 8/4\nf 2/1 1/2 4/3 3/4\nf 6/1 2/2 3/3 7/4\nf 1/1 5/2 8/3 4/4\nf 4/1 8/2 7/3 3/4\nf 1/1 2/2 6/3 5/4
"""
"""A box as high as a person, centre (0, 90, 0)."""


def write_obj(path: Path, texture: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texture.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BOX)
    cv2.imwrite(str(texture), np.full((16, 16, 3), 128, np.uint8))


def write_joint3d(path: Path, hidden: int = 3) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    joints = np.random.default_rng(0).uniform(-1, 1, (133, 3)) * [20, 90, 10] + [0, 90, 0]
    visible = (np.arange(133) != hidden).astype(int)
    path.write_text(json.dumps({"joint3d": joints.tolist(), "visible": visible.tolist()}))
    return joints


def write_rp(root: Path, name: str) -> np.ndarray:
    write_obj(root / f"obj/RP/{name}_OBJ/{name}_100k.OBJ", root / f"obj/RP/{name}_OBJ/tex/{name}_dif_8k.jpg")
    return write_joint3d(root / f"Joint3D/RP/{name}.json")


def write_thuman(root: Path, name: str, orient: np.ndarray) -> np.ndarray:
    write_obj(root / f"obj/THuman2/data/{name}/{name}.obj", root / f"obj/THuman2/data/{name}/material0.jpeg")
    fit = root / f"obj/THuman2/smplx/{name}/smplx_param.pkl"
    fit.parent.mkdir(parents=True)
    fit.write_bytes(pickle.dumps({"global_orient": orient, "betas": np.zeros((1, 10), np.float32)}))
    return write_joint3d(root / f"Joint3D/THuman2/{name}.json")
