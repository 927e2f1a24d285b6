"""Grids over the plane begin at the top left, and lie where the data lie."""

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.charts.grids import Grid, bounds, grid_of
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from tests.apis.fakes import MOONS, card

PLANE = DataSpec(shape=(2,), shift=(1.0, -2.0), scale=(2.0, 0.5))


def of(spec: DataSpec) -> Card:
    return card("m", MOONS, TwoMoons().spec).model_copy(update={"spec": spec})


def test_cells_are_centers_row_by_row_from_the_top() -> None:
    cells = Grid(2, ((0, 4), (-1, 1))).cells
    assert cells.tolist() == [[1, 0.5], [3, 0.5], [1, -0.5], [3, -0.5]]


def test_without_a_range_it_lies_three_scales_around_the_middle() -> None:
    assert bounds(PLANE) == ((-5, 7), (-3.5, -0.5))
    assert bounds(DataSpec(shape=(2,), shift=(0.0,), scale=(2.0,))) == ((-6, 6), (-6, 6))


def test_data_with_a_range_are_covered_by_it() -> None:
    assert bounds(DataSpec(shape=(2,), low=0, high=8)) == ((0, 8), (0, 8))


def test_a_rectangle_that_is_given_is_kept() -> None:
    assert grid_of(of(PLANE), 3, ((0, 1), (2, 3))) == Grid(3, ((0, 1), (2, 3)))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (DataSpec(shape=(3,)), "is for points of the plane"),
        (DataSpec(shape=(2,), constants=((1, 5.0),)), "needs two numbers that vary"),
        (DataSpec(shape=(2,), counts=True), "needs a density"),
        (DataSpec(shape=(2,), low=0, high=8, levels=9), "needs a density"),
    ],
)
def test_other_rows_have_no_grid(spec: DataSpec, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        grid_of(of(spec), 4, None)


def test_cells_far_from_zero_stay_apart() -> None:
    cells = Grid(64, ((1e8, 1e8 + 1), (0, 1))).cells
    assert len(np.unique(cells[:, 0])) == 64
