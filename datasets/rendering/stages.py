"""The stages of a render one by one, for benchmarks: each does what the renderer does and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d

from datasets.pair_files import Pair, write_images
from datasets.rendering.appearance import VertexColour
from datasets.rendering.frame import stand_in_frame
from datasets.rendering.scan import Scan
from datasets.rendering.shading import random_lighting
from datasets.rendering.tracer import Tracer
from datasets.rendering.view import ScanRenderer, encode_distance
from geometry.camera import Camera


def scan_of_size(mesh_path: Path, faces: int) -> Scan:
    """A mesh with vertex colours, its triangles cut until there are at least `faces`, then thinned to that number."""
    mesh = o3d.io.read_triangle_mesh(str(mesh_path))
    while len(mesh.triangles) < faces:
        mesh = mesh.subdivide_midpoint(1)
    if len(mesh.triangles) > faces:
        mesh = mesh.simplify_quadric_decimation(faces)
    triangles = np.array(mesh.triangles, dtype=np.int64)
    look = VertexColour(triangles, np.clip(np.array(mesh.vertex_colors), 0, 1))
    return Scan(f"{faces} faces", np.array(mesh.vertices), triangles, look, None, None)


def depth_and_colour(scan: Scan, size: int, threads: int = 0) -> tuple[np.ndarray, ...]:
    """Front and back depth and unlit colour of one view, from a scan in memory: the acceleration structure included."""
    scan = stand_in_frame(scan)
    hits = Tracer(scan.vertices, scan.faces, threads).trace(Camera(size))
    sides = (hits.front, hits.back)
    return (
        *(encode_distance(hits, side) for side in sides),
        *(hits.picture((scan.appearance.albedo(s.faces, s.barycentric) * 255).astype(np.uint8)) for s in sides),
    )


def shaded_views(scan: Scan, size: int, yaws: tuple[float, ...], root: Path | None = None, threads: int = 0) -> None:
    """All pictures of several views with shading, from a scan in memory; written as PNG files when there is a root."""
    renderer = ScanRenderer(scan, threads=threads)
    for yaw in yaws:
        images = renderer.view(size, yaw, random_lighting(np.random.default_rng(0)))
        if root is not None:
            write_images(root, Pair("Benchmark", "scan", yaw), images)
