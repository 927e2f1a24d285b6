"""The variational bound with the exact denoiser of Gaussian data, in float64, against its closed form."""

from typing import ClassVar

import numpy as np
import pytest
import torch

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Cosine, Floats, LinearSchedule, OrnsteinUhlenbeck, Schedule
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.samplers.variational_bound import VariationalBound
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import run
from pushforward.models.stepwise.sampling import no_condition
from tests.models.samplers.gaussians import MEAN, VARIANCE, GaussianNoise, predictor

X = torch.tensor([[0.1], [0.8], [1.9]], dtype=torch.float64)
SCHEDULES: list[tuple[Schedule, int]] = [
    (LinearSchedule(), 1000),
    (Cosine(), 1000),
    (Cosine(), 100),
    (OrnsteinUhlenbeck(), 50),
]


def noise_error(log_snr: Floats, x0: Floats) -> Floats:
    """E |eps - eps_theta|^2 over eps, given x_0, (T, B)."""
    alpha, sigma = np.sqrt(1 / (1 + np.exp(-log_snr)))[:, None], np.sqrt(1 / (1 + np.exp(log_snr)))[:, None]
    total = alpha**2 * VARIANCE + sigma**2
    bias = sigma * alpha * (x0 - MEAN) / total
    return bias**2 + (1 - sigma**2 / total) ** 2


def bound(log_snr: Floats, x0: Floats) -> Floats:
    """The whole bound as DDPM writes it, (B,): KLs between Gaussians."""
    alpha_bar, variance = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
    prior = 0.5 * (alpha_bar[-1] * x0**2 + variance[-1] - 1 - np.log(variance[-1]))
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    ratio = variance[:-1] / variance[1:]  # beta~ / beta
    of_eps = beta**2 / (variance[1:] * (1 - beta))  # (mean - mean_theta)^2 of a posterior, for each (eps - eps_theta)^2
    steps = 0.5 * (ratio - 1 - np.log(ratio))[:, None] + (of_eps / (2 * beta))[:, None] * noise_error(log_snr[1:], x0)
    decoder = -0.5 * np.log(2 * np.pi * variance[0]) - 0.5 * noise_error(log_snr[:1], x0)[0] / alpha_bar[0]
    return decoder - prior - steps.sum(0)


@pytest.mark.parametrize(("schedule", "T"), SCHEDULES, ids=lambda value: getattr(value, "schedule", value))
def test_levels_drawn_at_random_estimate_the_whole_bound(schedule: Schedule, T: int) -> None:
    """z-score below 5."""
    log_snr = schedule.log_snr(T)
    answer = run(VariationalBound(predictor(), log_snr, 16, 64), (X, no_condition(X)), Noise.rows(0, 3))
    expected = torch.from_numpy(bound(log_snr, X[:, 0].numpy()))
    assert answer.kind == "lower_bound"
    assert answer.std_error is not None
    assert ((answer.value - expected).abs() < 5 * answer.std_error).all()
    assert (answer.std_error < 0.2).all()


@pytest.mark.parametrize("schedule", [LinearSchedule(), Cosine()], ids=lambda s: s.schedule)
def test_it_lies_below_the_likelihood_and_tends_to_it(schedule: Schedule) -> None:
    """On average over the data: minus their entropy, short of a Kullback-Leibler divergence that falls like 1 / T."""
    node, weight = np.polynomial.hermite_e.hermegauss(20)
    x0, weight = MEAN + VARIANCE**0.5 * node, weight / weight.sum()
    exact = -0.5 * np.log(2 * np.pi * np.e * VARIANCE)
    gaps = [exact - weight @ bound(schedule.log_snr(T), x0) for T in (50, 1000, 4000)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[1] < 0.01


def test_it_is_the_exact_likelihood_of_standard_normal_data_without_any_noise() -> None:
    standard = VariationalBound(predictor(0.0, 1.0), Cosine().log_snr(100), 4, 4)
    answer = run(standard, (X, no_condition(X)), Noise.rows(0, 3))
    torch.testing.assert_close(answer.value, torch.distributions.Normal(0.0, 1.0).log_prob(X)[:, 0])
    assert answer.std_error is not None
    assert answer.std_error.max() < 1e-9


def test_levels_are_dequantized_and_counted_in_data_units() -> None:
    """E_u of the bound at y + w (u - 1/2), plus log w."""
    spec = DataSpec(shape=(1,), low=0, high=4, levels=5, shift=(2.0,), scale=(2.0,))
    y = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    log_snr = Cosine().log_snr(200)
    scorer = VariationalBound(Predictor(GaussianNoise(), spec), log_snr, 16, 64)
    answer = run(scorer, (y, no_condition(y)), Noise.rows(0, 2))
    u = (np.arange(500) + 0.5) / 500
    expected = [bound(log_snr, (value - 0.5 + u - 2.0) / 2.0).mean() - np.log(2.0) for value in (1.0, 3.0)]
    assert answer.std_error is not None
    assert ((answer.value - torch.tensor(expected)).abs() < 5 * answer.std_error).all()


def test_a_bound_does_not_depend_on_batch_mates() -> None:
    scorer, noise = VariationalBound(predictor(), Cosine().log_snr(100), 4, 2), Noise.rows(0, 3)
    together = run(scorer, (X, no_condition(X)), noise)
    alone = run(scorer, (X[1:2], no_condition(X[1:2])), noise[1:2])
    torch.testing.assert_close(together.value[1:2], alone.value)


def test_one_draw_has_no_error_bar() -> None:
    assert (
        run(
            VariationalBound(predictor(), Cosine().log_snr(100), 4, 1), (X, no_condition(X)), Noise.rows(0, 3)
        ).std_error
        is None
    )


class Recorded(Noise):
    """Noise that keeps the numbers of its arrays."""

    numbers: ClassVar[list[int]] = []

    def key(self, draw: int | torch.Tensor | np.ndarray) -> np.ndarray:
        self.numbers.extend(np.atleast_1d(np.asarray(draw)).tolist())
        return super().key(draw)


@pytest.mark.parametrize("levels", [1, 2, 5, 16])
def test_no_two_levels_and_no_two_draws_share_their_noise(levels: int) -> None:
    Recorded.numbers.clear()
    run(
        VariationalBound(predictor(), Cosine().log_snr(100), levels, 4),
        (X[:1], no_condition(X[:1])),
        Recorded.rows(0, 1),
    )
    assert len(Recorded.numbers) == 2 * 4 * levels
    assert len(set(Recorded.numbers)) == len(Recorded.numbers)
