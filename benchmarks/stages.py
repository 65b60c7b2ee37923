"""The stages that benchmark.py times. Each sets itself up and returns the work to repeat.

The work may return what it has done, as {name: amount}; the report divides it by the time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from geometry.window import Window
from models.build import ModelConfig, build_digitizer
from models.digitizer import Poses
from models.fast import accelerate
from utils.checkpoint import OFFICIAL_MODEL
from utils.config import build_config

Work = Callable[[], dict[str, float] | None]

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "synthetic_200001.jpg"
SCAN = ROOT / "tests" / "data" / "render_mesh.ply"
PERSON = Window(150, 1950, 624, 1424)
"""The box of a typical standing person on the 2048 px canvas."""
YAWS = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
CLOUD_POINTS = 2_000_000


def paper_model():
    """The paper's model with fresh weights: what it costs does not depend on them."""
    torch.manual_seed(0)
    return build_digitizer(build_config(ModelConfig, OFFICIAL_MODEL, "paper")).eval()


def sample_subject(size: int):
    """The sample's person on a canvas, with joints and mask as a user would get them."""
    from datasets.people import Photo, find_person
    from datasets.sources import person_sources
    from test_model import place_on_canvas

    photo, sources = Photo.read(SAMPLE), person_sources()
    return place_on_canvas(photo, find_person(photo, sources.keypoints, sources.mask), size)


def convolution_rate() -> Work:
    """The machine's own rate: one 64-channel 3x3 fp32 channels-last convolution at 1024 px."""
    layout = {"memory_format": torch.channels_last}
    image, weight = torch.randn(1, 64, 1024, 1024).contiguous(**layout), torch.randn(64, 64, 3, 3).contiguous(**layout)

    @torch.inference_mode()
    def work() -> dict[str, float]:
        F.conv2d(image, weight, padding=1)
        return {"GFLOP/s": 2 * 64 * 64 * 9 * 1024**2 / 1e9}

    return work


def forward(part_dtype: torch.dtype) -> Work:
    """One photo through the paper's model, refiner on the person's box."""
    poses = Poses.stack([sample_subject(2048).poses])
    model, photo = accelerate(paper_model(), part_dtype), torch.rand(1, 3, 2048, 2048) * 2 - 1
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(photo, poses, PERSON)
    total = counter.get_total_flops() / 1e9

    @torch.inference_mode()
    def work() -> dict[str, float]:
        model(photo, poses, PERSON)
        return {"GFLOP/s": total}

    return work


def joints_and_mask(which: str) -> Work:
    """The bundled detector or mask on one photo; the networks are loaded once."""
    from datasets.people import Photo
    from datasets.sources import person_sources

    def work() -> None:
        sources.keypoints.keypoints(Photo.read(SAMPLE))

    def mask_work() -> None:
        sources.mask.mask(Photo.read(SAMPLE), found)

    sources = person_sources("mediapipe", "mediapipe")
    found = sources.keypoints.keypoints(Photo.read(SAMPLE)).keypoints
    return work if which == "joints" else mask_work


def true_depth(size: int) -> tuple[np.ndarray, np.ndarray]:
    """(size, size) network depth of front and back of a real body, background set as a network would."""
    from datasets.rendering.stages import depth_and_colour, scan_of_size
    from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, decode_network

    front, back, *_ = depth_and_colour(scan_of_size(SCAN, 110_000), size)
    person = front > 0
    return (
        np.where(person, decode_network(front, size), FRONT_BACKGROUND),
        np.where(person, decode_network(back, size), BACK_BACKGROUND),
    )


