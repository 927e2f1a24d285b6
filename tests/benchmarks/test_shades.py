"""Density maps show the density, not their wildest cell."""

import numpy as np
import pytest

from benchmarks.shades import shades

SIDE = 100
AT = np.linspace(-3, 3, SIDE)
LOG_NORMAL = -0.5 * (AT[:, None] ** 2 + AT**2)


def test_a_few_wild_cells_leave_a_map_as_it_is() -> None:
    wild = LOG_NORMAL.copy()
    wild[40, 40], wild[90, 3] = 8.0, 30.0
    others = np.ones((SIDE, SIDE), bool)
    others[40, 40] = others[90, 3] = False
    assert shades(wild)[others] == pytest.approx(shades(LOG_NORMAL)[others], abs=0.01)
    assert shades(wild)[~others].tolist() == [1, 1]


def test_shades_are_roots_of_densities_up_to_the_darkest() -> None:
    share = shades(LOG_NORMAL)
    assert (share == 1).mean() == pytest.approx(0.005, abs=0.001)
    pale = share < 1
    ratio = share[pale] / np.exp(0.5 * LOG_NORMAL[pale])
    assert ratio == pytest.approx(np.full(pale.sum(), ratio[0]))


def test_a_density_in_fewer_cells_than_are_darkest_is_drawn_by_its_largest() -> None:
    log_q = np.full((SIDE, SIDE), -np.inf)
    log_q[0, :3] = 0.0, np.log(0.25), -np.inf
    assert shades(log_q)[0, :3].tolist() == pytest.approx([1, 0.5, 0])
    assert shades(log_q).sum() == pytest.approx(1.5)
