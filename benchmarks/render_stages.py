"""The stages of a render one by one, for benchmarks: each does what the renderer does and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.pairs.pair_files import write_images
from datasets.pairs.pair_layout import Pair
from datasets.rendering.appearance import VertexColor
from datasets.rendering.scan import Scan
from datasets.rendering.scan_file import read_colored_mesh
from datasets.rendering.scan_placement import stand_in_frame
from datasets.rendering.scan_renderer import ScanRenderer, encode_distance
from datasets.rendering.shading import random_lighting
from datasets.rendering.tracer import Tracer
from geometry.camera import Camera
from geometry.mesh import Mesh
from utils.errors import InputError


def scan_of_size(mesh_path: Path, faces: int) -> Scan:
    """A mesh with vertex colors, its triangles cut into four until there are `faces` of them, give or take three."""
    body = read_colored_mesh(mesh_path, size=2048)
    if not isinstance(body.appearance, VertexColor):
        raise InputError(f"{mesh_path}: a texture or no color, expected colors at the vertices")
    vertices, triangles, rgb = body.mesh.vertices, body.mesh.faces, body.appearance.rgb / 255
    while len(triangles) + 2 < faces:
        cut = triangles[: -(-(faces - len(triangles)) // 3)]
        mids = [(cut[:, k], cut[:, (k + 1) % 3]) for k in range(3)]
        new = len(vertices) + np.arange(3)[:, None] * len(cut) + np.arange(len(cut))
        vertices, rgb = (np.concatenate([v, *((v[a] + v[b]) / 2 for a, b in mids)]) for v in (vertices, rgb))
        (a, b, c), (ab, bc, ca) = cut.T, new
        pieces = [np.column_stack(piece) for piece in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        triangles = np.concatenate([triangles[len(cut) :], *pieces])
    return Scan(f"{len(triangles)} faces", Mesh(vertices, triangles), VertexColor(triangles, rgb))


def depth_and_color(scan: Scan, size: int, threads: int = 0) -> tuple[np.ndarray, ...]:
    """Front and back depth and unlit color of one view, from a scan in memory: the acceleration structure included."""
    scan = stand_in_frame(scan)
    hits = Tracer(scan.mesh, threads).trace(Camera(size))
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
