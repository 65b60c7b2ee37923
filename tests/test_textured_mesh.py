"""The photo on the surface: colors, seams, the back of the head, files that others read, metres, pictures of it."""

import io
import json
import struct
from dataclasses import replace

import cv2
import numpy as np
import open3d
import pytest
from PIL import Image

from geometry.camera import CENTRE, Camera
from geometry.map_mesh import map_mesh
from geometry.photo_projection import PhotoProjection
from geometry.pixel_sets import depth_inside
from geometry.point_cloud import lift_sides
from geometry.standing import Standing
from tests.test_map_mesh import RADIUS, ball_maps
from utils.back_of_trunk import TrunkJoints, back_of_garment
from utils.head_fill import with_back_of_head, with_smooth_face
from utils.head_hair import HeadJoints, hair_on
from utils.mesh_files import write_mesh
from utils.photo_texture import photo_texture, texture_size
from utils.portrait import FRAMES, Portrait, around, turntable
from utils.rasterizer import Viewer, look_at

SIZE = 128
BALL = np.array([0.02, -0.03, 0.0])
GREEN, RED, BLUE = (0, 200, 0), (220, 30, 30), (30, 30, 220)


def photo_of_ball(side: int) -> np.ndarray:
    """A ball red on the left half, blue on the right, before green."""
    picture = np.full((side, side, 3), GREEN, np.uint8)
    shown = cv2.resize((ball_maps(SIZE)[0] < 6).astype(np.float32), (side, side)) > 0.5
    middle = Camera(side).project(BALL)[0]
    left = np.arange(side) + 0.5 < middle
    picture[shown & left], picture[shown & ~left] = RED, BLUE
    return picture


@pytest.fixture(scope="module")
def ball():
    sides = lift_sides(*ball_maps(SIZE))
    person = ball_maps(SIZE)[0] < 6
    return photo_texture(photo_of_ball(4 * SIZE), person, sides).on(map_mesh(sides), PhotoProjection.of(sides), None)


def test_the_photo_lies_where_the_camera_sees_it_and_the_background_nowhere(ball):
    assert ball.picture.shape[0] > 2 * SIZE * 0.4, "the photo's own resolution, not that of the maps"
    aside = ball.mesh.vertices[:, 0] - 0.02
    size = np.array(ball.picture.shape[1::-1])
    at = np.clip((ball.uv * size).astype(int), 0, size - 1)
    colors = ball.picture[at[:, 1], at[:, 0]].astype(int)
    for half, color in ((aside < -0.01, RED), (aside > 0.01, BLUE)):
        assert abs(colors[half] - color).max() < 8
    assert ((ball.uv >= 0) & (ball.uv <= 1)).all()


def test_the_seam_parts_front_and_back_and_changes_no_face(ball):
    sides = lift_sides(*ball_maps(SIZE))
    mesh = map_mesh(sides)
    projected = PhotoProjection.of(sides).on(mesh)
    np.testing.assert_array_equal(projected.source[projected.mesh.faces], mesh.faces)
    np.testing.assert_array_equal(projected.mesh.vertices, mesh.vertices[projected.source])
    on_back = projected.on_back[projected.mesh.faces]
    assert (on_back.all(1) | ~on_back.any(1)).all(), "no face lies on both halves of the picture"
    to_camera = CENTRE - BALL
    distance = np.linalg.norm(to_camera)
    nearer = (
        projected.mesh.vertices - BALL
    ) @ to_camera / distance - RADIUS**2 / distance  # than the circle of the rim
    clear = abs(nearer) > 0.02
    np.testing.assert_array_equal(projected.on_back[clear], nearer[clear] < 0)


