"""Distributions over levels add up to one, draws follow them, and means are theirs (float64)."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pushforward.models.distributions.levels import (
    categorical_draw,
    categorical_log_prob,
    categorical_mean,
    logistic_mixture_draw,
    logistic_mixture_log_prob,
    logistic_mixture_mean,
)

L = 256


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def every_level(n: int) -> Tensor:
    """0, ..., n - 1, each a row of one element."""
    return torch.arange(n)[:, None]


def rows(n: int, *values: float) -> Tensor:
    """The same parameters for n rows of one element, (n, len(values), 1)."""
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1).expand(n, -1, 1)


@pytest.mark.parametrize("log_scale", [-30.0, -5.0, -1.0, 3.0, 30.0])
@pytest.mark.parametrize("mean", [-1e3, -1.0, 0.1, 1.0, 1e3])
def test_the_probabilities_of_all_levels_add_up_to_one_with_open_ends(mean: float, log_scale: float) -> None:
    """T30."""
    log_p = logistic_mixture_log_prob(rows(L, 0.0, mean, log_scale), every_level(L), L)
    assert float(log_p.exp().sum()) == pytest.approx(1, rel=1e-9)


def test_closed_ends_would_lose_probability() -> None:
    """T30: with F(y + 1/2) - F(y - 1/2) at the ends too, the tails are missing."""
    edge = torch.linspace(-1 - 1 / 255, 1 + 1 / 255, L + 1, dtype=torch.float64)
    closed = torch.sigmoid((edge - 0.9) / 0.1).diff().sum()
    assert float(closed) < 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_probability_vanishes_at_extreme_parameters(dtype: torch.dtype) -> None:
    """T30: no -inf, and gradients are finite."""
    extreme = torch.cartesian_prod(
        torch.tensor([-50.0, 50.0]), torch.tensor([-1e4, 0.0, 1e4]), torch.tensor([-1e4, 1e4])
    )
    params = extreme[:, :, None].expand(-1, 3, L).to(dtype).clone().requires_grad_()
    log_p = logistic_mixture_log_prob(params, torch.arange(L).expand(len(extreme), L), L)
    assert log_p.isfinite().all()
    (gradient,) = torch.autograd.grad(log_p.sum(), params)
    assert gradient.isfinite().all()


def test_a_bin_is_centered_on_its_level() -> None:
    """T30: [y - 1/2, y + 1/2], not [y, y + 1)."""
    mean, scale = 0.3, 0.2
    log_p = logistic_mixture_log_prob(rows(1, 0.0, mean, math.log(scale)), torch.tensor([[2]]), 5)
    ends = torch.tensor([-0.25, 0.25, 0.5], dtype=torch.float64)  # level 2 of 5 lies at 0, neighbors 1/2 away
    below, above, beyond = torch.sigmoid((ends - mean) / scale).tolist()
    assert float(log_p.exp()) == pytest.approx(above - below, rel=1e-12)
    centered_elsewhere = beyond - float(torch.sigmoid(torch.tensor((0.0 - mean) / scale)))
    assert float(log_p.exp()) != pytest.approx(centered_elsewhere, rel=0.1)


def test_a_mixture_is_the_weighted_sum_of_its_logistics() -> None:
    one = logistic_mixture_log_prob(rows(8, 0.0, -0.4, -2.0), every_level(8), 8).exp()
    two = logistic_mixture_log_prob(rows(8, 0.0, 0.7, -1.0), every_level(8), 8).exp()
    both = logistic_mixture_log_prob(rows(8, math.log(3), 0.0, -0.4, 0.7, -2.0, -1.0), every_level(8), 8).exp()
    assert both.numpy() == pytest.approx((0.75 * one + 0.25 * two).numpy(), rel=1e-12)


def test_two_levels_are_a_logit() -> None:
    log_p = logistic_mixture_log_prob(rows(2, 0.0, 0.6, math.log(0.5)), every_level(2), 2)
    assert float(log_p[1].exp()) == pytest.approx(1 / (1 + math.exp(-0.6 / 0.5)), rel=1e-12)


CATEGORICAL = rows(1, 0.3, -1.0, 2.0, 0.0, 1.1)
LOGISTICS = rows(1, 0.3, -0.5, -0.4, 0.7, -2.0, -1.0)


def test_categorical_probabilities_add_up_to_one_and_have_their_mean() -> None:
    p = categorical_log_prob(CATEGORICAL.expand(5, -1, 1), every_level(5)).exp()
    assert float(p.sum()) == pytest.approx(1, rel=1e-12)
    assert float(categorical_mean(CATEGORICAL)) == pytest.approx(float((p * every_level(5)).sum()), rel=1e-12)


def test_the_mean_of_a_mixture_is_that_of_its_probabilities() -> None:
    p = logistic_mixture_log_prob(LOGISTICS.expand(17, -1, 1), every_level(17), 17).exp()
    expected = float((p * every_level(17)).sum())
    assert float(logistic_mixture_mean(LOGISTICS, 17)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("log_scale", [-7.0, -5.5, -4.0, -2.0, 0.0, 4.0])
@pytest.mark.parametrize("mean", [-1.2, -0.999, 0.123, 1.0, 1e3])
@pytest.mark.parametrize("levels", [83, 1024, 4001])
def test_the_mean_of_many_levels_is_that_of_their_probabilities(levels: int, mean: float, log_scale: float) -> None:
    p = logistic_mixture_log_prob(rows(levels, 0.0, mean, log_scale), every_level(levels), levels).exp()
    expected = float((p * every_level(levels)).sum())
    assert float(logistic_mixture_mean(rows(1, 0.0, mean, log_scale), levels)) == pytest.approx(expected, abs=1e-6)


class Operations(TorchFunctionMode):
    """Counts calls of torch."""

    n = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += 1
        return function(*args, **kwargs or {})


def test_a_mean_of_65536_levels_takes_no_more_than_one_of_256() -> None:
    counts = []
    for levels in (256, 65536):
        with Operations() as operations:
            logistic_mixture_mean(LOGISTICS, levels)
        counts.append(operations.n)
    assert counts[0] == counts[1] > 0


def chi_square(level: Tensor, p: Tensor) -> float:
    counts = level.flatten().bincount(minlength=len(p))
    return float(((counts - level.numel() * p) ** 2 / (level.numel() * p)).sum())


def test_draws_have_the_frequencies_of_their_probabilities() -> None:
    n = 100_000
    u, v = (torch.rand(n, 1, generator=rng(seed), dtype=torch.float64) for seed in (0, 1))
    p = categorical_log_prob(CATEGORICAL.expand(5, -1, 1), every_level(5)).exp().flatten()
    assert chi_square(categorical_draw(CATEGORICAL.expand(n, -1, 1), u), p) < 4 + 5 * math.sqrt(8)
    p = logistic_mixture_log_prob(LOGISTICS.expand(9, -1, 1), every_level(9), 9).exp().flatten()
    assert chi_square(logistic_mixture_draw(LOGISTICS.expand(n, -1, 1), u, v, 9), p) < 8 + 5 * math.sqrt(16)


def test_draws_stay_on_the_levels_at_the_ends_of_the_uniforms() -> None:
    ends = torch.tensor([[2.0**-24], [1 - 2.0**-24]])
    assert set(categorical_draw(CATEGORICAL.float().expand(2, -1, 1), ends).flatten().tolist()) == {0, 4}
    drawn = logistic_mixture_draw(LOGISTICS.float().expand(2, -1, 1), ends, ends, 9)
    assert drawn.min() >= 0
    assert drawn.max() <= 8


def test_every_element_of_a_picture_has_its_own_distribution() -> None:
    params = torch.randn(2, 6, 3, 4, 5, generator=rng(), dtype=torch.float64)
    level = torch.randint(0, 7, (2, 3, 4, 5), generator=rng(1))
    log_p = logistic_mixture_log_prob(params, level, 7)
    alone = logistic_mixture_log_prob(params[1:, :, 2, 3, 4, None], level[1:, 2, 3, 4, None], 7)
    assert log_p.shape == level.shape
    assert float(log_p[1, 2, 3, 4]) == pytest.approx(float(alone), rel=1e-12)
    logits = torch.randn(2, 7, 3, 4, 5, generator=rng(2), dtype=torch.float64)
    assert torch.equal(categorical_log_prob(logits, level)[1], categorical_log_prob(logits[1:], level[1:])[0])
