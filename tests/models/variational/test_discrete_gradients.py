"""Gradients through categorical draws against sums over all codes (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from pushforward.models.variational.discrete_gradients import Estimator, GumbelSoftmax, Reinforce, StraightThrough

K = 3
WORDS = torch.eye(K, dtype=torch.float64)[torch.cartesian_prod(torch.arange(K), torch.arange(K))]  # (9, 2, K)
LOGITS = torch.tensor([[0.5, -0.4, 0.1], [-0.2, 0.3, 0.8]], dtype=torch.float64)
WEIGHT = torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]], dtype=torch.float64)
ROWS = 100_000


def f(z: Tensor) -> Tensor:
    """Not linear in the codes, and far from zero, as log-likelihoods are."""
    return 20 + ((z * WEIGHT).sum((1, 2)) + z[:, 0, 0] * z[:, 1, 2]) ** 2


def log_pi(logits: Tensor) -> Tensor:
    return logits.log_softmax(-1)


def exact_gradient() -> tuple[float, Tensor]:
    """E_q f and its gradient, over all nine words."""
    logits = LOGITS.clone().requires_grad_()
    expected = ((WORDS * log_pi(logits)).sum((1, 2)).exp() * f(WORDS)).sum()
    (gradient,) = torch.autograd.grad(expected, logits)
    return float(expected.detach()), gradient


def estimated(estimator: Estimator, rows: int = ROWS, progress: float = 0.0) -> tuple[Tensor, Tensor]:
    """The estimate of each of many equal rows, (rows,), and its gradient, (rows, 2, K)."""
    logits = LOGITS.expand(rows, -1, -1).clone().requires_grad_()
    value = estimator.expectation(f, log_pi(logits), Generator().manual_seed(0), progress)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.detach(), gradient


def z_scores(values: Tensor, mean: Tensor | float) -> float:
    return float(((values.mean(0) - mean) / (values.std(0) / math.sqrt(len(values)))).abs().max())


@pytest.mark.parametrize("draws", [2, 5])
def test_reinforce_is_unbiased(draws: int) -> None:
    expected, exact = exact_gradient()
    value, gradient = estimated(Reinforce(draws=draws))
    assert z_scores(value, expected) < 5
    assert z_scores(gradient, exact) < 5


def test_the_other_draws_take_most_of_the_variance_away() -> None:
    """T08 for codes: without a baseline the constant in f is multiplied by the score."""
    _, gradient = estimated(Reinforce(draws=4), rows=20_000)
    logits = LOGITS.expand(20_000, -1, -1).clone().requires_grad_()
    z = torch.stack([torch.distributions.OneHotCategorical(logits=LOGITS).sample((20_000,)) for _ in range(4)])
    plain = sum(f(codes) * (codes * log_pi(logits)).sum((1, 2)) for codes in z) / 4
    (bare,) = torch.autograd.grad(plain.sum(), logits)  # type: ignore[union-attr]
    assert z_scores(bare, exact_gradient()[1]) < 5
    assert float(gradient.var(0).sum()) < 0.05 * float(bare.var(0).sum())


def test_the_logged_value_is_that_of_f_and_not_of_the_surrogate() -> None:
    value, _ = estimated(Reinforce(draws=2), rows=500)
    assert set(value.mul(2).round(decimals=6).tolist()) <= {round(float(a + b), 6) for a in f(WORDS) for b in f(WORDS)}


def test_the_weights_of_f_get_the_gradient_of_its_mean() -> None:
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    pi = log_pi(LOGITS).expand(50, -1, -1)
    for estimator in (GumbelSoftmax(), StraightThrough(), Reinforce()):
        value = estimator.expectation(lambda z: scale * f(z), pi, Generator().manual_seed(0), 0.0)
        (gradient,) = torch.autograd.grad(value.sum(), scale)
        assert float(gradient) == pytest.approx(float(value.sum().detach()), rel=1e-12)


def test_straight_through_shows_f_one_hot_codes_exactly() -> None:
    """T36."""
    seen: list[Tensor] = []
    pi = log_pi(LOGITS.float()).expand(200, -1, -1).clone().requires_grad_()
    StraightThrough().expectation(lambda z: (seen.append(z), z.sum((1, 2)))[1], pi, Generator().manual_seed(0), 0.0)
    (codes,) = seen
    assert set(codes.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(codes.sum(2), torch.ones(200, 2))


def test_straight_through_has_the_value_of_the_codes_but_a_biased_gradient() -> None:
    expected, exact = exact_gradient()
    value, gradient = estimated(StraightThrough())
    assert z_scores(value, expected) < 5
    assert z_scores(gradient, exact) > 5


def test_relaxed_codes_give_another_number_than_the_codes() -> None:
    """A relaxed ELBO is not a bound: here it is higher than the expectation, or lower, by many standard errors."""
    expected, _ = exact_gradient()
    assert z_scores(estimated(GumbelSoftmax())[0], expected) > 5
    cold = GumbelSoftmax(warmest=1e-3, coldest=1e-3)
    assert z_scores(estimated(cold)[0], expected) < 5


def test_the_temperature_falls_geometrically_over_the_training() -> None:
    estimator = GumbelSoftmax(warmest=2.0, coldest=0.5)
    assert [estimator.tau(progress) for progress in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 1.0, 0.5])


@pytest.mark.parametrize("kind", [GumbelSoftmax, StraightThrough])
def test_a_temperature_that_rises_or_ends_at_nothing_is_refused(kind: type[GumbelSoftmax | StraightThrough]) -> None:
    with pytest.raises(ValidationError, match=r"warmest to coldest; coldest 2 is above 1"):
        kind(warmest=1.0, coldest=2.0)
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
        kind(coldest=1e-9)
