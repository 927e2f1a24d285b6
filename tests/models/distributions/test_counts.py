"""Distributions of counts, against scipy, and their draws, against the inverse of the distribution function."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from pushforward.models.distributions.counts import (
    negative_binomial_draw,
    negative_binomial_log_prob,
    poisson_draw,
    poisson_log_prob,
)

MOST = 2**24
MEANS = [1e-3, 0.4, 7.0, 300.0, 1e6]
DISPERSIONS = [1e-6, 0.1, 3.0, 100.0]


def same(value: float, n: int = 1) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


def middles(n: int) -> Tensor:
    """The centers of n cells of (0, 1)."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


@pytest.mark.parametrize("rate", MEANS)
def test_log_probabilities_of_a_poisson_are_those_of_scipy(rate: float) -> None:
    k = torch.tensor([0, 1, 2, 9, 250, 10**6, MOST])
    found = poisson_log_prob(same(math.log(rate), 7), k).numpy()
    assert found == pytest.approx(stats.poisson.logpmf(k.numpy(), rate), rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("dispersion", DISPERSIONS)
@pytest.mark.parametrize("mean", MEANS)
def test_log_probabilities_of_a_negative_binomial_are_those_of_scipy(mean: float, dispersion: float) -> None:
    k = torch.tensor([0, 1, 2, 9, 250, 10**6])
    found = negative_binomial_log_prob(same(math.log(mean), 6), same(math.log(dispersion)), k).numpy()
    expected = stats.nbinom.logpmf(k.numpy(), 1 / dispersion, 1 / (1 + dispersion * mean))
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize("mean", [0.4, 7.0, 300.0])
def test_probabilities_of_all_counts_add_up_to_one(mean: float) -> None:
    k = torch.arange(20_000)
    log_mean = same(math.log(mean), len(k))
    assert float(poisson_log_prob(log_mean, k).exp().sum()) == pytest.approx(1, rel=1e-10)
    for dispersion in (1e-6, 0.1, 3.0):
        total = negative_binomial_log_prob(log_mean, same(math.log(dispersion)), k).exp().sum()
        assert float(total) == pytest.approx(1, rel=1e-8)


def test_a_negative_binomial_becomes_a_poisson_as_its_dispersion_vanishes() -> None:
    """Log P - log P of the Poisson is a ((k - mu)^2 - k) / 2 + O(a^2)."""
    k, mean = torch.arange(30), 8.0
    log_mean = same(math.log(mean), 30)
    limit = poisson_log_prob(log_mean, k)
    slope = ((k - mean).square() - k) / 2
    for dispersion in (1e-3, 1e-4, 1e-5):
        gap = negative_binomial_log_prob(log_mean, same(math.log(dispersion)), k) - limit
        assert (gap / dispersion).numpy() == pytest.approx(slope.numpy(), abs=4e3 * dispersion + 1e-2)


@pytest.mark.parametrize("rate", [1e-9, *MEANS])
def test_a_poisson_draw_is_the_least_count_that_the_distribution_function_takes_to_u(rate: float) -> None:
    u = torch.cat([middles(501), torch.tensor([2.0**-24, 1 - 2.0**-24], dtype=torch.float64)])
    k = poisson_draw(same(math.log(rate), len(u)), u, MOST).numpy()
    distribution = stats.poisson(rate)
    assert (distribution.cdf(k) >= u.numpy()).all()
    assert (distribution.cdf(k - 1) < u.numpy()).all()


@pytest.mark.parametrize("dispersion", DISPERSIONS)
@pytest.mark.parametrize("mean", [1e-9, 0.4, 7.0, 1e4])
def test_a_negative_binomial_draw_is_the_least_count_that_the_distribution_function_takes_to_u(
    mean: float, dispersion: float
) -> None:
    u = torch.cat([middles(501), torch.tensor([2.0**-24, 1 - 2.0**-24], dtype=torch.float64)])
    k = negative_binomial_draw(same(math.log(mean), len(u)), same(math.log(dispersion)), u, MOST).numpy()
    distribution = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    off = 1e-9  # of scipy's function beside the one that draws
    assert (distribution.cdf(k) >= u.numpy() - off).all()
    assert (distribution.cdf(k - 1) < u.numpy() + off).all()


@pytest.mark.parametrize(("mean", "dispersion"), [(0.4, 1.0), (7.0, 0.1), (300.0, 0.02)])
def test_draws_at_evenly_spread_uniforms_have_the_mean_and_the_variance(mean: float, dispersion: float) -> None:
    u = middles(20_000)
    log_mean = same(math.log(mean), len(u))
    poisson, negative = (
        poisson_draw(log_mean, u, MOST),
        negative_binomial_draw(log_mean, same(math.log(dispersion)), u, MOST),
    )
    for k, variance in ((poisson, mean), (negative, mean + dispersion * mean**2)):
        assert float(k.mean()) == pytest.approx(mean, rel=1e-3)
        assert float(k.var(correction=0)) == pytest.approx(variance, rel=5e-3)


def test_a_draw_is_of_its_own_element_alone() -> None:
    log_mean, u = torch.linspace(-3, 9, 40, dtype=torch.float64), middles(40).flip(0)
    together = negative_binomial_draw(log_mean, same(0.0), u, MOST)
    for i in (0, 7, 39):
        assert negative_binomial_draw(log_mean[i : i + 1], same(0.0), u[i : i + 1], MOST) == together[i]


def test_draws_stop_at_the_greatest_count() -> None:
    u = torch.tensor([0.01, 0.5, 0.999], dtype=torch.float64)
    assert negative_binomial_draw(same(math.log(90.0), 3), same(0.0), u, 100).tolist() == [0.0, 62.0, 100.0]
    assert poisson_draw(same(20.0, 3), u, MOST).tolist() == [MOST] * 3
    assert poisson_draw(same(-1e30, 3), u, MOST).tolist() == [0.0] * 3
