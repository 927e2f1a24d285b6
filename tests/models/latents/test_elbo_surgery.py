"""The KL term and its two parts: exact tables, closed forms, the table of the lecture notes (float64)."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.models.distributions.gaussians import kl_to_prior_nats
from pushforward.models.latents.elbo_surgery import (
    Surgery,
    active_units,
    categorical_ceiling,
    categorical_surgery,
    gaussian_ceiling,
    gaussian_surgery,
    log_gaussian_mixture,
    surgery,
)

NOTES = (  # latent dimensions: ELBO, average KL, mutual information, marginal KL, on MNIST's 60,000 rows
    (2, -129.63, 7.41, 7.20, 0.21),
    (10, -88.95, 19.17, 10.82, 8.35),
    (20, -87.45, 20.2, 10.67, 9.53),
)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tables(n: int, k: int) -> tuple[Tensor, Tensor]:
    """Posteriors q(z|x_n), (n, k), and a prior p(z), (k,)."""
    return (2 * normal(n, k, seed=0)).softmax(1), normal(k, seed=1).softmax(0)


def exact(q: Tensor, p: Tensor) -> Surgery:
    """All values of z, each with its probability."""
    mixture = q.mean(0).expand_as(q)
    return surgery(*(table.flatten() for table in (q.log(), mixture.log(), p.log().expand_as(q), q / len(q))))


def assert_adds_up(parts: Surgery) -> None:
    assert parts.average_kl_nats == pytest.approx(parts.mutual_information_nats + parts.marginal_kl_nats, rel=1e-12)


def test_the_average_kl_of_tables_is_mutual_information_and_marginal_kl() -> None:
    """T09."""
    q, p = tables(12, 5)
    parts = exact(q, p)
    assert_adds_up(parts)
    assert parts.average_kl_nats == pytest.approx(float((q * (q / p).log()).sum(1).mean()), rel=1e-12)
    assert parts.marginal_kl_nats == pytest.approx(float((q.mean(0) * (q.mean(0) / p).log()).sum()), rel=1e-12)
    assert 0 <= parts.mutual_information_nats <= math.log(12)


def test_the_aggregated_posterior_is_the_best_prior() -> None:
    """T09: p = q_agg has no marginal KL, and every other prior has a higher average KL by its own."""
    q, p = tables(12, 5)
    best, other = exact(q, q.mean(0)), exact(q, p)
    assert best.marginal_kl_nats == pytest.approx(0, abs=1e-14)
    assert other.average_kl_nats > best.average_kl_nats
    assert other.mutual_information_nats == pytest.approx(best.mutual_information_nats, rel=1e-12)


def test_codes_that_tell_their_row_apart_carry_log_n_and_no_more() -> None:
    """T09."""
    q = torch.eye(6, dtype=torch.float64).clamp_min(1e-300)
    assert exact(q, torch.full((6,), 1 / 6).double()).mutual_information_nats == pytest.approx(math.log(6))
    mu = 100 * normal(50, 3, seed=0)
    apart = gaussian_surgery(mu, torch.zeros_like(mu), normal(50, 3, seed=1))
    assert apart.mutual_information_nats == pytest.approx(math.log(50))


@pytest.mark.parametrize(("latent", "elbo", "average", "mutual", "marginal"), NOTES)
def test_the_rows_of_the_notes_add_up(latent: int, elbo: float, average: float, mutual: float, marginal: float) -> None:
    """T10: the parts add up, and no row tells more than log 60000 = 11.002 of its number."""
    assert average == pytest.approx(mutual + marginal, abs=0.0101)
    assert 0 <= mutual <= math.log(60_000) == pytest.approx(11.002, abs=5e-4)
    assert elbo < -average  # the distortion is positive


def test_gaussian_parts_add_up_on_any_draws() -> None:
    mu, log_var = normal(300, 4, seed=0), normal(300, 4, seed=1) - 1
    parts = gaussian_surgery(mu, log_var, normal(300, 4, seed=2))
    assert_adds_up(parts)
    assert parts.mutual_information_nats <= math.log(300)


def test_the_gaussian_average_kl_estimates_its_closed_form() -> None:
    mu, log_var = normal(2000, 2, seed=0), normal(2000, 2, seed=1) - 1
    z = mu + (0.5 * log_var).exp() * (eps := normal(2000, 2, seed=2))
    spread = float((0.5 * (z**2 - eps**2 - log_var).sum(1) - kl_to_prior_nats(mu, log_var)).std()) / math.sqrt(2000)
    got = gaussian_surgery(mu, log_var, eps).average_kl_nats
    assert abs(got - float(kl_to_prior_nats(mu, log_var).mean())) < 5 * spread


def test_the_information_of_a_gaussian_channel_is_its_capacity() -> None:
    """mu ~ N(0, s^2), z | mu ~ N(mu, 1 - s^2): z ~ N(0, 1), so I = -1/2 log(1 - s^2) and the marginal KL is 0."""
    s, n = 0.8, 2000
    mu = s * torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]
    log_var = torch.full_like(mu, math.log(1 - s**2))
    parts = gaussian_surgery(mu, log_var, normal(n, 1, seed=0))
    assert parts.mutual_information_nats == pytest.approx(-0.5 * math.log(1 - s**2), abs=0.05)
    assert parts.marginal_kl_nats == pytest.approx(0, abs=3e-3)


def test_the_mixture_is_over_all_rows() -> None:
    mu, log_var, z = normal(7, 2, seed=0), normal(7, 2, seed=1), normal(5, 2, seed=2)
    each = torch.distributions.Normal(mu, (0.5 * log_var).exp()).log_prob(z[:, None]).sum(2)  # (5, 7)
    assert torch.allclose(log_gaussian_mixture(z, mu, log_var), each.exp().mean(1).log(), rtol=1e-10)


def test_categorical_parts_are_those_of_the_table_of_their_words() -> None:
    """Two codes of three values: nine words, whose table gives the exact parts."""
    n, words = 6, torch.cartesian_prod(torch.arange(3), torch.arange(3))
    log_pi = (2 * normal(n, 2, 3, seed=0)).log_softmax(2)
    q = (log_pi[:, 0, words[:, 0]] + log_pi[:, 1, words[:, 1]]).exp()  # (n, 9)
    repeats = 500
    draw = torch.multinomial(q, repeats, replacement=True, generator=torch.Generator().manual_seed(0))
    z = torch.nn.functional.one_hot(words[draw.flatten()], 3)
    parts, expected = categorical_surgery(log_pi.repeat_interleave(repeats, 0), z), exact(q, torch.full((9,), 1 / 9))
    assert_adds_up(parts)
    for got, wanted in zip(parts, expected, strict=True):
        assert got == pytest.approx(wanted, abs=0.05)


def test_a_unit_is_active_where_its_mean_depends_on_the_row() -> None:
    mean = torch.stack([normal(500, seed=0), 0.01 * normal(500, seed=1), torch.full((500,), 3.0).double()], 1)
    assert active_units(mean) == 1


def test_the_upper_bound_leaves_the_row_itself_out_of_its_mixture() -> None:
    rng = torch.Generator().manual_seed(0)
    mu, log_var, eps = (torch.randn(6, 2, generator=rng, dtype=torch.float64) for _ in range(3))
    z = mu + (0.5 * log_var).exp() * eps
    density = torch.distributions.Normal(mu[None], (0.5 * log_var).exp()[None])
    log_q = density.log_prob(z[:, None]).sum(2)  # (draw, row)
    own = log_q.diagonal()
    others = torch.stack([log_q[i][torch.arange(6) != i].logsumexp(0) - math.log(5) for i in range(6)])
    parts, bounds = gaussian_surgery(mu, log_var, eps), gaussian_ceiling(mu, log_var, eps)
    assert bounds.mutual_information_ceiling_nats == pytest.approx(math.log(6))
    upper = min(float((own - others).mean()), parts.average_kl_nats)
    assert bounds.mutual_information_upper_bound_nats == pytest.approx(upper)
    assert parts.mutual_information_nats <= upper
    total = bounds.mutual_information_upper_bound_nats + bounds.marginal_kl_lower_bound_nats
    assert total == pytest.approx(parts.average_kl_nats)


def test_codes_that_tell_every_row_apart_are_bounded_by_their_average_kl() -> None:
    mu, eps = 100 * torch.eye(8, dtype=torch.float64), torch.zeros(8, 8, dtype=torch.float64)
    bounds = gaussian_ceiling(mu, torch.zeros_like(mu), eps)
    parts = gaussian_surgery(mu, torch.zeros_like(mu), eps)
    assert parts.mutual_information_nats == pytest.approx(math.log(8))
    assert bounds.mutual_information_upper_bound_nats == pytest.approx(parts.average_kl_nats)
    assert bounds.marginal_kl_lower_bound_nats == pytest.approx(0)


def test_categorical_codes_have_the_same_bounds() -> None:
    log_pi = torch.tensor([[[0.7, 0.3]], [[0.2, 0.8]], [[0.5, 0.5]]], dtype=torch.float64).log()
    z = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]], dtype=torch.float64)
    by_hand = (math.log(0.7 / 0.35) + math.log(0.8 / 0.4) + math.log(0.5 / 0.45)) / 3
    parts, bounds = categorical_surgery(log_pi, z), categorical_ceiling(log_pi, z)
    expected = max(parts.mutual_information_nats, min(by_hand, parts.average_kl_nats))
    assert bounds.mutual_information_upper_bound_nats == pytest.approx(expected)
