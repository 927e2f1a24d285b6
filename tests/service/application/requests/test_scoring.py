"""`service.application.requests.scoring`: p-values that are what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models import Run, log_prob, train
from pushforward.models.training.data import load_data
from pushforward.service.application.requests.scoring import Reals, calibrate

INF = float("inf")


def by_definition(row: float, held_out: Reals) -> tuple[float, float, float]:
    """Percentile, p-value and p-value of typicality, counted one by one."""
    n, m = len(held_out), held_out.mean()
    at_most = sum(each <= row for each in held_out)

    def off(score: float) -> float:
        return 0.0 if score == m else abs(score - m)

    at_least = sum(off(each) >= off(row) for each in held_out)
    return at_most / n, (1 + at_most) / (n + 1), (1 + at_least) / (n + 1)


@pytest.mark.parametrize("kind", ["continuous", "ties", "infinite", "one", "all equal", "all impossible"])
def test_numbers_are_those_of_the_definitions(kind: str) -> None:
    rng = np.random.default_rng(0)
    held_out = {
        "continuous": rng.standard_normal(57),
        "ties": rng.integers(-3, 3, 57).astype(float),
        "infinite": np.array([-INF, -INF, -1.0, 0.0, 2.0]),
        "one": np.array([0.5]),
        "all equal": np.full(20, -1.0),
        "all impossible": np.full(20, -INF),
    }[kind]
    rows = np.concatenate([rng.standard_normal(40), rng.integers(-4, 4, 40), held_out, [-INF, -1e300, 1e300]])
    found = calibrate(rows, rng.permutation(held_out), 0.05)
    expected = np.array([by_definition(row, held_out) for row in rows])
    np.testing.assert_array_equal(found.percentile, expected[:, 0])
    np.testing.assert_array_equal(found.p_value, expected[:, 1])
    np.testing.assert_array_equal(found.typicality_p_value, expected[:, 2])


@pytest.mark.parametrize("n", [1, 18, 19, 20, 99, 512])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.29, 0.5, 0.999])
def test_flagged_rows_are_those_below_the_threshold(n: int, rate: float) -> None:
    rng = np.random.default_rng(n)
    held_out, rows = rng.integers(-50, 50, n).astype(float), rng.integers(-60, 60, 400).astype(float)
    found = calibrate(rows, held_out, rate)
    np.testing.assert_array_equal(found.flagged, found.p_value <= rate)
    if found.threshold is None:
        assert rate * (n + 1) < 1
        assert not found.flagged.any()
    else:
        np.testing.assert_array_equal(found.flagged, rows < found.threshold)
        assert np.mean(held_out < found.threshold) <= rate


def test_a_rate_that_is_a_p_value_flags_rows_of_that_p_value() -> None:
    """0.29 * 100 is less than 29 in floating point."""
    held_out = np.arange(99.0)
    found = calibrate(np.array([27.5, 28.0, 28.5]), held_out, 0.29)
    assert found.threshold == 28.0
    assert found.flagged.tolist() == [True, False, False]


def test_an_impossible_row_is_as_unusual_as_can_be() -> None:
    found = calibrate(np.array([-INF]), np.linspace(-3, 0, 199), 0.01)
    assert (found.percentile[0], found.p_value[0], found.typicality_p_value[0]) == (0, 1 / 200, 1 / 200)
    assert found.flagged[0]


def test_a_row_that_is_too_likely_is_atypical_and_not_flagged() -> None:
    found = calibrate(np.array([9.0]), np.linspace(-3, 0, 199), 0.01)
    assert (found.percentile[0], found.p_value[0], found.typicality_p_value[0]) == (1, 1, 1 / 200)
    assert not found.flagged[0]


@pytest.mark.parametrize("ties", [False, True])
def test_p_values_of_exchangeable_scores_are_rarely_small(ties: bool) -> None:
    """P(p <= a) <= a, up to three standard errors of 20,000 draws of held-out rows and a row."""
    rng, n, draws = np.random.default_rng(1), 19, 20_000
    scores = rng.standard_t(2, (draws, n + 1))
    scores = np.round(scores) if ties else scores
    found = [calibrate(row[:1], row[1:], 0.1) for row in scores]
    p = np.array([each.p_value[0] for each in found])
    for a in (0.05, 0.1, 0.2, 0.5, 0.77):
        assert np.mean(p <= a) <= a + 3 * np.sqrt(a * (1 - a) / draws)
    if not ties:
        np.testing.assert_allclose(np.mean(p <= 0.1), 0.1, atol=3 * np.sqrt(0.09 / draws))
    assert np.mean([each.flagged[0] for each in found]) == np.mean(p <= 0.1)
    typical = np.array([each.typicality_p_value[0] for each in found])
    assert np.mean(typical <= 0.1) <= 0.1 + 1 / n


def test_ordinary_rows_are_flagged_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    fields = {"family": {"family": "flow", "width": 16}, "data": {"source": "two_moons"}, "budget": {"steps": 150}}
    run = Run.model_validate(fields)
    model = train(run, tmp_path / "moons")
    assert model.card.held_out_log_prob is not None
    held_out = np.array(model.card.held_out_log_prob)
    assert len(held_out) == 512
    fresh = load_data(run, tmp_path).validation.x[512:4512]
    found = calibrate(log_prob(model, fresh).value.numpy(), held_out, 0.05)
    assert abs(found.flagged.mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 512)  # as held-out rows vary
    assert abs(np.mean(found.typicality_p_value <= 0.05) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 512)
    far = calibrate(log_prob(model, fresh[:200] + 6).value.numpy(), held_out, 0.05)
    assert far.flagged.all()
