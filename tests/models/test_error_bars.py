"""Error bars are right: repeated answers about a row spread as far as each of them says.

For every family that gives one, each row is scored with many seeds; the spread of the answers over the root mean square
of their claims is 1, if the claims are right. Rows are data, and rows to which the model gives little.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.families import FAMILIES
from pushforward.models.families.vae import VAE, ImportanceOptions
from pushforward.models.family import Family, Scores
from pushforward.models.likelihoods import Gaussian
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import run
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

SEEDS = 250
CASES: list[tuple[str, str, dict[str, Any], Mapping[str, Any]]] = [
    ("vae", "digits", {"latent": 3, "width": 32, "network": "perceptron"}, {"k": 64}),
    ("discrete_vae", "two_moons", {"codes": 4, "categories": 4, "width": 16}, {"k": 64}),
    ("avb", "two_moons", {"latent": 1, "width": 16}, {"k": 64}),
    ("avb", "two_moons", {"latent": 1, "width": 16}, {"k": 64, "proposal": "contrast"}),
    ("flow", "digits", {"width": 16, "n_transforms": 1}, {"k": 16}),
    ("cnf", "two_moons", {"width": 16, "depth": 1}, {"steps": 4, "draws": 8, "divergence": "hutchinson"}),
    ("flow_matching", "two_moons", {"width": 16, "depth": 1}, {"steps": 4, "draws": 8, "divergence": "hutchinson"}),
    ("diffusion", "two_moons", {"width": 16, "depth": 1}, {"draws": 8, "method": "bound"}),
]


def trained(name: str, source: str, fields: Mapping[str, Any]) -> tuple[Family, Nets, Tensor]:
    """A model of a few steps, and four rows that it has not seen."""
    run = Run.model_validate({
        "family": {"family": name, **fields},
        "data": {"source": source},
        "optimizer": {"batch_size": 64, "lr": 5e-3},
        "budget": {"steps": 10 if name == "cnf" else 60},  # a solve each
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    return run.family, state.average, torch.from_numpy(data.validation.x[:4].astype(np.float32))


def repeated(family: Scores, nets: Nets, x: Tensor, options: Any, seeds: int = SEEDS) -> tuple[Tensor, Tensor]:
    """Answers and claims about each row, (rows, seeds)."""
    scorer, values, errors = family.scorer(nets, options), [], []
    for row in x:
        many = row.expand(seeds, *row.shape)
        scored = run(scorer, (many, torch.empty(seeds, 0, dtype=x.dtype)), Noise.rows(11, seeds))
        assert scored.std_error is not None
        values.append(scored.value)
        errors.append(scored.std_error)
    return torch.stack(values).double(), torch.stack(errors).double()


def ratios(values: Tensor, errors: Tensor) -> Tensor:
    """The spread of each row's answers over the claims, (rows,)."""
    return values.std(1) / errors.square().mean(1).sqrt()


@pytest.mark.parametrize(
    ("name", "source", "fields", "options"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_the_answers_of_seeds_spread_as_their_errors_say(
    name: str, source: str, fields: dict[str, Any], options: Mapping[str, Any]
) -> None:
    family, nets, x = trained(name, source, fields)
    assert isinstance(family, Scores)
    values, errors = repeated(family, nets, x, family.ScoreOptions.model_validate(options))
    assert (values.std(1) > 1e-3).any()
    found = ratios(values, errors)
    assert 0.8 < float(found.square().mean().sqrt()) < 1.25
    assert (found > 0.6).all()
    assert (found < 1.5).all()


SIGMA = 0.3


def linear_gaussian(spread: float) -> tuple[VAE, Nets]:
    """x = z + sigma eps: p(x) = N(0, 1 + sigma^2). The encoder knows the mean; its spread is off by a factor."""
    family = VAE(latent=1, depth=0, likelihood=Gaussian(scale=SIGMA))
    nets = family.build(DataSpec(shape=(1,))).double().requires_grad_(False)
    decoder, encoder = list(nets["decoder"].parameters()), list(nets["encoder"].parameters())
    decoder[0].fill_(1.0)
    decoder[1].fill_(0.0)
    encoder[0].copy_(torch.tensor([[1 / (1 + SIGMA**2)], [0.0]]))
    variance = SIGMA**2 / (1 + SIGMA**2)
    encoder[1].copy_(torch.tensor([0.0, 2 * np.log(spread) + np.log(variance)]))
    return family, nets


@pytest.mark.parametrize("k", [16, 64, 256])
@pytest.mark.parametrize("spread", [0.85, 1.5, 4.0])
def test_errors_of_a_linear_gaussian_are_right_where_log_p_is_known(k: int, spread: float) -> None:
    """With a posterior too narrow, weights have a heavy tail; too wide, few of them count."""
    family, nets = linear_gaussian(spread)
    x = torch.tensor([[0.2], [2.5]], dtype=torch.float64)
    values, errors = repeated(family, nets, x, ImportanceOptions(k=k), 1500)
    assert (ratios(values, errors) > 0.8).all()
    assert (ratios(values, errors) < 1.25).all()
    exact = -0.5 * x[:, 0].square() / (1 + SIGMA**2) - 0.5 * np.log(2 * np.pi * (1 + SIGMA**2))
    z = (values.mean(1) - exact) / errors.square().mean(1).sqrt()
    assert (z < 5 / 1500**0.5).all()
    assert (z > -1).all()


def test_far_from_the_data_errors_grow_beyond_one_and_the_share_says_that_weights_collapsed() -> None:
    """A posterior that is as wide as the prior, ten of its standard deviations off: one draw in sixty-four counts."""
    family, nets = linear_gaussian(1.0)
    with torch.no_grad():
        next(nets["encoder"].parameters()).zero_()
    x = torch.tensor([[0.0], [6.0]], dtype=torch.float64)
    values, errors = repeated(family, nets, x, ImportanceOptions(k=64), 1500)
    assert float(values[1].std()) > 2
    assert 0.8 < float(ratios(values, errors)[1]) < 1.25
    scored = family.log_prob(nets, x, x[:, :0], Noise.rows(0, 2), ImportanceOptions(k=64))
    near, far = scored.terms["effective_share"].tolist()
    assert near > 10 / 64 > far


def test_every_family_with_an_error_bar_is_among_the_cases() -> None:
    exact = {"autoregressive", "nis"}
    assert {case[0] for case in CASES} == {name for name, cls in FAMILIES.items() if issubclass(cls, Scores)} - exact
