"""Likelihoods are distributions: they add up to one, and draws follow them (float64)."""

import math

import pytest
import torch
from torch import Tensor

from models.errors import InvalidData
from models.noise import Noise
from models.objectives.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood
from models.spec import DataSpec

LEVELS = DataSpec(shape=(1,), low=-1, high=2, levels=7, shift=(0.5,), scale=(1.5,))
NO_SCALE = torch.tensor(0.0, dtype=torch.float64)


def levels() -> Tensor:
    return torch.linspace(-1, 2, 7, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("y", [-40.0, -1.3, 0.0, 2.0, 40.0])
def test_the_binomial_probabilities_of_all_levels_add_up_to_one(y: float) -> None:
    log_prob = Binomial().log_prob(LEVELS, levels(), torch.full((7, 1), y, dtype=torch.float64), NO_SCALE)
    assert float(log_prob.exp().sum()) == pytest.approx(1, rel=1e-12)


def test_binomial_draws_have_the_binomial_frequencies() -> None:
    n, logit = 50_000, 0.7
    y = torch.full((n, 1), logit, dtype=torch.float64)
    x = Binomial().draw(LEVELS, y, NO_SCALE, Noise.rows(0, n))
    LEVELS.check(x.numpy(), on_levels=True)
    probability = Binomial().log_prob(LEVELS, levels(), y[:7], NO_SCALE).exp()
    counts = torch.stack([(x - level).abs().lt(1e-9).sum() for level in levels()])
    chi_square = float(((counts - n * probability) ** 2 / (n * probability)).sum())
    assert chi_square < 6 + 5 * math.sqrt(12)  # 6 degrees of freedom
    mean = float(Binomial().mean(LEVELS, y[:1]))
    assert float(x.mean()) == pytest.approx(mean, abs=5 * float(x.std()) / math.sqrt(n))


def test_a_gaussian_density_integrates_to_one_in_data_units() -> None:
    spec = DataSpec(shape=(1,), shift=(3.0,), scale=(2.0,))
    x = torch.linspace(-40, 40, 8001, dtype=torch.float64)[:, None]
    y = torch.full_like(x, 0.4)
    density = Gaussian().log_prob(spec, x, y, torch.tensor(-0.5, dtype=torch.float64)).exp()
    assert float(density.sum()) * 0.01 == pytest.approx(1, rel=1e-9)


def test_gaussian_draws_have_the_learned_scale_in_data_units() -> None:
    spec = DataSpec(shape=(2,), shift=(3.0,), scale=(2.0,))
    x = Gaussian().draw(spec, torch.zeros(20_000, 2), torch.tensor(-0.5), Noise.rows(0, 20_000))
    assert float(x.std()) == pytest.approx(2 * math.exp(-0.5), rel=0.02)
    assert float(x.mean()) == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    ("likelihood", "spec"),
    [(Bernoulli(), DataSpec(shape=(2,))), (Binomial(), DataSpec(shape=(2,), low=0, high=1))],
    ids=["bernoulli", "binomial"],
)
def test_what_a_likelihood_cannot_describe_is_refused_with_a_remedy(likelihood: Likelihood, spec: DataSpec) -> None:
    with pytest.raises(InvalidData, match="gaussian") as caught:
        likelihood.check(spec)
    assert caught.value.field == "run.family.likelihood"


def test_only_bernoulli_scores_between_levels() -> None:
    assert not Bernoulli().scores_only_levels(LEVELS)
    assert Binomial().scores_only_levels(LEVELS)
    assert Gaussian().scores_only_levels(LEVELS)
    assert [likelihood.dequantizes(LEVELS) for likelihood in (Bernoulli(), Binomial(), Gaussian())] == [
        False,
        False,
        True,
    ]
