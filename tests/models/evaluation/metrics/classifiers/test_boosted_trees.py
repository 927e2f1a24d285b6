"""`models.evaluation.metrics.classifiers.boosted_trees`: what trees tell apart, and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pushforward.models.evaluation.metrics.classifiers.boosted_trees import (
    BoostedTrees,
    TrainOnSynthetic,
    balanced_accuracy,
    cross_fitted,
    default_target,
    r_squared,
)
from pushforward.models.evaluation.metrics.classifiers.classifier_tests import Logistic
from pushforward.models.evaluation.metrics.metric import Known, Side
from pushforward.models.tables.coding import coded_rows
from pushforward.models.tables.table import Table
from tests.models.evaluation.metrics.sides import known, normal, side
from tests.models.tables.small_tables import category, number, table

NAN = float("nan")
TABLE = table(category("a", "x", "y"), number("r", missing=True), number("s"))


def rows(of: Table, *columns: np.ndarray) -> Side:
    v = coded_rows(of, torch.from_numpy(np.column_stack(columns).astype(np.float64))).double().numpy()
    return Side(v, v)


def of(training: Side, table: Table = TABLE, target: int | None = None) -> Known:
    return Known(training, 0, table=table, target=target)


def test_trees_tell_what_logistic_regression_on_products_does_not() -> None:
    """Of stripes one in two: in the even ones, or in the odd ones; means, variances and products are the same."""
    rng = np.random.default_rng(0)

    def stripes(first: int) -> Side:
        return side(2 * rng.integers(-4, 4, (300, 1)) + first + rng.random((300, 1)))

    one, other = stripes(0), stripes(1)
    assert BoostedTrees().measure(one, other, known()).value > 0.9
    assert Logistic().measure(one, other, known()).value < 0.75


def test_rows_of_one_distribution_are_told_by_chance() -> None:
    measured = BoostedTrees().measure(side(normal(300, seed=0)), side(normal(300, seed=1)), known())
    assert measured.value == pytest.approx(0.5, abs=4 * (measured.std_error or 0))


def test_cells_that_are_missing_where_they_should_not_be_are_told() -> None:
    """Half of the drawn rows have a cell or lack one as no real row does: of them the area is 1, of the others 1/2."""
    rng = np.random.default_rng(0)

    def drawn(is_real: bool) -> Side:
        a, r, s = rng.integers(0, 2, 300), rng.normal(size=300), rng.normal(size=300)
        return rows(TABLE, a, np.where(a == 1 if is_real else rng.random(300) < 0.5, NAN, r), s)

    real = drawn(True)
    assert BoostedTrees().measure(drawn(False), real, of(real)).value == pytest.approx(0.75, abs=0.1)


def test_fewer_rows_than_leaves_need_have_no_value() -> None:
    assert np.isnan(cross_fitted(np.ones((29, 1)), np.zeros((29, 1)), [], 0).value)
    assert cross_fitted(np.ones((30, 1)), np.zeros((30, 1)), [], 0).value == 1.0


def test_the_mean_over_the_labels_of_what_is_found() -> None:
    found = balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert found.value == pytest.approx((1 + 0.5) / 2)
    assert found.std_error == pytest.approx((0.25 / 2) ** 0.5 / 2)


def test_r_squared_is_scikit_learns_and_nothing_where_nothing_varies() -> None:
    from sklearn.metrics import r2_score

    y, f = np.array([0.0, 1.0, 3.0]), np.array([0.5, 1.0, 2.0])
    assert r_squared(f, y).value == pytest.approx(r2_score(y, f))
    assert np.isnan(r_squared(np.ones(3), np.ones(3)).value)


def test_the_column_is_the_last_category_or_else_the_last_number_or_what_is_named() -> None:
    assert default_target(TABLE) == 0
    assert default_target(table(category("a", "x", "y"), category("b", "x", "y"), number("r"))) == 1
    assert default_target(table(number("r"), number("s"))) == 1


def test_what_samples_teach_is_worth_what_they_know() -> None:
    """A category that is told by the sign of a number: drawn rightly, drawn by chance."""
    rng = np.random.default_rng(0)
    r, s = rng.normal(size=400), rng.normal(size=400)
    right = rows(TABLE, r > 0, r, s)
    wrong = rows(TABLE, rng.integers(0, 2, 400), r, s)
    assert TrainOnSynthetic().measure(right, right, of(right)).value > 0.95
    assert TrainOnSynthetic().measure(wrong, right, of(right)).value == pytest.approx(0.5, abs=0.15)


def test_samples_of_one_value_are_right_about_one() -> None:
    rng = np.random.default_rng(0)
    r = rng.normal(size=60)
    assert (
        TrainOnSynthetic()
        .measure(rows(TABLE, 0 * r, r, r), rows(TABLE, r > 0, r, r), of(rows(TABLE, r > 0, r, r)))
        .value
        == 0.5
    )


def test_a_number_is_predicted_where_it_is_there() -> None:
    rng = np.random.default_rng(0)
    s = rng.uniform(-3, 4, 400)
    r = np.where(rng.random(400) < 0.2, NAN, -s / 2)
    drawn = rows(TABLE, rng.integers(0, 2, 400), r, s)
    assert TrainOnSynthetic().measure(drawn, drawn, of(drawn, target=1)).value > 0.95
    none = rows(TABLE, 0 * s, NAN * s, s)
    assert np.isnan(TrainOnSynthetic().measure(none, drawn, of(drawn, target=1)).value)


def test_categories_of_too_many_values_are_seen_by_their_place() -> None:
    many = table(category("a", *range(300)), number("r"))
    rng = np.random.default_rng(0)
    a = rng.integers(0, 300, 300)
    drawn = rows(many, a, np.where(a < 150, -2.0, 2.0) + 0.1 * rng.normal(size=300))
    assert TrainOnSynthetic().measure(drawn, drawn, of(drawn, many, target=1)).value > 0.9
