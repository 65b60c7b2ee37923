"""How light falls on a scan: a key light with shadows, a fill, a room's worth of ambient light, corners that darken.

Directions are in the frame of the camera (X right, Y up, Z towards the viewer); light adds up in linear RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from datasets.rendering.tracer import Tracer, ViewHits
from geometry.mesh import Mesh, across, unit
from geometry.scan_frame import turn
from utils.srgb import linear_from_srgb, srgb_from_linear

SHADOW_BIAS = 1e-3
"""Shadow rays start this far off the surface [world units]: 2.5 mm on an adult."""
AMBIENT_REACH = 0.12
"""How far a surface darkens its neighbours [world units]: 30 cm on an adult."""
TILE = 4
"""The pixels of a TILE x TILE block take different rays of one stratified set; a blur of that size adds them up."""
LEAST_AGREEMENT = 0.5
"""Cosine between smooth normal and triangle below which the mesh is not smooth there."""
COSINE_BANDS = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
"""Clamped cosine in spherical harmonics, divided by pi: radiance -> light of a white surface (Ramamoorthi 2001)."""
GREY_WORLD_LIGHT = 0.95
"""Mean light of a person after exposure when the random exposure is 1; 1 keeps the texture's own brightness."""


def harmonics(directions: np.ndarray) -> np.ndarray:
    """Real spherical harmonics up to the second order.

    Args:
        directions: (N, 3) unit vectors.

    Returns:
        (N, 9) in the order l, m: 00, 1-1, 10, 11, 2-2, 2-1, 20, 21, 22.
    """
    x, y, z = directions.T
    one = np.full_like(x, 0.282095)
    return np.stack(
        [
            one,
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class Lighting:
    """The lights of one photo."""

    key_direction: np.ndarray  # (3,) unit, towards the light
    key_rgb: np.ndarray  # (3,) linear
    key_width: float  # tangent of the light's half angle: 0 casts sharp shadows
    fill_direction: np.ndarray  # (3,) unit, towards the light; casts no shadow
    fill_rgb: np.ndarray  # (3,) linear
    ambient: np.ndarray  # (9, 3) radiance from all around, in spherical harmonics
    exposure: float  # 1 shows a person about as bright as the texture


def _tint(rng: np.random.Generator, spread: float) -> np.ndarray:
    """(3,) a white between candle and sky: red and blue lean opposite ways."""
    warmth = rng.uniform(-spread, spread)
    return np.array([1 + warmth, 1.0, 1 - warmth])


def random_lighting(rng: np.random.Generator) -> Lighting:
    """Lights that a photographer may have met: the key in front and above, ceiling brighter than floor."""
    azimuth, elevation = rng.uniform(-80, 80), rng.uniform(10, 65)
    key = turn(np.array([0.0, np.sin(np.radians(elevation)), np.cos(np.radians(elevation))]), azimuth)
    fill = unit(np.array([-np.sign(key[0]) * rng.uniform(0.4, 1.2), rng.uniform(-0.1, 0.5), 1.0]))
    key_part = rng.uniform(0.25, 0.65)
    ceiling, floor = rng.uniform(0.5, 1.0) * _tint(rng, 0.06), rng.uniform(0.15, 0.5) * _tint(rng, 0.1)
    # L = mean + slope y, a sky that fades into the floor; then a few windows and walls as points of light.
    ambient = np.zeros((9, 3))
    ambient[0], ambient[1] = (ceiling + floor) / 2 / 0.282095, (ceiling - floor) / 2 / 0.488603
    for _ in range(rng.integers(1, 4)):
        window = unit(rng.normal(size=3) * [1.0, 0.5, 1.0])
        ambient += harmonics(window[None]).T * rng.uniform(0.2, 1.2) * _tint(rng, 0.12)
    return Lighting(
        key_direction=key,
        key_rgb=3.0 * key_part * _tint(rng, 0.08),
        key_width=rng.uniform(0.02, 0.3),
        fill_direction=fill,
        fill_rgb=rng.uniform(0.1, 0.4) * _tint(rng, 0.06),
        ambient=ambient * (1 - key_part),
        exposure=rng.uniform(0.8, 1.15),
    )


def smooth_normals(mesh: Mesh) -> np.ndarray:
    """Vertex normals of a mesh.

    Returns:
        (V, 3) float32 unit; 0 where a vertex has no triangle, or triangles on both sides that cancel out.
    """
    mesh = Mesh(mesh.vertices.astype(np.float32), mesh.faces)
    vectors = mesh.area_vectors()
    summed = mesh.sum_at_vertices(vectors).astype(np.float32)
    area = mesh.sum_at_vertices(np.linalg.norm(vectors, axis=1))
    cancelled = np.linalg.norm(summed, axis=1) < LEAST_AGREEMENT * area
    return np.where(cancelled[:, None], 0, unit(summed)).astype(np.float32)


def front_normals(view: ViewHits, mesh: Mesh, normals: np.ndarray) -> np.ndarray:
    """Smooth normals at the front hits, turned towards the camera.

    Where triangles are wound against each other smooth normals cancel out; there the triangle's own normal is taken.

    Args:
        mesh: that was traced.
        normals: (V, 3) unit, of its vertices.

    Returns:
        (N, 3) float32 unit, in the frame of the mesh.
    """
    corners = normals[mesh.faces[view.front.faces]]
    smooth = unit(np.einsum("nkc,nk->nc", corners, view.front.barycentric.astype(np.float32)))
    flat = unit(across(mesh.corners_of(view.front.faces).astype(np.float32)))
    agreement = np.einsum("nk,nk->n", smooth, flat)
    normal = np.where((np.abs(agreement) < LEAST_AGREEMENT)[:, None], flat, smooth)
    away = np.einsum("nk,nk->n", normal, view.rays) > 0
    return np.where(away[:, None], -normal, normal).astype(np.float32)


def _tangents(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that make a right-handed frame with every normal (Duff et al. 2017)."""
    x, y, z = normals.T
    sign = np.where(z < 0, -1.0, 1.0).astype(normals.dtype)
    a = -1 / (sign + z)
    b = x * y * a
    return (
        np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=-1),
        np.stack([b, sign + y * y * a, -y], axis=-1),
    )


def _stratum(view: ViewHits, ray: int, rays: int) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers in [0, 1) per pixel; a TILE x TILE block and all `rays` together fill the unit square evenly."""
    within = (view.rows % TILE) * TILE + view.columns % TILE
    index = within * rays + ray
    # Plastic-number sequence (Roberts 2018): any run of consecutive points is well spread.
    return np.mod(0.5 + index * 0.7548776662466927, 1.0), np.mod(0.5 + index * 0.5698402909980532, 1.0)


def _blurred(view: ViewHits, values: np.ndarray) -> np.ndarray:
    """Mean of values (N,) over the TILE x TILE pixels around each that see the same surface."""
    top, left = view.rows.min(), view.columns.min()
    shape = (view.rows.max() - top + 1, view.columns.max() - left + 1)
    rows, columns = view.rows - top, view.columns - left
    sums = []
    for value in (values, 1):
        image = np.zeros(shape, dtype=np.float32)
        image[rows, columns] = value
        blurred = cv2.boxFilter(image, -1, (TILE, TILE), normalize=False, borderType=cv2.BORDER_CONSTANT)
        sums.append(blurred[rows, columns])
    return (sums[0] / sums[1]).astype(np.float32)


def openness(tracer: Tracer, view: ViewHits, points: np.ndarray, normals: np.ndarray, rays: int) -> np.ndarray:
    """Ambient occlusion: the fraction of the sky above each point that no near surface hides, weighted by the cosine.

    Args:
        points, normals: (N, 3) in the frame of the mesh, off the surface by the shadow bias.
        rays: per pixel.

    Returns:
        (N,) float32 in [0, 1].
    """
    side, along = _tangents(normals)
    total = np.zeros(len(points), dtype=np.float32)
    for ray in range(rays):
        u, v = (value[:, None].astype(np.float32) for value in _stratum(view, ray, rays))
        radius, angle = np.sqrt(u), 2 * np.pi * v
        directions = radius * (np.cos(angle) * side + np.sin(angle) * along) + np.sqrt(1 - u) * normals
        total += ~tracer.occluded(points, directions, AMBIENT_REACH)
    return _blurred(view, total / rays)


def _key_visibility(
    tracer: Tracer, view: ViewHits, points: np.ndarray, key: np.ndarray, width: float, facing: np.ndarray
) -> np.ndarray:
    """(N,) float32 fraction of the key light that reaches each point; 0 where `facing` is False, without asking."""
    side, along = (vector[0] for vector in _tangents(key[None]))
    u, v = (value[:, None] for value in _stratum(view, 0, 1))
    radius, angle = width * np.sqrt(u), 2 * np.pi * v
    directions = unit(key + radius * (np.cos(angle) * side + np.sin(angle) * along))
    visible = np.zeros(len(points), dtype=np.float32)
    visible[facing] = ~tracer.occluded(points[facing], directions[facing])
    return _blurred(view, visible)


def light_on(
    tracer: Tracer, view: ViewHits, yaw: float, normals: np.ndarray, lighting: Lighting, ambient_rays: int
) -> np.ndarray:
    """Light that a white surface would send to the camera from the front hits.

    Args:
        normals: (N, 3) float32 in the frame of the mesh, towards the camera.
        ambient_rays: per pixel, for ambient occlusion; 0 leaves it out.

    Returns:
        (N, 3) float32 linear RGB.
    """
    points = view.points(view.front) + SHADOW_BIAS * normals
    seen = turn(normals, yaw)
    open_sky = openness(tracer, view, points, normals, ambient_rays) if ambient_rays else np.ones(len(points))
    ambient = np.maximum(harmonics(seen) @ (COSINE_BANDS[:, None] * lighting.ambient), 0) * open_sky[:, None]
    cosine = np.maximum(seen @ lighting.key_direction, 0)
    key = turn(lighting.key_direction, -yaw)
    visible = _key_visibility(tracer, view, points, key, width=lighting.key_width, facing=cosine > 0)
    fill = np.maximum(seen @ lighting.fill_direction, 0) * (0.5 + 0.5 * open_sky)
    light = ambient + (cosine * visible)[:, None] * lighting.key_rgb + fill[:, None] * lighting.fill_rgb
    return light.astype(np.float32)


SHOULDER = 0.7
"""Linear light up to here is kept; above, highlights roll off towards 1 like film."""


def exposed(albedo: np.ndarray, light: np.ndarray, exposure: float) -> np.ndarray:
    """The photo of a lit surface.

    Args:
        albedo: (N, 3) sRGB in [0, 1].
        light: (N, 3) linear; its mean brightness is what the camera meters.
        exposure: 1 shows the person as bright as the albedo is.

    Returns:
        (N, 3) float32 sRGB in [0, 1].
    """
    metered = max(float(light.mean()), 1e-6)
    linear = linear_from_srgb(albedo) * light * np.float32(GREY_WORLD_LIGHT * exposure / metered)
    over = np.maximum(linear - SHOULDER, 0) / (1 - SHOULDER)
    return srgb_from_linear(np.minimum(linear, SHOULDER) + (1 - SHOULDER) * (1 - np.exp(-over))).astype(np.float32)
