"""Scans come to the world of the camera as the paper renders them."""

import numpy as np
import pytest

from geometry.mesh import Mesh
from geometry.scan_frame import centre_and_scale, turn

QUAD = np.array([[0.0, 0, 0], [2, 0, 0], [2, 4, 0], [0, 4, 0]])
QUAD_FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_rectangle_is_centred_and_scaled_by_its_reach():
    """A 2 x 4 rectangle has its centroid at (1, 2, 0) and reaches 2 from it."""
    frame = centre_and_scale(Mesh(QUAD, QUAD_FACES))

    np.testing.assert_allclose(frame.offset, [1, 2, 0])
    assert frame.scale == pytest.approx(2.8 * 2)
    np.testing.assert_allclose(frame.to_world(QUAD) * 5.6, QUAD - [1, 2, 0], atol=1e-12)


def test_centroid_weighs_area_not_vertices():
    """Cutting one half of the surface finer does not move the centroid."""
    finer = np.vstack([QUAD, [[1.0, 2, 0], [2, 2, 0]]])
    faces = np.array([[0, 1, 5], [0, 5, 4], [4, 5, 2], [0, 2, 3]])
    np.testing.assert_allclose(centre_and_scale(Mesh(finer, faces)).offset, [1, 2, 0])


def test_surface_without_area_is_refused():
    with pytest.raises(ValueError, match="no area"):
        centre_and_scale(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))


def test_positive_yaw_turns_the_front_to_the_right_of_the_image():
    np.testing.assert_allclose(turn(np.array([[0.0, 5, 1]]), 90), [[1, 5, 0]], atol=1e-12)
    np.testing.assert_allclose(turn(turn(QUAD, 33), -33), QUAD, atol=1e-12)
