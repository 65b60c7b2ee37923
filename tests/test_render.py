"""The renderer against the published maps, closed forms and its own geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from benchmarks.render_stages import depth_and_color, scan_of_size
from datasets.rendering.appearance import CornerColor, PlainColor
from datasets.rendering.scan import Scan
from datasets.rendering.scan_file import read_colored_mesh
from datasets.rendering.scan_placement import stand_in_frame, turned
from datasets.rendering.scan_renderer import ScanRenderer, encode_distance, project_scan_joints
from datasets.rendering.shading import (
    COSINE_BANDS,
    Lighting,
    exposed,
    harmonics,
    light_on,
    random_lighting,
)
from datasets.rendering.tracer import Tracer
from geometry.camera import Camera
from geometry.depth import decode_network, distance_from_network
from geometry.mesh import Mesh
from utils.errors import InputError
from utils.srgb import linear_from_srgb, srgb_from_linear

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def body() -> Scan:
    body = read_colored_mesh(DATA / "render_mesh.ply", size=512)
    return stand_in_frame(Scan("body", body.mesh, body.appearance))


@pytest.fixture(scope="module")
def tracer(body: Scan) -> Tracer:
    return Tracer(body.mesh)


def sphere(radius: float, centre: tuple[float, float, float] = (0, 0, 0), resolution: int = 200) -> Scan:
    mesh = o3d.geometry.TriangleMesh.create_sphere(radius, resolution)
    faces = np.asarray(mesh.triangles).astype(np.int64)
    return Scan("sphere", Mesh(np.asarray(mesh.vertices) + centre, faces), PlainColor((0.5, 0.5, 0.5)))


def joined(first: Mesh, second: Mesh) -> Mesh:
    faces = np.concatenate([first.faces, second.faces + len(first.vertices)])
    return Mesh(np.concatenate([first.vertices, second.vertices]), faces)


@pytest.mark.parametrize(("name", "yaw", "size"), [("yaw-30_res256", -30, 256), ("yaw0_res512", 0, 512)])
def test_depth_files_equal_the_published_ones(tracer: Tracer, name: str, yaw: float, size: int):
    """Every pixel of both maps; the specification allows two grazing pixels, and none differs."""
    view = tracer.trace(Camera(size), yaw)
    with np.load(DATA / f"render_{name}.npz") as golden:
        np.testing.assert_array_equal(encode_distance(view, view.front), golden["depth_front"])
        np.testing.assert_array_equal(encode_distance(view, view.back), golden["depth_back"])


@pytest.mark.parametrize(("name", "yaw", "size"), [("yaw-30_res256", -30, 256), ("yaw0_res512", 0, 512)])
def test_colors_are_the_published_ones(body: Scan, tracer: Tracer, name: str, yaw: float, size: int):
    """Flat colors are equal when truncated as published; interpolated ones lie within 2 grey levels in the mean."""
    flat = CornerColor(np.repeat(body.appearance.rgb[body.mesh.faces].mean(1, keepdims=True) / 255, 3, axis=1))
    view = tracer.trace(Camera(size), yaw)
    with np.load(DATA / f"render_{name}.npz") as golden:
        for side, hits in (("front", view.front), ("back", view.back)):
            expected = golden[f"color_{side}_bgr"][..., ::-1].astype(int)
            there = expected.any(axis=-1)
            equal = view.picture((flat.albedo(hits.faces, hits.barycentric) * 255 + 1e-3).astype(np.uint8))
            smooth = view.picture(np.rint(body.appearance.albedo(hits.faces, hits.barycentric) * 255).astype(np.uint8))
            assert np.abs(equal - expected)[there].mean() < 0.02
            assert np.abs(smooth - expected)[there].mean() < 2


def test_turned_rays_see_what_a_turned_mesh_shows(body: Scan, tracer: Tracer):
    camera, other = Camera(200), turned(body, 20)
    rays, mesh = tracer.trace(camera, 20), Tracer(other.mesh).trace(camera, 0)
    for side in ("front", "back"):
        ours, theirs = (encode_distance(view, getattr(view, side)).astype(int) for view in (rays, mesh))
        assert (np.abs(ours - theirs) > 0).sum() <= 2


def test_sphere_has_its_closed_form_depth():
    """A fine ball: t = m -+ sqrt(m^2 - 1 + r^2) with m = cos of the angle to the axis, for a camera at distance 1."""
    scan = stand_in_frame(sphere(3.0, (5, 6, 7), resolution=400))
    view = Tracer(scan.mesh).trace(Camera(128))
    inner = np.linalg.norm(view.rays[:, :2], axis=1) < 0.25
    middle = -view.rays[:, 2]
    half = np.sqrt(np.maximum(middle**2 - 1 + (1 / 2.8) ** 2, 0))
    np.testing.assert_allclose(view.front.distance[inner], (middle - half)[inner], atol=2e-5)
    np.testing.assert_allclose(view.back.distance[inner], (middle + half)[inner], atol=2e-5)


def test_round_trip_to_a_cloud_lies_on_the_mesh(body: Scan, tracer: Tracer):
    """Render -> file values -> points -> distance to the mesh: below 1e-5 of its height in the mean."""
    camera = Camera(2048)
    view = tracer.trace(camera, 10)
    for hits in (view.front, view.back):
        depth = decode_network(encode_distance(view, hits), 2048)[view.rows, view.columns]
        distance = distance_from_network(depth.astype(np.float64))
        points = (view.origin + distance[:, None] * view.rays)[::50]
        error = np.linalg.norm(tracer.scene.nearest(points).points - points, axis=1)
        assert error.mean() < 1e-5 * np.ptp(body.mesh.vertices[:, 1])


def test_back_shares_the_silhouette_and_lies_behind(tracer: Tracer):
    view = tracer.trace(Camera(300), -20)
    assert len(view.back.distance) == len(view.front.distance) == len(view.rows)
    assert (view.back.distance >= view.front.distance).all()


def test_joints_project_onto_the_person(body: Scan):
    """The tops of the toes and the head of the mesh are where the picture has them."""
    top = body.mesh.vertices[body.mesh.vertices[:, 1].argmax()]
    joints, present = np.tile(top, (31, 1)), np.arange(31) != 5
    scan = Scan("body", body.mesh, body.appearance, joints, present)
    filed = project_scan_joints(scan, 512, yaw=30)
    view = Tracer(body.mesh).trace(Camera(512), 30)
    assert filed[0, 2] == 1 and filed[5].tolist() == [0, 0, 0]
    assert abs(filed[0, 1] - view.rows.min()) < 1.5


def test_frame_scale_shrinks_person_and_joints():
    scan = sphere(1.0)
    joints = np.tile([0.0, 1.0, 0.0], (31, 1))
    scan = Scan("s", scan.mesh, scan.appearance, joints, np.ones(31, bool), frame_scale=0.9)
    framed = stand_in_frame(scan)
    assert np.abs(framed.mesh.vertices).max() == pytest.approx(0.9 / 2.8)
    np.testing.assert_allclose(framed.joints[0], [0, 0.9 / 2.8, 0], atol=1e-6)


def test_surface_without_area_is_refused():
    flat = Scan("flat", Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])), PlainColor((1, 1, 1)))
    with pytest.raises(InputError, match="no area"):
        stand_in_frame(flat)


def test_ambient_light_is_the_integral_of_its_environment():
    """Nine harmonics against a Monte Carlo sum of max(cos, 0) L / pi, for an environment of that order."""
    rng = np.random.default_rng(0)
    ambient = rng.uniform(0, 0.3, size=9) * (np.arange(9) > 0) + 2.0 * (np.arange(9) == 0)
    around = rng.normal(size=(400_000, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    normals = np.array([[0, 0, 1.0], [0, 1.0, 0], [0.6, 0.64, -0.48]])
    radiance = harmonics(around) @ ambient
    expected = [(np.maximum(around @ normal, 0) * radiance).mean() * 4 for normal in normals]
    np.testing.assert_allclose(harmonics(normals) @ (COSINE_BANDS * ambient), expected, rtol=0.01)


def test_key_light_is_lambert_and_casts_shadows():
    """A ball lit from the right has max(n.l, 0) of light; a second ball between it and the lamp takes it away."""
    lamp = np.array([1.0, 0, 0])
    lights = Lighting(lamp, np.ones(3), 0.0, lamp, np.zeros(3), ambient=np.zeros((9, 3)), exposure=1.0)
    ball, blocker = sphere(0.2), sphere(0.2, (0.42, 0, 0))
    alone = Tracer(ball.mesh)
    view = alone.trace(Camera(128))
    normals = (view.points(view.front) / 0.2).astype(np.float32)
    light = light_on(alone, view, 0.0, normals, lights, ambient_rays=0)[:, 0]
    clear = np.abs(normals[:, 0]) > 0.1
    np.testing.assert_allclose(light[clear], np.maximum(normals[clear, 0], 0), atol=0.02)

    both = Tracer(joined(ball.mesh, blocker.mesh))
    assert light_on(both, view, 0.0, normals, lights, ambient_rays=0).mean() < 0.1 * light.mean()


def test_light_turns_with_the_camera_not_with_the_person(body: Scan):
    """A ball looks the same from every yaw: the lamps stand still."""
    renderer = ScanRenderer(sphere(1.0), ambient_rays=1)
    lighting = random_lighting(np.random.default_rng(3))
    straight, aside = (renderer.view(128, yaw, lighting).shaded_front.astype(int) for yaw in (0, 30))
    assert np.abs(straight - aside).mean() < 1


def test_corners_are_darker_than_open_ground():
    """Ambient occlusion: a ball on a wall darkens the wall beside it, not far from it."""
    ball = sphere(0.1, (0, 0, 0.05))
    wall = np.array([[-0.4, -0.4, 0], [0.4, -0.4, 0], [0.4, 0.4, 0], [-0.4, 0.4, 0.0]])
    tracer = Tracer(joined(Mesh(wall, np.array([[0, 1, 2], [0, 2, 3]])), ball.mesh))
    view = tracer.trace(Camera(128))
    normals = np.tile(np.float32([0, 0, 1]), (len(view.rows), 1))
    sky = np.zeros((9, 3))
    sky[0] = 1 / 0.282095
    front = np.array([0, 0, 1.0])
    lights = Lighting(front, np.zeros(3), 0.0, front, np.zeros(3), ambient=sky, exposure=1.0)
    light = light_on(tracer, view, 0.0, normals, lights, ambient_rays=8)[:, 0]
    points = view.points(view.front)
    ring = np.hypot(points[:, 0], points[:, 1])
    on_wall = np.abs(points[:, 2]) < 1e-6
    assert light[on_wall & (ring < 0.11)].mean() < 0.8
    np.testing.assert_allclose(light[on_wall & (ring > 0.25)], 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["inside out", "two-sided"])
def test_winding_does_not_change_the_light(kind: str):
    """A ball inside out, or with every triangle twice, once each way, so that smooth normals cancel out."""
    ball = sphere(1.0, resolution=150)
    faces = (
        ball.mesh.faces[:, ::-1]
        if kind == "inside out"
        else np.concatenate([ball.mesh.faces, ball.mesh.faces[:, ::-1]])
    )
    lighting = random_lighting(np.random.default_rng(1))
    sound, odd = (
        ScanRenderer(Scan("ball", Mesh(ball.mesh.vertices, f), ball.appearance)).view(128, 0, lighting).shaded_front
        for f in (ball.mesh.faces, np.ascontiguousarray(faces))
    )
    difference = np.abs(sound.astype(int) - odd)[sound.any(-1)]
    assert np.percentile(difference, 99) < 6


def test_exposure_keeps_greys_and_never_clips():
    srgb = np.linspace(0, 1, 50, dtype=np.float32)[:, None].repeat(3, 1)
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(srgb)), srgb, atol=1e-6)
    photo = exposed(srgb, np.full((50, 3), 7.0, np.float32), exposure=4.0)
    assert (np.diff(photo[:, 0]) > 0).all() and photo.max() < 1


def test_seed_gives_the_same_bits(body: Scan):
    first, second = (
        ScanRenderer(body, ambient_rays=2).view(128, 10, random_lighting(np.random.default_rng(5))) for _ in range(2)
    )
    np.testing.assert_array_equal(first.shaded_front, second.shaded_front)
    other = ScanRenderer(body, ambient_rays=2).view(128, 10, random_lighting(np.random.default_rng(6)))
    assert (other.shaded_front != first.shaded_front).any()


def test_mesh_too_deep_for_the_files_is_named():
    """A cube on its edge reaches nearer to the camera than a depth file can say."""
    box = o3d.geometry.TriangleMesh.create_box()
    faces = np.asarray(box.triangles).astype(np.int64)
    renderer = ScanRenderer(Scan("cube", Mesh(np.asarray(box.vertices), faces), PlainColor((1, 1, 1))))
    lighting = random_lighting(np.random.default_rng(0))
    assert renderer.view(128, 0, lighting).depth_front.any()
    with pytest.raises(InputError, match="too deep"):
        renderer.view(128, 45, lighting)


def test_benchmark_scan_is_the_same_body_with_more_triangles(body: Scan):
    fine = scan_of_size(DATA / "render_mesh.ply", 200_000)
    assert abs(len(fine.mesh.faces) - 200_000) <= 3
    near, far, *_ = depth_and_color(fine, 128)
    view = Tracer(body.mesh).trace(Camera(128))
    assert (np.abs(near.astype(int) - encode_distance(view, view.front)) > 1).sum() <= 2
    assert (np.abs(far.astype(int) - encode_distance(view, view.back)) > 1).sum() <= 2