def test_the_side_shows_what_lies_inside_the_rim_instead_of_a_streak():
    """Rings of colors around the rim: a point on the side takes the ring as far inside as it lies around."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[30:100, 30:100] = True
    depth = 0.2  # [network units], 6 px of this canvas
    sides = lift_sides(np.where(mask, 2.0, 6.0), np.where(mask, 2.0 + depth, 0.0))
    mesh = map_mesh(sides)
    projected = PhotoProjection.of(sides).on(mesh)
    column = Camera(SIZE).project(projected.mesh.vertices)[:, 0]
    row = Camera(SIZE).project(projected.mesh.vertices)[:, 1]
    left = (column < 31) & (row > 50) & (row < 80)
    inwards = projected.places[left, 0] - column[left]
    assert inwards.max() > 2 and inwards.min() >= -0.1
    assert len(np.unique(np.round(inwards))) >= 3
    flat = PhotoProjection.of(sides).on(mesh, np.ones((SIZE, SIZE), bool))
    on_front = left & ~flat.on_back
    assert (flat.places[on_front, 0] - column[on_front]).max() < inwards.max() / 2


def head(hair: tuple[int, int, int] | None, rng=0) -> tuple[np.ndarray, np.ndarray, HeadJoints]:
    """A face 100 px high with eyes and mouth, hair above the brow unless None, on a white shirt."""
    picture, there = np.full((400, 300, 3), 128, np.uint8), np.zeros((400, 300), np.uint8)
    skin = (205, 160, 135)
    for canvas, colors in ((picture, (skin, (240, 240, 240))), (there, (1, 1))):
        cv2.ellipse(canvas, (150, 120), (42, 62), 0, 0, 360, colors[0], -1)
        cv2.rectangle(canvas, (130, 160), (170, 230), colors[0], -1)
        cv2.rectangle(canvas, (60, 215), (240, 400), colors[1], -1)
    if hair is not None:
        crown = np.zeros(there.shape, np.uint8)
        cv2.ellipse(crown, (150, 120), (42, 62), 0, 180, 360, 1, -1)
        crown[98:] = 0
        picture[crown > 0] = hair
    for x in (135, 165):
        cv2.circle(picture, (x, 118), 5, (20, 20, 60), -1)
    cv2.rectangle(picture, (138, 150), (162, 156), (150, 20, 30), -1)
    return (
        picture,
        there.astype(bool),
        HeadJoints(np.array([150, 132.0]), np.array([150, 118.0]), np.array([150, 225.0])),
    )


def back_of_head(picture, there, joints):
    return with_back_of_head(picture, picture, there, hair_on(picture, there, joints), joints)


@pytest.mark.parametrize("hair", [(40, 30, 25), (225, 225, 225), (200, 170, 60)])
def test_the_back_of_the_head_is_hair_and_has_no_face(hair):
    picture, there, joints = head(hair)
    back = back_of_head(picture, there, joints).astype(int)
    assert abs(back[70:155, 125:176] - hair).max() < 25
    np.testing.assert_array_equal(back[240:], picture[240:])
    assert (picture == head(hair)[0]).all(), "the photo itself is not touched"


@pytest.mark.parametrize("side", [-1, 1])
def test_the_cheek_that_a_turned_head_hides_is_skin(side):
    picture, there, joints = head((40, 30, 25))
    turned = HeadJoints(joints.nose + (24 * side, 0), joints.eyes + (24 * side, 0), joints.neck)
    back = back_of_head(picture, there, turned).astype(int)[:, ::side]
    assert abs(back[134:140, 186:189] - (205, 160, 135)).max() < 25
    assert abs(back[112:122, 115:150] - picture[65, 150]).max() < 25


def test_the_skin_behind_a_shaded_cheek_is_shaded_where_it_begins():
    picture, there, joints = head((40, 30, 25))
    shade = there & (np.arange(400)[:, None] > 100) & (np.arange(400)[:, None] < 215) & (np.arange(300) > 165)
    picture[shade] = (picture[shade] * 0.6).astype(np.uint8)
    turned = HeadJoints(joints.nose + (24, 0), joints.eyes + (24, 0), joints.neck)
    back = back_of_head(picture, there, turned).astype(int)
    assert abs(back[134:140, 187:190] - 0.6 * np.array([205, 160, 135])).max() < 15


@pytest.mark.parametrize("light", [0.03, 0.06, 0.2])
def test_skin_in_the_shade_is_no_hair_however_dark(light):
    """Black hair falls onto a cheek that is as dark: its tint tells them apart."""
    picture, there, joints = head((30, 28, 28))
    row, column = np.arange(400)[:, None], np.arange(300)
    cheek = there & (row >= 98) & (row < 160) & (column > 175)
    linear = (picture[cheek] / 255.0) ** 2.4 * light
    picture[cheek] = np.round(255 * linear ** (1 / 2.4))
    found = hair_on(picture, there, joints)
    assert not found[cheek].any() and found[70:90, 140:160].all()


def test_a_bald_head_is_skin_behind_and_has_no_face_either():
    picture, there, joints = head(None)
    back = back_of_head(picture, there, joints).astype(int)
    assert abs(back[100:160, 130:171] - (205, 160, 135)).max() < 25


def test_skin_goes_on_smoothly_beyond_a_face_and_its_features_do_not():
    """A fold would repeat the brow, whatever the pixels beyond hold now; beyond hair they are left alone."""
    picture, there, joints = head((40, 30, 25))
    picture[112:116, 110:130][there[112:116, 110:130]] = (20, 20, 20)  # to the face's edge
    picture[~there] = (255, 0, 255)
    front = with_smooth_face(picture, there, hair_on(picture, there, joints), joints, reach=12).astype(int)
    near = depth_inside(~there) < 12
    np.testing.assert_array_equal(front[there | ~near], picture[there | ~near])
    beside_face = ~there & near & (np.arange(400)[:, None] > 105) & (np.arange(400)[:, None] < 150)
    beside_face &= abs(np.arange(300) - 150) < 50
    assert abs(front[beside_face] - (205, 160, 135)).max() < 60 and front[beside_face].min() > 90
    above = ~there & (np.arange(400)[:, None] < 80) & (abs(np.arange(300) - 150) < 30)
    assert (front[above] == (255, 0, 255)).all()
    bald, there, joints = head(None)
    nobody = np.zeros_like(there)
    np.testing.assert_array_equal(with_smooth_face(bald, there, nobody, joints, reach=12), bald)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("neck", [(0, 12), (0, 20), (0, 26), (0, 33), (0, 50), (0, 180), (40, 40), (-60, 5), (0, -40)])
@pytest.mark.parametrize("hair", [(40, 30, 25), None])
def test_a_neck_in_another_place_than_a_neck_has_is_no_error(hair, neck):
    """Joints may be wrong, and a head bowed: the unit of its texture is then far from a head's size."""
    picture, there, joints = head(hair)
    bowed = replace(joints, neck=joints.nose + neck)
    assert back_of_head(picture, there, bowed).shape == picture.shape
    front = with_smooth_face(picture, there, hair_on(picture, there, bowed), bowed, reach=12)
    np.testing.assert_array_equal(front[there], picture[there])


