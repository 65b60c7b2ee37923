"""What silhouettes say of thickness, on discs and bars."""

import numpy as np
import pytest

from geometry.limb_shape import limb_radius, outline_thickness, round_thickness

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
    assert found[68, 60] == 30
    assert 6 < found[68, 140] < 9 and 6 < found[62, 130] < 9


def test_a_limb_that_the_window_cuts_goes_on():
    bar = abs(COLUMNS - 80) < 12
    found = limb_radius(bar, widest=40)
    np.testing.assert_allclose(found[0, bar[0]], found[80, bar[80]])
    assert (limb_radius(np.ones((40, 40), bool), widest=10) == 10).all()


def test_thickness_of_a_round_limb():
    np.testing.assert_allclose(round_thickness(np.array([0.0, 10.0, 2.0, 25.0]), np.array(10.0)), [0, 20, 12, 20])


def test_the_outermost_pixel_sees_the_mean_over_its_width():
    inside = (np.arange(1000) + 0.5) / 1000
    assert outline_thickness(np.array(200.0)) == pytest.approx(
        round_thickness(inside, np.array(200.0)).mean(), rel=0.01
    )
