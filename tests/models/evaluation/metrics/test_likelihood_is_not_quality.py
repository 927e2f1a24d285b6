"""Two models of which likelihoods and samples say the opposite (A note on the evaluation of generative models, Theis et
al., 2015, https://arxiv.org/abs/1511.01844): the report must show what its likelihood hides.

    p_1  the training rows, blurred by a narrow kernel: perfect samples, held-out rows of terrible likelihood
    p_2  0.01 p + 0.99 noise: log p_2(x) >= log p(x) - log 100, and 99 % of its samples are noise
"""

from math import log, pi

import numpy as np
import pytest
from scipy.special import logsumexp

from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.models.storage.evaluation import MetricValue
from tests.models.evaluation.metrics.sides import known, normal, side

SIZE, WIDTH, N = 8, 1e-3, 600
TRAINING, HELD_OUT = normal(N, SIZE, seed=0), normal(N, SIZE, seed=1)
EXACT = -0.5 * (HELD_OUT**2).sum(1) - SIZE / 2 * log(2 * pi)  # log p of held-out rows under the truth


def memorizer() -> np.ndarray:
    rng = np.random.default_rng(2)
    return TRAINING[rng.integers(N, size=N)] + WIDTH * rng.standard_normal((N, SIZE))


def mostly_noise() -> np.ndarray:
    rng = np.random.default_rng(3)
    true = rng.random(N) < 0.01
    return np.where(true[:, None], normal(N, SIZE, seed=4), 10 * rng.standard_normal((N, SIZE)))


def of(metric: str, samples: np.ndarray) -> MetricValue:
    return METRICS[metric].measure(side(samples), side(HELD_OUT), known(TRAINING))


def test_a_memorizer_is_precise_and_of_terrible_likelihood_and_its_distance_from_training_rows_gives_it_away() -> None:
    """T80, p_1."""
    square = ((HELD_OUT[:, None] - TRAINING) ** 2).sum(2)
    log_p = logsumexp(-square / (2 * WIDTH**2), axis=1) - log(N) - SIZE * log(WIDTH) - SIZE / 2 * log(2 * pi)
    assert (EXACT - log_p).mean() > 1e5  # nats
    floor = METRICS["precision"].measure(side(normal(N, SIZE, seed=5)), side(HELD_OUT), known(TRAINING))
    assert of("precision", memorizer()).value == pytest.approx(floor.value, abs=0.1)
    assert (of("mmd2", memorizer()).p_value or 0) > 0.001
    copied = of("nearest_training_row_ratio", memorizer())
    assert copied.value < 0.01
    assert (copied.p_value or 1) < 1e-12


def test_a_model_that_is_noise_loses_less_than_log_100_nats_and_every_metric_of_samples_sees_it() -> None:
    """T80, p_2: the loss is at most log 100 = 4.605 nats, at any number of elements; 99 % of samples are noise."""
    noise = -0.5 * (HELD_OUT**2).sum(1) / 100 - SIZE / 2 * log(2 * pi) - SIZE * log(10)
    log_p = logsumexp(np.stack([log(0.01) + EXACT, log(0.99) + noise]), axis=0)
    loss = EXACT - log_p
    assert log(100) == pytest.approx(4.605, abs=5e-4)
    assert loss.max() <= log(100)
    assert loss.mean() > 4
    assert of("precision", mostly_noise()).value < 0.05
    for test in ("mmd2", "energy_distance", "c2st_logistic", "c2st_neighbors", "different_bins"):
        assert (of(test, mostly_noise()).p_value or 0) <= 1 / 500
    assert of("nearest_training_row_ratio", mostly_noise()).value > 3
