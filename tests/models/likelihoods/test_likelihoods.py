"""Likelihoods are distributions: they add up to one, and draws follow them (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.errors import InvalidData
from pushforward.models.likelihoods import (
    Bernoulli,
    Binomial,
    Categorical,
    DiscretizedLogistic,
    Gaussian,
)
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec

LEVELS = DataSpec(shape=(1,), low=-1, high=2, levels=7, shift=(0.5,), scale=(1.5,))
NO_SCALE = torch.tensor(0.0, dtype=torch.float64)


def levels() -> Tensor:
    return torch.linspace(-1, 2, 7, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("y", [-40.0, -1.3, 0.0, 2.0, 40.0])
def test_the_binomial_probabilities_of_all_levels_add_up_to_one(y: float) -> None:
    log_prob = Binomial().log_prob(LEVELS, levels(), torch.full((7, 1), y, dtype=torch.float64), NO_SCALE)
    assert float(log_prob.exp().sum()) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("y", [-12.0, 0.3, 9.0])
def test_binomial_draws_of_many_tosses_have_their_mean_and_their_deviation(y: float) -> None:
    spec, n = DataSpec(shape=(2_000,), low=-5, high=5, levels=65536, shift=(0.0,), scale=(5.0,)), 65535
    x = Binomial().draw(spec, torch.full((1, 2_000), y), NO_SCALE, Noise.rows(0, 1))
    level, s = spec.to_level(x).double(), 1 / (1 + math.exp(-y))
    deviation = (n * s * (1 - s)) ** 0.5
    assert float(level.mean()) == pytest.approx(n * s, abs=5 * deviation / 2_000**0.5)
    assert float(level.std()) == pytest.approx(deviation, rel=0.1)


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


def test_a_scale_of_each_element_makes_a_density_in_data_units() -> None:
    spec = DataSpec(shape=(1,), shift=(3.0,), scale=(2.0,))
    x = torch.linspace(-40, 40, 8001, dtype=torch.float64)[:, None]
    y = torch.tensor([[0.4, 1.5]], dtype=torch.float64).expand(len(x), 2)
    likelihood = Gaussian(scale="per_element")
    log_prob = likelihood.log_prob(spec, x, y, NO_SCALE)
    assert float(log_prob.exp().sum()) * 0.01 == pytest.approx(1, rel=1e-9)
    std = 2 * math.exp(1.5 - 2)
    expected = torch.distributions.Normal(3 + 2 * 0.4, std).log_prob(x)[:, 0]
    assert log_prob.numpy() == pytest.approx(expected.numpy(), rel=1e-6)
    drawn = likelihood.draw(spec, torch.tensor([[0.4, 1.5]]).expand(20_000, 2), NO_SCALE, Noise.rows(0, 20_000))
    assert float(drawn.std()) == pytest.approx(std, rel=0.02)
    assert likelihood.mean(spec, y)[:1].tolist() == [[pytest.approx(3.8)]]


def test_a_scale_of_each_element_has_a_lower_bound() -> None:
    """Mattei & Frellsen (2018): without one the likelihood of a point hit exactly has no upper end."""
    spec, y = DataSpec(shape=(1,)), torch.tensor([[0.0, -1e6]], dtype=torch.float64)
    assert float(Gaussian(scale="per_element").log_prob(spec, y[:, :1], y, NO_SCALE)) < 6


def test_a_given_scale_is_not_learned() -> None:
    assert [Gaussian(scale=scale).learns_scale for scale in (0.1, "learned", "per_element")] == [False, True, False]
    assert Gaussian(scale=0.1).initial_log_scale == pytest.approx(math.log(0.1))
    assert Gaussian.model_validate({"scale": 0.5}).scale == 0.5
    with pytest.raises(ValidationError):
        Gaussian(scale=0.0)


OF_LEVELS = [
    (Categorical(), 7),
    (DiscretizedLogistic(components=2), 6),
    (Gaussian(scale="per_element"), 2),
]


@pytest.mark.parametrize(("likelihood", "params_per_element"), OF_LEVELS, ids=["categorical", "logistic", "gaussian"])
def test_probabilities_of_levels_add_up_to_one_and_draws_follow_them(
    likelihood: ConditionalLikelihood, params_per_element: int
) -> None:
    """T30."""
    n, y = 50_000, torch.randn(1, params_per_element, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert likelihood.params_per_element(LEVELS) == params_per_element
    probability = likelihood.log_prob(LEVELS, levels(), y.expand(7, -1), NO_SCALE).exp()
    assert float(probability.sum()) == pytest.approx(1, rel=1e-12)
    if not isinstance(likelihood, Gaussian):  # whose mean is that of the normal, before it is rounded
        mean = float(likelihood.mean(LEVELS, y))
        assert mean == pytest.approx(float((probability * levels()[:, 0]).sum()), rel=1e-9)
    x = likelihood.draw(LEVELS, y.expand(n, -1), NO_SCALE, Noise.rows(0, n))
    LEVELS.check(x.numpy(), on_levels=True)
    counts = torch.stack([(x - level).abs().lt(1e-9).sum() for level in levels()])
    assert float(((counts - n * probability) ** 2 / (n * probability)).sum()) < 6 + 5 * math.sqrt(12)


def test_each_element_has_its_own_parameters() -> None:
    spec = DataSpec(shape=(3, 2, 2), low=0, high=4, levels=5)
    y = torch.randn(2, 15, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    before = Categorical().log_prob(spec, x, y, NO_SCALE)
    x[1, 2, 0, 1] = 3
    after = Categorical().log_prob(spec, x, y, NO_SCALE)
    of_each = y.view(2, 5, 3, 2, 2).log_softmax(1)[1, :, 2, 0, 1]
    assert float(after[1] - before[1]) == pytest.approx(float(of_each[3] - of_each[0]), rel=1e-9)
    assert float(after[0] - before[0]) == 0


@pytest.mark.parametrize(
    ("likelihood", "spec"),
    [
        (Bernoulli(), DataSpec(shape=(2,))),
        (Binomial(), DataSpec(shape=(2,), low=0, high=1)),
        (Categorical(), DataSpec(shape=(2,))),
        (DiscretizedLogistic(), DataSpec(shape=(2,), low=0, high=1)),
    ],
    ids=["bernoulli", "binomial", "categorical", "discretized_logistic"],
)
def test_what_a_likelihood_cannot_describe_is_refused_with_a_remedy(
    likelihood: ConditionalLikelihood, spec: DataSpec
) -> None:
    with pytest.raises(InvalidData, match="gaussian") as caught:
        likelihood.check(spec)
    assert caught.value.field == "run.family.likelihood"


def test_a_categorical_over_too_many_levels_is_refused_and_logistics_are_suggested() -> None:
    with pytest.raises(InvalidData, match="discretized_logistic"):
        Categorical().check(DataSpec(shape=(2,), low=0, high=1000, levels=1001))


def test_only_bernoulli_scores_between_levels() -> None:
    assert not Bernoulli().scores_only_levels(LEVELS)
    assert Binomial().scores_only_levels(LEVELS)
    assert Gaussian().scores_only_levels(LEVELS)


def test_bernoulli_scores_the_levels_of_black_and_white_data() -> None:
    assert Bernoulli().scores_only_levels(DataSpec(shape=(3,), low=0, high=1, levels=2))


def test_bernoulli_draws_are_black_and_white_as_often_as_the_mean_says() -> None:
    n, logits = 50_000, torch.tensor([0.7, -2.0])
    spec = DataSpec(shape=(2,), low=-1, high=2, levels=7)
    x = Bernoulli().draw(spec, logits.expand(n, -1), NO_SCALE, Noise.rows(0, n))
    assert x.unique().tolist() == [-1.0, 2.0]
    on = (x == 2.0).double().mean(0)
    expected = logits.double().sigmoid()
    assert (on - expected).abs().lt(5 * (expected * (1 - expected) / n).sqrt()).all()
    assert Bernoulli().mean(spec, logits[None]).tolist() == [pytest.approx((3 * expected - 1).tolist())]


def test_the_mean_of_a_gaussian_outside_the_range_is_the_end_of_the_range() -> None:
    """Where all data are at the first level, the open bin takes mu far below it."""
    y = torch.tensor([[-9.0], [0.25], [9.0]], dtype=torch.float64)
    assert Gaussian().mean(LEVELS, y)[:, 0].tolist() == [-1.0, 0.875, 2.0]
    log_scale = torch.tensor(-1.0, dtype=torch.float64)
    log_p = Gaussian().log_prob(LEVELS, torch.tensor([[-1.0]], dtype=torch.float64), y[:1], log_scale)
    assert float(log_p) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("log_scale", [-3.0, 0.0, 1.0])
def test_a_gaussian_gives_the_levels_of_each_column_their_own_bins(log_scale: float) -> None:
    """Also where columns are normalized by scales of their own."""
    spec = DataSpec(shape=(2,), low=0, high=3, levels=4, shift=(1.0, 2.0), scale=(0.5, 2.0))
    x = torch.cartesian_prod(torch.arange(4), torch.arange(4)).double()
    y = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    scale = torch.tensor(log_scale, dtype=torch.float64)
    found = Gaussian().log_prob(spec, x, y.expand(16, -1), scale)
    of_first = torch.distributions.Normal(1 + 0.5 * 0.3, 0.5 * math.exp(log_scale))
    of_second = torch.distributions.Normal(2 + 2 * -0.7, 2 * math.exp(log_scale))
    edges = torch.tensor([-math.inf, 0.5, 1.5, 2.5, math.inf], dtype=torch.float64)
    p, q = (normal.cdf(edges).diff() for normal in (of_first, of_second))
    assert found.exp().numpy() == pytest.approx(torch.outer(p, q).flatten().numpy(), abs=1e-6)


@pytest.mark.parametrize("likelihood", [Categorical(), DiscretizedLogistic()], ids=["categorical", "logistic"])
def test_likelihoods_of_levels_take_no_value_between_them(likelihood: ConditionalLikelihood) -> None:
    likelihood.check(LEVELS)
    assert likelihood.scores_only_levels(LEVELS)


def test_a_categorical_takes_256_levels_and_no_more() -> None:
    Categorical().check(DataSpec(shape=(2,), low=0, high=255, levels=256))
    with pytest.raises(InvalidData, match="257"):
        Categorical().check(DataSpec(shape=(2,), low=0, high=256, levels=257))
