"""Which Gaussian is nearest to two modes depends on the divergence (float64 quadrature)."""

import math

import pytest
from divergences import X, jsd, kl, log_normal
from mode_covering import DIVERGENCES, FAR, NEAR, Fit, S, W, descended, moments, nearest, reverse_kl, two_modes

A = NEAR


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    return {name: nearest(divergence, A) for name, divergence in DIVERGENCES.items()}


def test_moments_are_those_of_the_mixture() -> None:
    mean, spread = moments(two_modes(A))
    assert mean == pytest.approx((1 - 2 * W) * A, abs=1e-12)
    assert spread == pytest.approx(math.sqrt(S**2 + A**2 - mean**2), abs=1e-12)


def test_the_least_forward_divergence_matches_moments(fits: dict[str, Fit]) -> None:
    """T57."""
    assert fits["KL(p, q)"][:2] == pytest.approx(moments(two_modes(A)), abs=1e-5)


def test_it_matches_them_from_any_start() -> None:
    """T57: it has one minimum."""
    for mu, sigma in ((-A, S), (A, S), (5.0, 0.3), (0.0, 4.0)):
        assert descended(kl, two_modes(A), mu, sigma)[:2] == pytest.approx(moments(two_modes(A)), abs=1e-5)


def test_the_least_reverse_divergence_sits_on_the_heavier_mode(fits: dict[str, Fit]) -> None:
    """T57: and costs log 1/w, for what is left out of a mode is its weight."""
    fit = nearest(reverse_kl, 4.0)
    assert fit == pytest.approx((-4.0, S, -math.log(W)), abs=1e-6)
    assert fits["KL(q, p)"][:2] == pytest.approx((-A, S), abs=0.02)


def test_the_lighter_mode_is_a_minimum_too_and_a_dearer_one() -> None:
    """T57."""
    assert descended(reverse_kl, two_modes(4.0), 4.0, S) == pytest.approx((4.0, S, -math.log(1 - W)), abs=1e-6)


@pytest.mark.parametrize("a", [1.0, NEAR, 2.2, FAR])
def test_the_spread_by_the_jensen_shannon_divergence_lies_between(a: float) -> None:
    """T57: on either side of its jump."""
    assert nearest(reverse_kl, a).sigma < nearest(jsd, a).sigma < nearest(kl, a).sigma


def test_each_fit_is_the_nearest_by_its_own_divergence(fits: dict[str, Fit]) -> None:
    """T57."""
    log_p = two_modes(A)
    for name, divergence in DIVERGENCES.items():
        for fit in fits.values():
            distance = float(divergence(log_p, log_normal(X, fit.mu, fit.sigma)))
            assert distance >= fits[name].distance - 1e-12


def test_as_modes_part_jensen_shannon_goes_from_covering_to_seeking() -> None:
    """T57: where KL(q, p) seeks already."""
    assert nearest(jsd, NEAR).sigma == pytest.approx(moments(two_modes(NEAR))[1], rel=0.02)
    for divergence, a in ((jsd, FAR), (reverse_kl, NEAR), (reverse_kl, FAR)):
        assert nearest(divergence, a).sigma == pytest.approx(S, rel=0.02)