def test_a_head_of_a_few_pixels_or_outside_the_picture_is_left_alone():
    picture, there, joints = head((40, 30, 25))
    above = HeadJoints(joints.nose, joints.eyes - (0, 100), joints.neck)
    for moved in (joints.moved(0.02, (0, 0)), joints.moved(1, (5000, 0)), above):
        np.testing.assert_array_equal(back_of_head(picture, there, moved), picture)


def shirt(put_on) -> tuple[np.ndarray, np.ndarray, TrunkJoints]:
    """A blue shirt with a dark hem on grey ground; `put_on` draws on it."""
    picture = np.full((300, 260, 3), 128, np.uint8)
    picture[20:, 60:200] = (60, 90, 170)
    picture[190:200, 60:200] = (30, 30, 40)
    there = np.zeros(picture.shape[:2], bool)
    there[20:, 60:200] = True
    put_on(picture)
    return picture, there, TrunkJoints(np.array([[65.0, 40], [195, 40]]), np.array([[85.0, 200], [175, 200]]), HANGING)


HANGING = np.array([[[30.0, 130], [25, 200], [25, 215]], [[230, 130], [235, 200], [235, 215]]])
"""Elbow, wrist and fingers of both arms, beside the shirt."""
CLASPED = np.array([[[62.0, 110], [105, 150], [120, 152]], [[198, 110], [155, 150], [140, 152]]])
"""The same before the belly."""


def behind(picture, there, joints):
    """The back of a body of the same thickness everywhere."""
    return back_of_garment(picture, there, np.ones(there.shape, np.float32), joints, np.zeros_like(there))


def a_print(picture):
    cv2.circle(picture, (130, 110), 30, (230, 220, 40), -1)


def an_opening(picture):
    cv2.fillPoly(picture, [np.array([[110, 20], [150, 20], [130, 90]])], (205, 160, 135))


