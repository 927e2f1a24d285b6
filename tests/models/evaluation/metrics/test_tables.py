"""`models.evaluation.metrics.tables`: values that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pushforward.models.evaluation.metrics.metric import Known, Side
from pushforward.models.evaluation.metrics.tables import (
    ColumnPairs,
    ColumnShapes,
    MissingSimilarity,
    kolmogorov_smirnov,
)
from pushforward.models.tables.coding import coded_rows
from tests.models.tables.small_tables import category, number, table

NAN = float("nan")
TABLE = table(category("a", "x", "y"), number("r", missing=True))
RNG = np.random.default_rng(0)


def side(a: list[float], r: list[float]) -> Side:
    cells = np.column_stack([a, r]).astype(np.float64)
    v = coded_rows(TABLE, torch.from_numpy(cells)).double().numpy()
    return Side(v, v)


def known() -> Known:
    return Known(np.empty((0, TABLE.width)), 0, table=TABLE)


def test_shapes_are_the_mean_of_total_variation_and_of_kolmogorov_and_smirnov() -> None:
    ours = side([0, 0, 0, 1], [0.0, 1.0, 2.0, NAN])
    theirs = side([0, 1, 1, 1], [1.5, 2.5, 3.5, 3.6])
    # TV of (3/4, 1/4) and (1/4, 3/4) is 1/2; the distribution functions differ by 3/4 at 2
    value = ColumnShapes().measure(ours, theirs, known()).value
    assert value == pytest.approx((1 - 0.5 + 1 - 3 / 4) / 2)


def test_kolmogorov_and_smirnov_agree_with_scipy() -> None:
    from scipy.stats import ks_2samp

    for _ in range(20):
        x, y = RNG.integers(0, 8, 30).astype(float), RNG.integers(0, 9, 17).astype(float)
        assert kolmogorov_smirnov(x, y) == pytest.approx(ks_2samp(x, y).statistic)


def test_missing_cells_are_compared_by_their_share() -> None:
    ours, theirs = side([0] * 4, [NAN, 1, 1, 1]), side([0] * 4, [NAN, NAN, NAN, 1])
    assert MissingSimilarity().measure(ours, theirs, known()).value == pytest.approx(0.5)


def test_pairs_tell_columns_that_depend_on_each_other_from_ones_that_do_not() -> None:
    n = 4_000
    a = RNG.integers(0, 2, n).astype(float)
    together = side(a.tolist(), np.where(a == 1, RNG.normal(2, 0.3, n), RNG.normal(-2, 0.3, n)).tolist())
    apart = side(RNG.permutation(a).tolist(), together.x[:, 0].tolist())
    again = side(a.tolist(), np.where(a == 1, RNG.normal(2, 0.3, n), RNG.normal(-2, 0.3, n)).tolist())
    assert ColumnPairs().measure(again, together, known()).value > 0.95
    assert ColumnPairs().measure(apart, together, known()).value < 0.6


def test_the_same_rows_have_one_everywhere() -> None:
    rows = side([0, 1, 1, 0], [0.0, 1.0, NAN, 2.0])
    for metric in (ColumnShapes(), ColumnPairs(), MissingSimilarity()):
        assert metric.measure(rows, rows, known()).value == metric.ideal(4, 4, known()) == 1.0
