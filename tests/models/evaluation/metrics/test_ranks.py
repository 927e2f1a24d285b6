"""The area under the curve beside scikit-learn's, and its standard error beside simulations and closed forms."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.ranks import area_under_curve, placements


def test_it_is_scikit_learns_with_ties() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 8, 30).astype(float), rng.integers(0, 9, 17).astype(float)
        expected = roc_auc_score(np.repeat([1, 0], [30, 17]), np.concatenate([x, y]))
        assert area_under_curve(x, y).value == pytest.approx(expected)


def test_placements_are_shares_of_the_other_side() -> None:
    v, w = placements(np.array([2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    assert v == pytest.approx([1.5 / 3, 2 / 3])
    assert w == pytest.approx([1, 1.5 / 2, 0])


def test_its_error_is_the_spread_over_repetitions() -> None:
    rng = np.random.default_rng(1)
    found = [area_under_curve(rng.normal(1, 1, 60), rng.normal(0, 2, 40)) for _ in range(400)]
    spread = float(np.std([each.value for each in found]))
    assert np.mean([each.std_error or 0.0 for each in found]) == pytest.approx(spread, rel=0.1)


def test_sides_that_do_not_overlap_have_one_and_no_error() -> None:
    found = area_under_curve(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert (found.value, found.std_error, found.interval) == (1.0, 0.0, (1.0, 1.0))


def test_scores_without_a_number_have_no_area() -> None:
    assert np.isnan(area_under_curve(np.array([np.nan, 1.0]), np.array([0.0])).value)
    assert area_under_curve(np.array([-np.inf, 1.0]), np.array([0.0])).value == 0.5
