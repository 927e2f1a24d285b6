"""Priors of codes: where their draws lie (float64)."""

import math

import pytest
import torch
from scipy.stats import chisquare, kstest
from torch import Tensor

from pushforward.models.latents.sampled_priors import CodePrior, GaussianCodes, MixtureCodes, RingCodes, UniformCodes

PRIORS = (GaussianCodes(), UniformCodes(), MixtureCodes(), RingCodes())
N = 20_000


def draws(prior: CodePrior, latent: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return prior.push(torch.randn(N, prior.normals(latent), generator=rng, dtype=torch.float64))


@pytest.mark.parametrize("latent", [2, 3, 8])
@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.prior)
def test_codes_are_finite_and_centered(prior: CodePrior, latent: int) -> None:
    z = draws(prior, latent)
    assert z.shape == (N, latent)
    assert bool(z.isfinite().all())
    assert float((z.mean(0) / (z.std(0) / math.sqrt(N))).abs().max()) < 5


def test_uniform_codes_fill_the_cube() -> None:
    z = draws(UniformCodes(), 2)
    assert kstest(z[:, 0].numpy(), "uniform", (-1, 2)).pvalue > 1e-4
    assert float(z.abs().max()) <= 1


def test_every_component_of_a_mixture_has_its_share_and_its_spread() -> None:
    prior = MixtureCodes(components=8, radius=5.0, spread=0.3)
    z = draws(prior, 3)
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    centers = 5 * torch.stack([angle.cos(), angle.sin(), torch.zeros(8).double()], 1)
    nearest = torch.cdist(z, centers).argmin(1)
    assert chisquare(nearest.bincount(minlength=8).numpy()).pvalue > 1e-4
    assert float((z - centers[nearest]).std()) == pytest.approx(0.3, rel=0.02)


def test_codes_of_a_ring_lie_on_it_in_every_direction() -> None:
    z = draws(RingCodes(radius=2.0, spread=0.1), 2)
    radius, angle = z.norm(dim=1), torch.atan2(z[:, 1], z[:, 0])
    assert float(radius.mean()) == pytest.approx(2.0, abs=0.005)
    assert float(radius.std()) == pytest.approx(0.1, rel=0.03)
    assert kstest(angle.numpy(), "uniform", (-math.pi, 2 * math.pi)).pvalue > 1e-4


def test_the_mixture_s_last_component_takes_the_largest_draw() -> None:
    z = MixtureCodes(components=4, spread=1e-6).push(torch.tensor([[0.0, 0.0, 40.0], [0.0, 0.0, -40.0]]))
    assert z.tolist() == [[pytest.approx(0, abs=1e-5), pytest.approx(-4)], [pytest.approx(4), pytest.approx(0)]]
