"""The photos in samples/: synthetic people as a phone would see them, with joints and the shape that they really have.

python -m benchmarks.make_samples --seeds 200000 200001 --folder samples
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
from PIL import Image

from datasets.pairs.backgrounds import composite
from datasets.pairs.procedural_rooms import procedural_background
from datasets.people.openpose import write_keypoints
from datasets.rendering.scan import Scan
from datasets.rendering.scan_renderer import ScanRenderer, project_scan_joints
from datasets.rendering.shading import random_lighting
from datasets.synthetic.person import make_person
from evaluation.measured_mesh import checked_mesh
from evaluation.visible_part import visible_part
from geometry.keypoints import Keypoints
from geometry.mesh import Mesh
from utils.atomic_file import atomic_path
from utils.mesh_files import write_mesh

JPEG_QUALITY = 88
LENS_BLUR_SIGMA = 0.7
"""Softness of the lens on a 2048 px canvas [px]."""
SENSOR_NOISE = 2.0
"""Standard deviation of the grain [8-bit steps]."""
SHAPE_FACES = 20_000


def as_photo(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 with a lens and a sensor between scene and file."""
    soft = cv2.GaussianBlur(picture, (0, 0), LENS_BLUR_SIGMA).astype(np.float32)
    return np.clip(soft + rng.normal(0, SENSOR_NOISE, soft.shape), 0, 255).astype(np.uint8)


def small_shape(scan: Scan) -> Mesh:
    """What a scanner would have seen, in the scan's frame, with few triangles and a color per vertex.

    The skin under the clothes is left out: measured against it, no prediction could be right.
    """
    colors = np.zeros((len(scan.mesh.vertices), 3))
    corners = np.eye(3)
    for corner in range(3):
        weights = np.repeat(corners[corner][None], len(scan.mesh.faces), axis=0)
        colors[scan.mesh.faces[:, corner]] = scan.appearance.albedo(np.arange(len(scan.mesh.faces)), weights)
    seen = visible_part(checked_mesh(Path(scan.name), scan.mesh)).faces
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(scan.mesh.vertices), o3d.utility.Vector3iVector(seen.astype(np.int32))
    )
    mesh.vertex_colors = o3d.utility.Vector3dVector(colors)
    mesh = mesh.remove_unreferenced_vertices().simplify_quadric_decimation(SHAPE_FACES)
    return Mesh(
        np.asarray(mesh.vertices),
        np.asarray(mesh.triangles),
        np.round(np.asarray(mesh.vertex_colors) * 255).clip(0, 255).astype(np.uint8),
    )


def make_sample(seed: int, folder: Path, size: int) -> None:
    """One person: {name}.jpg, {name}_keypoints.json and scans/{name}.ply, in the frame of the camera."""
    rng = np.random.default_rng(seed)
    renderer = ScanRenderer(make_person(seed))
    images = renderer.view(size, 0.0, random_lighting(rng))
    background = procedural_background(size, rng)
    photo = as_photo(composite(images.shaded_front, images.depth_front > 0, background), rng)
    name = renderer.scan.name
    with atomic_path(folder / f"{name}.jpg") as temporary:
        Image.fromarray(photo).save(temporary, quality=JPEG_QUALITY)
    joints = project_scan_joints(renderer.scan, size, 0.0)
    # Joints are projected from the picture's corner; OpenPose counts from the centre of the first pixel.
    write_keypoints(
        folder / f"{name}_keypoints.json", Keypoints.from_scores(joints[:, :2] - 0.5, joints[:, 2], f"seed {seed}")
    )
    write_mesh(folder / "scans" / f"{name}.ply", small_shape(renderer.scan))


def main(argv: Sequence[str] | None = None) -> None:
    """Render the people of the seeds and write their photos and scans."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, default=Path("samples"))
    parser.add_argument("--size", type=int, default=2048, help="width and height [px]")
    args = parser.parse_args(argv)
    for seed in args.seeds:
        make_sample(seed, args.folder, args.size)


if __name__ == "__main__":
    main()