def clouds_and_files() -> Work:
    """All of test_model.py for one 2048 px photo but the networks and the mask: read, place, clouds, all files."""
    from models.digitizer import DepthMaps, Digitized, FrontBack
    from test_model import write_result
    from utils.result_folder import ResultFolder

    subject, size = sample_subject(2048), 2048
    front, back = (torch.from_numpy(side).float()[None, None] for side in true_depth(size))
    depth = DepthMaps(FrontBack(front, back), torch.where(front < 6, 4.0, -4.0))
    maps = torch.rand(1, 3, size, size)
    coarse = DepthMaps(FrontBack(front[..., ::8, ::8], back[..., ::8, ::8]), depth.mask_logits[..., ::8, ::8])
    parts = {name: FrontBack(torch.rand(1, 1, 3, 352, 224), torch.rand(1, 1, 3, 352, 224)) for name in "abcde"}
    small, whole = maps[..., ::8, ::8], Window.full(size)
    result = Digitized(FrontBack(small, small), coarse, parts, FrontBack(maps, maps), maps[:, :1] > 0, depth, whole)
    folder = tempfile.TemporaryDirectory()

    def work() -> None:
        from datasets.people import Photo

        Photo.read(SAMPLE)
        write_result("sample", subject, result, ResultFolder.of(folder.name, "benchmark"))

    return work


def sphere_cloud():
    """CLOUD_POINTS oriented points on a bumpy body-like ellipsoid."""
    from geometry.point_cloud import PointCloud

    rng = np.random.default_rng(0)
    unit = rng.normal(size=(CLOUD_POINTS, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    radii = np.array([0.12, 0.35, 0.09])
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(unit * radii, normals.astype(np.float32), np.full((CLOUD_POINTS, 3), 128, np.uint8))


def mesh(own: bool) -> Work:
    """2 M points to a mesh at depth 10: our whole step, or Open3D's solver alone."""
    import open3d

    from geometry.surface import reconstruct_surface

    cloud = sphere_cloud()
    if own:
        return lambda: reconstruct_surface(cloud, 10) and None
    points = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points))
    points.normals = open3d.utility.Vector3dVector(cloud.normals.astype(np.float64))
    points.colors = open3d.utility.Vector3dVector(cloud.colors / 255.0)

    def solver() -> None:
        open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(points, depth=10)

    return solver


def depth_of_scan(faces: int) -> Work:
    """Front and back depth and colour of a scan in memory at 2048 px."""
    from datasets.rendering.stages import depth_and_colour, scan_of_size

    scan = scan_of_size(SCAN, faces)
    return lambda: depth_and_colour(scan, 2048) and None


def shaded_views_of_scan() -> Work:
    """Seven shaded views of a scan with a million faces at 2048 px, written to files."""
    from datasets.rendering.stages import scan_of_size, shaded_views

    scan, folder = scan_of_size(SCAN, 1_000_000), tempfile.TemporaryDirectory()
    return lambda: shaded_views(scan, 2048, YAWS, Path(folder.name))


def synthetic_person() -> Work:
    """Seven views of one synthetic person at 1024 px, the person included, without files."""
    from datasets.rendering.stages import shaded_views
    from datasets.synthetic.person import make_person

    seeds = iter(range(300_000, 400_000))

    def work() -> dict[str, float]:
        shaded_views(make_person(next(seeds)), 1024, YAWS)
        return {"samples/h": 3600.0 * len(YAWS)}

    return work


STAGES: dict[str, Callable[[], Work]] = {
    "convolution-rate": convolution_rate,
    "forward-fp32": partial(forward, torch.float32),
    "forward-bf16": partial(forward, torch.bfloat16),
    "joints": partial(joints_and_mask, "joints"),
    "mask": partial(joints_and_mask, "mask"),
    "clouds-and-files": clouds_and_files,
    "mesh-2M": partial(mesh, own=True),
    "mesh-2M-solver-alone": partial(mesh, own=False),
    "render-110k": partial(depth_of_scan, 110_000),
    "render-1M": partial(depth_of_scan, 1_000_000),
    "render-1M-7-views": shaded_views_of_scan,
    "synthetic-7-views": synthetic_person,
}
