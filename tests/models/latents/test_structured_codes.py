"""Structured codes: their prior, their layout, and the bound of what data tell of them, exact in float64."""

from math import erf, exp, log, pi

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.latents.structured_codes import LEAST_STD, StructuredCodes
from pushforward.models.noise import Noise

K = 5
CATEGORIES = StructuredCodes(noise=2, categories=K, continuous=0)
ALL = torch.cat([torch.zeros(K, 2), torch.eye(K)], 1).double()  # a code of each category


def mutual_information_nats(channel: Tensor) -> float:
    """I(c; x) of c ~ Cat(1/K) and x ~ channel[c]."""
    joint = channel / K
    return float(torch.xlogy(joint, joint / (joint.sum(0) / K)).sum())


def bound_nats(channel: Tensor, q: Tensor) -> float:
    """L_I, the expectation over all codes and data.  channel: P(x | c), (K, X); q: Q(c | x), (X, K)."""
    each = [CATEGORIES.information(ALL, q[x].log().expand(K, K)).category for x in range(channel.shape[1])]
    return float((channel * torch.stack(each, 1)).sum() / K)


def channel(n: int, seed: int) -> Tensor:
    return torch.rand(K, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(1)


def test_data_that_reveal_the_category_tell_all_of_it() -> None:
    """T52: L_I = log K = I."""
    revealing = torch.eye(K, dtype=torch.float64)[:, torch.randperm(K)]
    sure = (revealing.T + 1e-12) / (1 + K * 1e-12)
    assert bound_nats(revealing, sure) == pytest.approx(log(K), abs=1e-9)
    assert mutual_information_nats(revealing) == pytest.approx(log(K), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_posterior_tells_more_than_there_is(seed: int) -> None:
    """T52: L_I <= I, with equality at the true posterior."""
    p = channel(7, seed)
    information = mutual_information_nats(p)
    true = (p / p.sum(0)).T
    assert bound_nats(p, true) == pytest.approx(information, abs=1e-12)
    assert bound_nats(p, channel(7, seed + 10).T.softmax(1)) < information < log(K)


def test_data_that_do_not_depend_on_the_code_tell_nothing() -> None:
    same = channel(7, 0)[:1].expand(K, 7)
    assert bound_nats(same, torch.full((7, K), 1 / K, dtype=torch.float64)) == pytest.approx(0, abs=1e-12)
    assert bound_nats(same, channel(7, 1).T.softmax(1)) < 0


def test_a_normal_posterior_bounds_what_a_sign_tells_of_a_uniform() -> None:
    """Where x = sign(c) tells log 2 of c ~ U(-1, 1), the best normal, N(x / 2, 1/12), shows 0.52 nats."""
    codes = StructuredCodes(noise=1, categories=1, continuous=1)
    c = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1::2, None]
    z = torch.cat([torch.zeros_like(c), torch.ones_like(c), c], 1)
    least = 2 * log(LEAST_STD)
    free = least + log(exp(log(1 / 12) - least) - 1)  # softplus, inverted
    parameters = torch.cat([torch.zeros_like(c), c.sign() / 2, torch.full_like(c, free)], 1)
    shown = float(codes.information(z, parameters).continuous.mean())
    assert shown == pytest.approx(log(2) - 0.5 * log(2 * pi * exp(1) / 12), abs=1e-6)
    assert shown < log(2)


def test_a_posterior_is_never_surer_of_a_continuous_code_than_its_least_deviation() -> None:
    codes = StructuredCodes(noise=1, categories=1, continuous=1)
    z = torch.tensor([[0.0, 1.0, 0.4]], dtype=torch.float64)
    sure = torch.tensor([[0.0, 0.4, -1e4]], dtype=torch.float64)
    assert codes.log_q(z, sure).continuous.item() == pytest.approx(-log(LEAST_STD) - 0.5 * log(2 * pi))


def test_a_row_becomes_a_code_of_probabilities_and_means_without_noise() -> None:
    codes = StructuredCodes(noise=3, categories=2, continuous=2)
    (z,) = codes.of(torch.tensor([[log(3.0), 0.0, 0.5, -7.0, 1.0, 2.0]]))
    assert z.tolist() == pytest.approx([0, 0, 0, 0.75, 0.25, 0.5, -1])
    assert len(z) == codes.size


@pytest.mark.parametrize("how", ["training", "request"])
def test_codes_are_normal_one_hot_and_uniform(how: str) -> None:
    codes, n = StructuredCodes(noise=2, categories=4, continuous=2), 8000
    rng = torch.Generator().manual_seed(0)
    z = codes.draw(rng, n) if how == "training" else codes.prior(Noise.rows(0, n))
    assert z.shape == (n, codes.size)
    e, category, continuous = torch.split(z, [2, 4, 2], 1)
    assert (e < 1).double().mean(0).tolist() == pytest.approx([0.5 * (1 + erf(0.5**0.5))] * 2, abs=0.02)
    assert (category.sort(1).values == torch.tensor([0.0, 0.0, 0.0, 1.0])).all()
    assert category.mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.02)
    assert continuous.abs().max() <= 1
    assert continuous.var(0).tolist() == pytest.approx([1 / 3] * 2, abs=0.02)
    assert np.abs(np.corrcoef(z.T.numpy())[:2, 2:]).max() < 0.05