@pytest.mark.parametrize("put_on", [a_print, an_opening])
def test_the_back_of_a_shirt_has_neither_its_print_nor_its_opening(put_on):
    picture, there, joints = shirt(put_on)
    back = behind(picture, there, joints).astype(int)
    assert abs(back[40:185, 62:198] - (60, 90, 170)).max() < 25
    assert abs(back[192:198, 65:195] - (30, 30, 40)).max() < 25, "the hem, which reaches the sides, stays"
    np.testing.assert_array_equal(back[~there], picture[~there])
    assert (picture == shirt(put_on)[0]).all(), "the photo itself is not touched"


@pytest.mark.parametrize("hair", [(40, 30, 25), (200, 170, 60)])
def test_hair_before_the_shoulders_falls_on_the_back_as_one_and_is_no_color_of_the_shirt(hair):
    picture, there, joints = head(hair)
    for x in (110, 190):  # to the breast, along both sides of the face
        cv2.line(picture, (x, 90), (x, 330), hair, 22)
        cv2.line(there.view(np.uint8), (x, 90), (x, 330), 1, 22)
    picture[215:400, 60:80] = picture[215:400, 220:241] = 240
    trunk = TrunkJoints(np.array([[70.0, 240], [230, 240]]), np.array([[90.0, 380], [210, 380]]), HANGING)
    strands = hair_on(picture, there, joints)
    assert strands[270, 110] and strands[270, 190]
    body = np.ones(there.shape, np.float32)
    garment = back_of_garment(picture, there, body, trunk, strands)
    assert abs(garment[250:380, 85:215].astype(int) - 240).max() < 25
    back = with_back_of_head(garment, picture, there, strands, joints).astype(int)
    assert abs(back[90:255, 130:170] - hair).max() < 25
    np.testing.assert_array_equal(back[345:], garment[345:])


def arms_and_a_ball(picture):
    skin = (205, 160, 135)
    for elbow, wrist, fingers in CLASPED.astype(int).tolist():
        cv2.line(picture, elbow, wrist, skin, 18)
        cv2.line(picture, wrist, fingers, skin, 18)
    cv2.circle(picture, (100, 150), 30, (240, 130, 20), -1)


def test_what_is_before_the_trunk_is_not_on_its_back():
    """Bare forearms that reach both sides of the shirt, and a ball over one of them."""
    picture, there, joints = shirt(arms_and_a_ball)
    back = behind(picture, there, replace(joints, arms=CLASPED)).astype(int)
    assert abs(back[30:182, 70:190] - (60, 90, 170)).max() < 25
    thin = (np.arange(260) > 230) + np.zeros(there.shape, np.float32)
    beside = back_of_garment(picture, there, thin, joints, np.zeros_like(there))
    assert (abs(beside[120:182, 70:190].astype(int) - (60, 90, 170)).max(-1) > 25).any(), "thin arms hang beside it"


def dots(picture):
    for y in range(50, 260, 20):
        for x in range(70, 200, 20):
            cv2.circle(picture, (x, y), 6, (240, 240, 240), -1)


@pytest.mark.parametrize("put_on", [dots, lambda picture: None])
def test_a_pattern_that_reaches_the_sides_stays_on_the_back(put_on):
    picture, there, joints = shirt(put_on)
    np.testing.assert_array_equal(behind(picture, there, joints), picture)


def test_a_trunk_that_is_tiny_outside_or_seen_from_the_side_is_left_alone():
    picture, there, joints = shirt(a_print)
    aside = TrunkJoints(joints.shoulders[::-1], joints.hips, joints.arms)
    for moved in (joints.moved(0.1, (0, 0)), joints.moved(1, (5000, 0)), aside):
        np.testing.assert_array_equal(behind(picture, there, moved), picture)


def chunks(data: bytes) -> tuple[dict, bytes]:
    magic, version, length, json_length, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    return json.loads(data[20 : 20 + json_length]), data[28 + json_length :]


def test_a_glb_carries_the_picture_and_no_vertex_colors(ball, tmp_path):
    write_mesh(tmp_path / "ball.glb", ball)
    document, binary = chunks((tmp_path / "ball.glb").read_bytes())
    [primitive] = document["meshes"][0]["primitives"]
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    material = document["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material == {"metallicFactor": 0.0, "roughnessFactor": 1.0, "baseColorTexture": {"index": 0}}
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0 and view["byteOffset"] + view["byteLength"] <= len(binary)
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    image = Image.open(io.BytesIO(binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]))
    assert abs(np.asarray(image).astype(int) - ball.picture).mean() < 3
    with pytest.raises(ValueError, match="textured mesh, expected .glb"):
        write_mesh(tmp_path / "ball.ply", ball)


