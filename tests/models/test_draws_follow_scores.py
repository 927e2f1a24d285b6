"""Every draw comes from the distribution that is scored, by enumeration.

On data of a few states, {0, 1}^3 and {0, 1, 2}^2, the frequencies of many draws are held against the model's own
probabilities of all states: sums over codes, quadratures over codes of one dimension or over bins, never draws.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.config.config import Options
from pushforward.models.families.autoregressive import Autoregressive, Made
from pushforward.models.families.avb import AVB, ProposalOptions
from pushforward.models.families.discrete_vae import DiscreteVAE, HardCodeOptions
from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE, ImportanceOptions
from pushforward.models.family import Samples, Scores
from pushforward.models.flows.dequantization import DequantizationOptions, dequantize, level_log_volume
from pushforward.models.flows.univariate import Affine, Spline
from pushforward.models.likelihoods import AnyDiscreteLikelihood, AnyLikelihood, Bernoulli, Gaussian
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.likelihoods.counts import CountLikelihood
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample

BITS = DataSpec(shape=(3,), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
TRITS = DataSpec(shape=(2,), low=-1, high=3, levels=3, shift=(1.0,), scale=(2.0,))
COUNTS = DataSpec(shape=(1,), counts=True, shift=(0.5,), scale=(0.5,))
LEVELS = {"bits": BITS, "trits": TRITS}
SPECS = {**LEVELS, "counts": COUNTS}
MOST = 60  # of the counts that are looked at
DRAWS = 40_000

LIKELIHOODS: dict[str, ConditionalLikelihood] = {cls.__name__: cls() for cls in get_args(get_args(AnyLikelihood)[0])}
LIKELIHOODS["GaussianPerElement"] = Gaussian(scale="per_element")

CASES = [
    (name, kind)
    for name, likelihood in LIKELIHOODS.items()
    for kind in SPECS
    if isinstance(likelihood, CountLikelihood) == (kind == "counts")
]


def states(spec: DataSpec, likelihood: ConditionalLikelihood | None = None) -> Tensor:
    """All rows there are, (S, D): of a Bernoulli those that are black and white, of counts those up to `MOST`."""
    if spec.counts:
        return torch.arange(MOST + 1.0)[:, None]
    assert spec.low is not None
    assert spec.high is not None
    levels = np.linspace(spec.low, spec.high, spec.levels or 0)
    if isinstance(likelihood, Bernoulli):
        levels = levels[[0, -1]]
    return torch.tensor(list(product(levels.tolist(), repeat=spec.size)), dtype=torch.float32)


def built(family: Any, spec: DataSpec, spread: float = 0.7) -> Nets:
    """Networks that were not trained and say something; posteriors are the prior, which covers all codes."""
    nets: Nets = family.build(spec).requires_grad_(False)
    rng = torch.Generator().manual_seed(1)
    for weights in nets.parameters():
        weights.add_(spread * torch.randn(weights.shape, generator=rng))
    for name in {"encoder", "contrast"} & set(nets):
        for weights in nets[name].parameters():
            weights.zero_()
    return nets.eval()


def frequencies(family: Samples, nets: Nets, rows: Tensor, n: int = DRAWS) -> Tensor:
    """How often each of the rows was drawn, (S,); nothing else is."""
    x = sample(family.sampler(nets, family.SampleOptions()), Noise.rows(5, n))
    x = nets.spec.quantize(x)  # as a service does
    same = (x[:, None] == rows).all(2)
    assert same.any(1).all()
    return same.sum(0).double()


def assert_follow(counts: Tensor, probability: Tensor) -> None:
    """Chi-square; states of which fewer than eight are expected are taken together."""
    assert float(probability.sum()) == pytest.approx(1, abs=2e-5)
    expected = counts.sum() * probability
    rare = expected < 8
    counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]]).clamp_min(1e-9)
    freedom = int((expected > 8).sum()) - 1
    assert freedom >= 2
    chi_square = float(((counts - expected).square() / expected.clamp_min(1.0)).sum())
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom) + 5


def over_codes(log_likelihood: Callable[[Tensor, Tensor], Tensor], rows: Tensor) -> Tensor:
    """P of each row, (S,): the integral over codes of one dimension that are N(0, 1)."""
    z = torch.linspace(-8, 8, 1601)[:, None]
    density = (-0.5 * z.double().square()).exp()[:, 0]
    given = [log_likelihood(row.expand(len(z), -1), z).double().exp() for row in rows]
    return torch.stack([(density * p).sum() / density.sum() for p in given])


def assert_scored(family: Scores, nets: Nets, rows: Tensor, probability: Tensor, options: Options) -> None:
    """The bound of many draws is the logarithm of the probability, by its own error and a little below."""
    if nets.spec.counts:  # the least likely have no number
        rows, probability = rows[probability > 1e-6], probability[probability > 1e-6]
    scored = family.log_prob(nets, rows, rows[:, :0], Noise.rows(0, len(rows)), options)
    assert scored.std_error is not None
    gap = scored.value - probability.log()
    assert (gap < 5 * scored.std_error + 1e-4).all()
    trusted = scored.terms["effective_share"] > 0.05
    assert trusted.any()
    assert (gap.abs() < 5 * scored.std_error + 0.02)[trusted].all()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_draws_of_a_vae_follow_its_probabilities(name: str, kind: str) -> None:
    family = VAE(latent=1, width=8, depth=1, likelihood=LIKELIHOODS[name])
    nets, rows = built(family, SPECS[kind]), states(SPECS[kind], family.likelihood)
    probability = over_codes(lambda x, z: family.log_likelihood(nets, x, z, x[:, :0]), rows)
    assert_follow(frequencies(family, nets, rows), probability)
    assert_scored(family, nets, rows, probability, ImportanceOptions(k=2000))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_draws_of_an_adversarial_variational_bayes_follow_its_probabilities(name: str, kind: str) -> None:
    family = AVB(latent=1, width=8, depth=1, noise=2, likelihood=LIKELIHOODS[name])
    nets, rows = built(family, SPECS[kind]), states(SPECS[kind], family.likelihood)
    probability = over_codes(lambda x, z: family.log_likelihood(nets, x, z, x[:, :0]), rows)
    assert_follow(frequencies(family, nets, rows), probability)
    assert_scored(family, nets, rows, probability, ProposalOptions(k=2000, proposal="contrast"))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_draws_of_discrete_codes_follow_their_probabilities(name: str, kind: str) -> None:
    family = DiscreteVAE(codes=2, categories=3, width=8, depth=1, likelihood=LIKELIHOODS[name])
    nets, rows = built(family, SPECS[kind]), states(SPECS[kind], family.likelihood)
    letters = torch.eye(3)
    codes = [torch.stack([letters[i], letters[j]]) for i, j in product(range(3), repeat=2)]
    none = rows[:, :0]
    given = [family.log_likelihood(nets, rows, z.expand(len(rows), -1, -1), none).double().exp() for z in codes]
    probability = torch.stack(given).mean(0)
    assert_follow(frequencies(family, nets, rows), probability)
    assert_scored(family, nets, rows, probability, HardCodeOptions(k=2000))


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("cls", get_args(get_args(AnyDiscreteLikelihood)[0]))
def test_draws_of_an_autoregressive_model_follow_its_probabilities(cls: type[Any], kind: str) -> None:
    family = Autoregressive(network=Made(width=16, depth=1), likelihood=cls())
    nets, rows = built(family, SPECS[kind], 0.2), states(SPECS[kind])
    log_p = family.log_prob(nets, rows, rows[:, :0], Noise.rows(0, len(rows)), Options())
    assert log_p.kind == "exact"
    assert_follow(frequencies(family, nets, rows), log_p.value.exp())


@pytest.mark.parametrize("transform", [Spline(), Affine()], ids=["spline", "affine"])
def test_draws_of_a_flow_follow_the_probabilities_of_its_bins(transform: Any) -> None:
    family = Flow(n_transforms=2, width=8, depth=1, transform=transform)
    nets, rows = built(family, TRITS, 0.15), states(TRITS)
    at = (torch.arange(60) + 0.5) / 60
    u01 = torch.cartesian_prod(at, at)

    def log_level(row: Tensor) -> Tensor:
        x = dequantize(TRITS, row.expand(len(u01), -1), u01)
        return family.log_density(nets, x, x[:, :0]).double() + level_log_volume(TRITS)

    probability = torch.stack([log_level(row).exp().mean() for row in rows])
    assert float(probability.sum()) == pytest.approx(1, abs=5e-3)  # what lies off the range by alpha is missing
    assert_follow(frequencies(family, nets, rows), probability / probability.sum())
    assert_scored(family, nets, rows, probability, DequantizationOptions(k=1000))
