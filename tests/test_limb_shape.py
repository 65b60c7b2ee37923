"""What silhouettes say of thickness and of their own smooth outline, on discs and bars."""

import numpy as np
import pytest

from geometry.limb_shape import limb_radius, round_thickness
from geometry.pixel_sets import outline_distance

ROWS, COLUMNS = np.mgrid[:160, :160] + 0.5


@pytest.mark.parametrize("radius", [4, 9, 20, 50])
def test_a_disc_has_its_radius_everywhere(radius):
    disc = np.hypot(ROWS - 80, COLUMNS - 80) < radius
    found = limb_radius(disc, widest=100)
    assert found[disc].min() > radius / 1.3 - 1 and found.max() < radius + 1.5
    assert (found[~disc] == 0).all()


def test_an_arm_beside_a_body_keeps_its_own_radius():
    person = np.zeros((160, 160), bool)
    person[20:140, 20:100] = True
    person[60:76, 100:155] = True
    found = limb_radius(person, widest=30)
    assert found[68, 60] == pytest.approx(30)
    assert 6 < found[68, 140] < 9 and 6 < found[62, 130] < 9


def test_a_limb_that_the_window_cuts_goes_on():
    bar = abs(COLUMNS - 80) < 12
    found = limb_radius(bar, widest=40)
    np.testing.assert_allclose(found[0, bar[0]], found[80, bar[80]])
    assert limb_radius(np.ones((40, 40), bool), widest=10) == pytest.approx(10)


def test_thickness_of_a_round_limb():
    np.testing.assert_allclose(round_thickness(np.array([0.0, 10.0, 2.0, 25.0]), np.array(10.0)), [0, 20, 12, 20])


@pytest.mark.parametrize("slope", [0.0, 0.21, 0.5, 0.83])
def test_stairs_of_pixels_have_a_straight_line_through_them(slope):
    """Without the blur distances of the rim's pixels jump by up to a pixel from stair to stair."""
    distance = (COLUMNS - 60 - slope * (ROWS - 80)) / np.hypot(1, slope)
    mask = distance > 0
    near = mask & (distance < 2) & (abs(ROWS - 80) < 50)
    assert abs(outline_distance(mask) - distance)[near].max() < 0.2


def test_a_discs_outline_is_a_circle():
    distance = 40 - np.hypot(ROWS - 80, COLUMNS - 80)
    found = outline_distance(distance > 0)
    assert abs(found - distance)[(distance > 0) & (distance < 2)].max() < 0.3
    assert abs(found - distance)[distance > 0].max() < 1.0 and (found[distance <= 0] == 0).all()


def test_the_outline_does_not_run_along_the_window():
    assert outline_distance(abs(COLUMNS - 80) < 12)[0, 80] == pytest.approx(11.5, abs=0.6)