def test_open3d_reads_shape_and_texture(ball, tmp_path):
    write_mesh(tmp_path / "ball.glb", ball)
    model = open3d.io.read_triangle_model(str(tmp_path / "ball.glb"))
    [part] = model.meshes
    assert len(part.mesh.triangles) == len(ball.mesh.faces)
    corners = np.asarray(part.mesh.vertices)[np.asarray(part.mesh.triangles)]
    np.testing.assert_allclose(corners, ball.mesh.corners, atol=1e-6)
    albedo = np.asarray(model.materials[part.material_idx].albedo_img)
    assert albedo.shape[:2] == ball.picture.shape[:2]
    assert abs(albedo[..., :3].astype(int) - ball.picture).mean() < 3


def test_a_person_stands_on_the_ground_in_metres_and_a_raised_hand_is_not_its_height():
    vertices = np.array([[-0.1, -0.4, 0.0], [0.1, -0.4, 0.02], [0.0, 0.3, 0.0], [0.3, 0.5, 0.0], [0.0, 0.0, 0.1]])
    middle = Camera(SIZE).project(np.array([0.0, 0.3, 0.0]))[0]
    standing = Standing.of(vertices, SIZE, (middle - 8, middle + 8))
    placed = standing.in_metres(vertices, 1.75)
    assert placed[:, 1].min() == pytest.approx(0)
    assert placed[2, 1] == pytest.approx(1.75) and placed[3, 1] > 2
    np.testing.assert_allclose(np.linalg.norm(placed[0] - placed[1]) / 1.75, np.hypot(0.2, 0.02) / 0.7)


def test_every_pixel_sees_the_nearest_face_that_looks_at_it(ball):
    viewer = Viewer(BALL, 200.0, 101, 121, 30.0)
    seen = look_at(ball.mesh, viewer)
    points = seen.interpolate(ball.mesh.vertices - viewer.centre) @ viewer.rotation().T
    row, column = np.divmod(seen.pixels, 121)
    np.testing.assert_allclose(points[:, 0] * 200 + 60, column, atol=0.05)
    np.testing.assert_allclose(50 - points[:, 1] * 200, row, atol=0.05)
    assert (points[:, 2] > -0.02).all(), "never the far side"
    disc = np.hypot(*np.meshgrid(np.arange(121) - 60, np.arange(101) - 50)) < 0.2 * 200 - 2
    assert disc.ravel()[seen.pixels].sum() == disc.sum(), "no hole"


@pytest.mark.parametrize(
    ("turn", "left", "right"), [(0, RED, BLUE), (180, BLUE, RED), (90, RED, RED), (-90, BLUE, BLUE)]
)
def test_pictures_show_the_right_side(ball, turn, left, right):
    picture = Portrait.of(ball, around(ball, 96, turn)).textured(0).astype(float)
    middle = picture.shape[1] // 2
    for color, part in (
        (left, picture[40:56, middle - 20 : middle - 6]),
        (right, picture[40:56, middle + 6 : middle + 20]),
    ):
        mean = part.reshape(-1, 3).mean(0)
        assert mean @ color / np.linalg.norm(mean) / np.linalg.norm(color) > 0.98


def test_a_turntable_is_an_animation_of_a_full_turn(ball):
    animation = Image.open(io.BytesIO(turntable(ball)))
    assert animation.format == "WEBP" and animation.n_frames == FRAMES and animation.info["loop"] == 0
    frames = []
    for index in (0, FRAMES // 2):
        animation.seek(index)
        frames.append(np.asarray(animation.convert("RGB")).astype(int))
    half = frames[0].shape[1] // 2
    assert abs(frames[0][:, :half] - frames[1][:, :half]).max() > 100, "the textured ball turns"
    clay = frames[0][:, half:]
    assert np.ptp(clay, axis=-1).max() < 40, "the other one is grey"


def test_a_texture_fits_every_graphics_card():
    sides = lift_sides(*ball_maps(SIZE))
    assert texture_size(100, sides) == SIZE
    assert texture_size(1000, sides) == 1000
    window_fraction = 0.6
    assert texture_size(100_000, sides) < 4096 / window_fraction / 1
