"""What is descended on, from the parts of a bound (float64)."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.models.variational.bounds import ELBO, IWAE, Drawn


def drawn(k: int = 4, rows: int = 3, *, closed: bool = True) -> Drawn:
    rng = torch.Generator().manual_seed(0)
    parts = [torch.randn(k, rows, generator=rng, dtype=torch.float64).requires_grad_() for _ in range(3)]
    kl = torch.rand(rows, generator=rng, dtype=torch.float64)
    z = torch.randn(k * rows, 2, generator=rng, dtype=torch.float64).requires_grad_()
    return Drawn(z, *parts, kl if closed else None)  # type: ignore[call-arg]


def value(objective: ELBO | IWAE, of: Drawn, progress: float = 1.0) -> float:
    return objective.loss(of, progress)[0].item()


def test_the_weight_rises_over_its_share_of_the_steps() -> None:
    """T13."""
    elbo = ELBO(beta=4, warm_up=0.5)
    assert [elbo.beta_at(progress) for progress in (0, 0.25, 0.5, 0.9)] == [0, 2, 4, 4]
    assert ELBO(beta=4).beta_at(0) == 4


def test_the_divergence_is_exact_where_it_is_known_else_of_the_draws() -> None:
    of = drawn()
    assert of.kl is not None
    assert value(ELBO(), of) == pytest.approx(float((of.kl.mean() - of.log_likelihood.mean()).detach()))
    of = drawn(closed=False)
    assert value(ELBO(), of) == pytest.approx(-float(of.log_w.mean().detach()))


def test_only_a_bound_is_called_one() -> None:
    assert ELBO().loss_name == "negative_elbo_nats"
    for other in (ELBO(beta=2), ELBO(warm_up=0.1)):
        assert other.loss_name == "distortion_and_weighted_kl_nats"
        assert set(other.loss(drawn(), 1.0)[1]) == {"distortion_nats", "kl_nats", "negative_elbo_nats"}


def test_both_estimators_log_the_same_number() -> None:
    for closed in (True, False):
        of = drawn(closed=closed)
        assert value(ELBO(draws=4, estimator="reinforce"), of) == pytest.approx(value(ELBO(draws=4), of), rel=1e-12)


def test_one_weight_is_the_elbo_and_more_are_tighter() -> None:
    one, many = drawn(1, closed=False), drawn(4, closed=False)
    assert value(IWAE(k=1), one) == pytest.approx(value(ELBO(), one), rel=1e-12)
    assert value(IWAE(k=4), many) < value(ELBO(draws=4), many)
    assert value(IWAE(k=4, dreg=True), many) == pytest.approx(value(IWAE(k=4), many), rel=1e-12)


def test_doubly_reparameterized_weights_are_squared_before_the_code_and_single_after_it() -> None:
    """T12 (Tucker et al., 2018, equation 8), for log w = a z, whose d log w / dz is a."""
    a = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    mu = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    z = mu + torch.tensor([[0.1], [-2.0], [0.7], [1.0]], dtype=torch.float64)
    nothing = torch.zeros(4, 1, dtype=torch.float64)
    loss = IWAE(k=4, dreg=True).loss(Drawn(z, a * z, nothing, nothing, None), 1.0)[0]
    to_a, to_mu = torch.autograd.grad(-loss, (a, mu))
    share = (1.3 * z.detach()).softmax(0)
    assert float(to_a) == pytest.approx(float((share * z.detach()).sum()), rel=1e-12)
    assert to_mu.numpy() == pytest.approx((share**2 * 1.3).numpy(), rel=1e-12)
    assert float(loss.detach()) == pytest.approx(math.log(4) - float((1.3 * z.detach()).logsumexp(0)), rel=1e-12)


def test_reinforce_gives_a_code_no_gradient_and_its_density_one() -> None:
    of: Drawn = drawn()
    loss = ELBO(draws=4, estimator="reinforce").loss(of, 1.0)[0]
    gradient: Tensor
    (gradient,) = torch.autograd.grad(loss, of.log_q)
    f = of.log_likelihood.detach()
    expected = -(f - (f.sum(0) - f) / 3) / f.numel()
    assert gradient.numpy() == pytest.approx(expected.numpy(), rel=1e-12)
