"""Two parallel segments, of which three distances are known (float64)."""

from math import inf

import numpy as np
import pytest
from parallel_lines import LOG_2, critic, dual, jsd, kl, probabilities, segment, wasserstein
from scipy.spatial.distance import cdist

from pushforward.models.evaluation.sample_metrics import wasserstein_1d

THETAS = [-2.0, -0.3, 0.01, 1.0]


@pytest.mark.parametrize("theta", [*THETAS, 0.0])
def test_the_wasserstein_distance_is_that_of_the_segments(theta: float) -> None:
    """T45: W = |theta|."""
    assert wasserstein(segment(0), segment(theta)) == pytest.approx(abs(theta), abs=1e-14)
    across = wasserstein_1d(segment(0)[:, :1], segment(theta)[:, :1])
    assert across[0] == pytest.approx(abs(theta), abs=1e-14)


@pytest.mark.parametrize("theta", THETAS)
def test_the_other_two_do_not_tell_how_far_they_are(theta: float) -> None:
    """T45: JSD = log 2 and KL = inf, both ways."""
    data, made = segment(0), segment(theta)
    assert jsd(data, made) == pytest.approx(LOG_2, abs=1e-14)
    assert kl(data, made) == kl(made, data) == inf


def test_equal_segments_are_at_no_distance() -> None:
    """T45."""
    assert jsd(segment(0), segment(0)) == kl(segment(0), segment(0)) == 0


@pytest.mark.parametrize("theta", THETAS)
def test_a_critic_attains_the_distance(theta: float) -> None:
    """T48: f(x) = sgn(theta) x_1, so no pairing is cheaper and no critic better."""
    data, made = segment(0), segment(theta)
    assert dual(theta, data, made) == pytest.approx(wasserstein(data, made), abs=1e-14)


@pytest.mark.parametrize("theta", THETAS)
def test_the_critic_is_nowhere_steeper_than_one(theta: float) -> None:
    """T48."""
    x = np.random.default_rng(0).standard_normal((200, 2))
    f = critic(theta, x)
    distance = cdist(x, x) + np.eye(len(x))
    assert (np.abs(f[:, None] - f) / distance).max() <= 1 + 1e-12


def test_other_critics_of_slope_one_part_the_segments_less() -> None:
    """T48: the dual is a lower bound."""
    data, made = segment(0), segment(1.0)
    for angle in np.linspace(0, np.pi, 13):
        w = np.array([np.cos(angle), np.sin(angle)])
        assert (made @ w).mean() - (data @ w).mean() <= 1 + 1e-12


def test_random_points_come_near_from_above() -> None:
    """T45: unequal heights cost something, less with more points."""
    rng = np.random.default_rng(0)
    costs = []
    for n in (20, 400):
        data, made = segment(0, n), segment(1.0, n)
        data[:, 1], made[:, 1] = rng.random(n), rng.random(n)
        costs.append(wasserstein(data, made))
    assert costs[0] > costs[1] > 1
    assert costs[1] == pytest.approx(1, abs=0.01)


def test_points_that_both_have_are_counted_once() -> None:
    p, q = probabilities(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [2.0, 0.0]]))
    assert p.tolist() == [0.5, 0.5, 0.0]
    assert q.tolist() == [0.0, 0.5, 0.5]
    half = (np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [2.0, 0.0]]))
    assert jsd(*half) == pytest.approx(LOG_2 / 2, abs=1e-14)
