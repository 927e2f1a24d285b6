"""`models.evaluation.metrics.tables.columns`: values that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pushforward.models.evaluation.metrics.metric import Known, Side
from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.models.evaluation.metrics.tables.columns import (
    CategoryAdherence,
    CategoryCoverage,
    ColumnPairs,
    ColumnShapes,
    MeanOverColumns,
    MissingSimilarity,
    RangeCoverage,
    kolmogorov_smirnov,
    spanned,
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


def known(training: Side | None = None) -> Known:
    return Known(side([0, 1], [0.0, 1.0]) if training is None else training, 0, table=TABLE)


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
    for metric in METRICS.values():
        if isinstance(metric, MeanOverColumns):
            assert metric.measure(rows, rows, known(rows)).value == metric.ideal(4, 4, known(rows)) == 1.0


def test_the_range_is_that_of_training_rows_in_their_own_units() -> None:
    """From 0 to 1 the transform is half as steep as from 1 to 4: of the numbers themselves a quarter is spanned."""
    training, ours = side([0, 1], [0.0, 4.0]), side([0, 1, 1], [0.0, NAN, 1.0])
    assert RangeCoverage().measure(ours, training, known(training)).value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("x", "share"), [([0.0, 1.0], 1.0), ([-5.0, 9.0], 1.0), ([0.5, 2.0], 0.5), ([2.0, 3.0], 0.0), ([], 0.0)]
)
def test_what_is_spanned_beyond_the_range_does_not_count(x: list[float], share: float) -> None:
    assert spanned(np.array(x), np.array([0.0, 1.0])) == pytest.approx(share)


def test_a_number_that_does_not_vary_in_training_has_no_range() -> None:
    assert spanned(np.array([1.0]), np.array([2.0, 2.0])) is None
    training = side([0, 1], [1.0, 1.0])
    assert RangeCoverage().measure(training, training, known(training)).value == 1.0


def test_values_that_are_drawn_are_counted_among_those_of_training_rows() -> None:
    both, one = side([0, 1, 1, 1], [0.0] * 4), side([1, 1], [0.0] * 2)
    assert CategoryCoverage().measure(one, both, known(both)).value == 0.5
    assert CategoryCoverage().measure(both, one, known(one)).value == 1.0
    assert CategoryAdherence().measure(both, one, known(one)).value == pytest.approx(3 / 4)
    assert CategoryAdherence().measure(one, both, known(both)).value == 1.0
