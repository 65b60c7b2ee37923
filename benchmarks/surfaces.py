"""From maps to clouds and files, and from a cloud to a mesh."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np
import torch

from benchmarks import sample
from benchmarks.render_stages import depth_and_color
from benchmarks.scans import body_of
from datasets.people.person import Photo, find_person
from datasets.people.person_sources import person_sources
from datasets.people.square_canvas import SquareCanvas
from geometry.depth import BACK_BACKGROUND, FRONT_BACKGROUND, decode_network
from geometry.normals import normals_from_depth
from geometry.parts import KINDS, indices_of
from geometry.point_cloud import PointCloud
from geometry.surface import reconstruct_surface
from geometry.window import Window
from inference import DigitizedPerson, Subject
from models.digitizer import Conventions, DepthMaps, Digitized, FrontBack
from models.final_depth import final_depth

CLOUD_POINTS = 2_000_000


def true_result(size: int) -> Digitized:
    """What a perfect network would say of a body that fills the canvas as people do."""
    files = depth_and_color(body_of(110_000), size)[:2]
    stored = [torch.from_numpy(decode_network(values, size))[None, None] for values in files]
    person = stored[0] > 0
    front, back = (torch.where(person, d, b) for d, b in zip(stored, (FRONT_BACKGROUND, BACK_BACKGROUND), strict=True))
    depth = DepthMaps(FrontBack(front, back), torch.where(person, 4.0, -4.0))
    coarse = DepthMaps(FrontBack(front[..., 3::8, 3::8], back[..., 3::8, 3::8]), depth.mask_logits[..., 3::8, 3::8])
    normals = [normals_from_depth(d, size) for d in stored]
    parts = {}
    for kind in KINDS:
        height, width = kind.crop_on(size)
        crops = [n[:, None, :, :height, :width].expand(-1, len(indices_of(kind)), -1, -1, -1) for n in normals]
        parts[kind.name] = FrontBack(*crops)
    small = FrontBack(*(n[..., 3::8, 3::8] for n in normals))
    fused = torch.cat(normals, 1)
    return Digitized(small, coarse, parts, fused, covered=person, depth=depth, window=Window.full(size))


def clouds_and_files() -> Callable[[], None]:
    """All of test_model.py for one 2048 px photo but the networks and the mask: read, place, clouds, all files."""
    sources = person_sources()
    person = find_person(Photo.read(sample.PHOTO), sources.keypoints, sources.mask)
    result = true_result(sample.CANVAS)
    folder = tempfile.TemporaryDirectory()

    def work() -> None:
        photo = Photo.read(sample.PHOTO)
        width, height = photo.size
        subject = Subject.place(photo, person, SquareCanvas(height, width, sample.CANVAS))
        DigitizedPerson(subject, result, Conventions()).write(folder.name)

    return work


def agreement(size: int) -> Callable[[], None]:
    """Both depths of a person that fills the canvas made to agree with the normals, from the coarse depth."""
    result = true_result(size)
    person = (result.depth.mask_logits[0, 0] > 0).numpy()

    def work() -> None:
        final_depth(result, person, Conventions(masked=True, agreement="coarse"))

    return work


def _egg() -> PointCloud:
    """CLOUD_POINTS oriented points on an ellipsoid of a person's size."""
    unit = np.random.default_rng(0).normal(size=(CLOUD_POINTS, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    radii = np.array([0.12, 0.35, 0.09])
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(unit * radii, normals.astype(np.float32), np.full((CLOUD_POINTS, 3), 128, np.uint8))


def mesh() -> Callable[[], None]:
    """2 M points to a mesh at depth 10."""
    cloud = _egg()

    def work() -> None:
        reconstruct_surface(cloud, 10)

    return work


def solver_alone() -> Callable[[], None]:
    """Open3D's own part of that."""
    import open3d

    cloud = _egg()
    points = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points))
    points.normals = open3d.utility.Vector3dVector(cloud.normals.astype(np.float64))
    points.colors = open3d.utility.Vector3dVector(cloud.colors / 255.0)

    def work() -> None:
        open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(points, depth=10)

    return work
