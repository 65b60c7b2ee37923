"""One scan from one side: the pictures of a training pair, and its joints."""

from __future__ import annotations

import hashlib

import numpy as np

from datasets.pairs.pair_files import PairImages
from datasets.rendering import shading
from datasets.rendering.scan import Scan
from datasets.rendering.scan_placement import stand_in_frame
from datasets.rendering.tracer import SideHits, Tracer, ViewHits
from geometry.camera import Camera
from geometry.depth import encode_pixels, pixels_from_distance
from geometry.scan_frame import turn
from utils.errors import InputError


def encode_distance(view: ViewHits, hits: SideHits) -> np.ndarray:
    """(size, size) uint16 file values of one side.

    Raises:
        InputError: a depth lies outside what the files can hold.
    """
    # The official renderer keeps v in float32 before it truncates: one pixel in 40000 depends on it.
    pixels = pixels_from_distance(hits.distance, view.size).astype(np.float32)
    # v is measured from the picture's own edge, so smaller pictures have the nearest depth above 0 too.
    if len(pixels) and (pixels.min() * 32 < 1 or pixels.max() >= view.size):
        raise InputError(
            f"depth from {pixels.min():.1f} to {pixels.max():.1f} px, expected 0 to {view.size}: "
            "the mesh is too deep for its height; is it one standing person, Y up?"
        )
    return view.picture(encode_pixels(pixels))


def project_scan_joints(scan: Scan, size: int, yaw: float) -> np.ndarray:
    """Joints of a scan in frame, turned by yaw [deg], in a size x size picture.

    Returns:
        (31, 3) float64: x, y [px] and 1; three zeros for a joint that is not present.
    """
    assert scan.joints is not None and scan.joints_present is not None, "a scan without joints"
    xy = Camera(size).project(turn(scan.joints, yaw))
    usable = scan.joints_present & np.isfinite(xy).all(1)
    return np.where(usable[:, None], np.column_stack([xy, np.ones(len(xy))]), 0.0)


def seed_of(name: str, yaw: float, seed: int) -> int:
    """The same name, yaw and seed give the same light on every machine."""
    return int.from_bytes(hashlib.sha256(f"{name} {yaw:g} {seed}".encode()).digest()[:8], "little")


class ScanRenderer:
    """Renders views of one scan.

    Args:
        scan: as its source gave it; centred and scaled here.
        ambient_rays: per pixel; 0 leaves ambient occlusion out.
        threads: 0 takes all cores.

    Raises:
        InputError: the scan has no surface.
    """

    def __init__(self, scan: Scan, ambient_rays: int = 4, threads: int = 0) -> None:
        self.scan = stand_in_frame(scan)
        self.ambient_rays = ambient_rays
        self.tracer = Tracer(self.scan.mesh, threads)
        self.normals = shading.smooth_normals(self.scan.mesh)

    def view(self, size: int, yaw: float, lighting: shading.Lighting) -> PairImages:
        """The person turned by yaw [deg], in a size x size picture.

        Raises:
            InputError: nothing is in the picture, or the depth does not fit the files.
        """
        hits = self.tracer.trace(Camera(size), yaw)
        if not len(hits.rows):
            raise InputError("no ray hits the mesh, expected a surface in front of the camera")
        front, back = (self.scan.appearance.albedo(side.faces, side.barycentric) for side in (hits.front, hits.back))
        normals = shading.front_normals(hits, self.scan.mesh, self.normals)
        light = shading.light_on(self.tracer, hits, yaw, normals, lighting, ambient_rays=self.ambient_rays)
        pictures = (shading.exposed(front, light, lighting.exposure), front, back)
        return PairImages(
            *(hits.picture(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)) for rgb in pictures),
            *(encode_distance(hits, side) for side in (hits.front, hits.back)),
        )
