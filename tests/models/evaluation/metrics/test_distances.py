"""`models.evaluation.metrics.distances`: Euclid's and Gower's, beside a sum that is written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pushforward.models.evaluation.metrics.distances import AT_ONCE, Search, gower, squared_distances
from pushforward.models.tables.coding import coded_rows
from tests.models.evaluation.metrics.sides import normal
from tests.models.tables.small_tables import category, number, table

NAN = float("nan")
TABLE = table(category("a", "x", "y", "z"), number("r", missing=True, atoms=(0.5,)), number("s"))
CELLS = np.array([[0, -3.0, 1.0], [1, 4.0, -3.0], [2, NAN, 4.0], [0, 0.5, 0.0], [1, NAN, 0.0], [0, 0.5, 1.0]])


def rows(cells: np.ndarray) -> np.ndarray:
    return coded_rows(TABLE, torch.from_numpy(cells)).double().numpy()


def image(r: float) -> float:
    """What networks see of a number: `small_tables.STRETCHED`."""
    return float(np.interp(r, [-3, 0, 1, 4], [-2, 0, 0.5, 1.5]))


def kind(r: float) -> str:
    return "none" if np.isnan(r) else "atom" if r == 0.5 else "number"


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """Gower's distance of two rows of cells, the ranges being 3.5 in network units."""
    both = kind(x[1]) == kind(y[1]) == "number"
    r = abs(image(x[1]) - image(y[1])) / 3.5 if both else float(kind(x[1]) != kind(y[1]))
    return (float(x[0] != y[0]) + r + abs(image(x[2]) - image(y[2])) / 3.5) / 3


def test_gowers_distance_is_the_mean_over_the_columns() -> None:
    found = gower(TABLE, np.array([3.5, 3.5]), rows(CELLS), rows(CELLS))
    assert found == pytest.approx(np.array([[by_hand(x, y) for y in CELLS] for x in CELLS]), abs=1e-6)


def test_ranges_are_those_of_training_rows_whatever_their_units() -> None:
    unit = 1 + np.arange(TABLE.width)
    near = Search(rows(CELLS) / unit, TABLE).of(rows(CELLS) / unit, np.arange(len(CELLS)))
    every = np.array([[by_hand(x, y) for y in CELLS] for x in CELLS])
    np.fill_diagonal(every, np.inf)
    every.sort(axis=1)
    assert near.first == pytest.approx(every[:, 0], abs=1e-6)
    assert near.second == pytest.approx(every[:, 1], abs=1e-6)


def test_rows_of_categories_alone_differ_by_the_share_of_their_columns() -> None:
    of = table(category("a", "x", "y"), category("b", "p", "q"))
    v = coded_rows(of, torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])).double().numpy()
    assert gower(of, np.empty(0), v, v) == pytest.approx(np.array([[0, 0.5, 1], [0.5, 0, 0.5], [1, 0.5, 0]]))


def test_the_nearest_two_are_exact_in_blocks_of_training_rows() -> None:
    training = normal(AT_ONCE + 500, seed=4)
    places = np.array([0, 7, AT_ONCE - 1, AT_ONCE, AT_ONCE + 499])
    x = training[places]
    square = ((x[:, None] - training) ** 2).sum(2)
    search = Search(training)
    assert search.of(x).first == pytest.approx(0, abs=1e-6)
    square[np.arange(5), places] = np.inf
    nearest = np.sqrt(np.sort(square, axis=1))
    assert search.of(x, places).first == pytest.approx(nearest[:, 0], abs=1e-9)
    assert search.of(x, places).second == pytest.approx(nearest[:, 1], abs=1e-9)


def test_a_side_is_searched_once() -> None:
    search, x = Search(normal(50, seed=0)), normal(20, seed=1)
    assert search.of(x) is search.of(x)
    assert search.of(x) is not search.of(x.copy())


def test_of_one_training_row_there_is_no_second() -> None:
    near = Search(np.zeros((1, 2))).of(np.ones((3, 2)))
    assert near.first == pytest.approx(np.sqrt(2))
    assert np.isinf(near.second).all()


def test_distances_of_far_rows_are_those_between_them() -> None:
    x = 1e6 + normal(20, seed=0)
    exact = ((x[:, None] - x) ** 2).sum(2)
    assert squared_distances(x, x) == pytest.approx(exact, abs=1e-8)
