"""Moons and moons turned by a quarter turn."""

import numpy as np
import pytest

from pushforward.models.data import Rows, TurnedMoons

MOONS = TurnedMoons(condition="label")


def test_they_have_the_mean_and_deviation_they_tell() -> None:
    x = MOONS.draw(200_000, np.random.default_rng(0))
    np.testing.assert_allclose(x.mean(0), MOONS.mean, atol=0.01)
    np.testing.assert_allclose(x.std(0), MOONS.std, atol=0.01)


@pytest.mark.parametrize("which", [0, 1], ids=["left", "right"])
def test_a_counterpart_is_a_quarter_turn_away_and_back_again_the_row_itself(which: int) -> None:
    rows = MOONS.rows(1000, np.random.default_rng(0))
    assert rows.y is not None
    other = 1 - rows.y
    there = MOONS.counterparts(rows, other[:, None])[which]
    arm, turned = rows.x - np.float32(MOONS.mean), there - np.float32(MOONS.mean)
    np.testing.assert_allclose((arm * turned).sum(1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(arm, axis=1), np.linalg.norm(turned, axis=1), rtol=1e-4)
    back = MOONS.counterparts(Rows(there, other), rows.y[:, None])[which]
    np.testing.assert_allclose(back, rows.x, atol=1e-5)
    np.testing.assert_array_equal(MOONS.counterparts(rows, rows.y[:, None])[which], rows.x)


@pytest.mark.parametrize("which", [0, 1], ids=["left", "right"])
def test_moons_turned_either_way_are_the_turned_moons(which: int) -> None:
    rows = MOONS.rows(40_000, np.random.default_rng(1))
    assert rows.y is not None
    there = MOONS.counterparts(rows, np.ones((len(rows.x), 1)))[which]
    came, were = there[rows.y == 0], there[rows.y == 1]
    np.testing.assert_allclose(np.cov(came.T), np.cov(were.T), atol=0.02)
    np.testing.assert_allclose(np.quantile(came, [0.1, 0.5, 0.9], 0), np.quantile(were, [0.1, 0.5, 0.9], 0), atol=0.05)


def test_their_entropy_agrees_with_monte_carlo() -> None:
    """-E log p of draws, with p by a histogram of other draws on the same squares."""
    toy, cell, n = TurnedMoons(noise=0.3), 0.05, 2_000_000
    edges = [np.arange(-3, 4, cell)] * 2
    other, draws = (toy.draw(n, np.random.default_rng(seed)) for seed in (0, 1))
    count = np.histogram2d(*other.T, bins=edges)[0]
    seen = np.histogram2d(*draws.T, bins=edges)[0]
    log_p = np.log(np.maximum(count, 0.5) / (n * cell**2))
    assert toy.entropy_nats == pytest.approx(float(-(seen * log_p).sum() / n), abs=0.01)
