"""Metrics against the packages that others use for them: POT, prdc, torchmetrics."""

import numpy as np
import ot
import pytest
import torch
from prdc import compute_prdc
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import maximum_mean_discrepancy

from pushforward.models.evaluation.metrics.features import cubic_kernel, frechet_distance
from pushforward.models.evaluation.metrics.neighbors import Coverage, Density, Precision, Recall
from pushforward.models.evaluation.metrics.two_sample import kernel_test
from pushforward.models.evaluation.sample_metrics import directions, wasserstein_1d
from tests.models.evaluation.metrics.sides import known, normal, side


def test_precision_recall_density_and_coverage_are_those_of_prdc() -> None:
    x, y = 0.8 * normal(150, 3, seed=0, shift=0.3), normal(120, 3, seed=1)
    theirs = compute_prdc(real_features=y, fake_features=x, nearest_k=5)
    for metric in (Precision(), Recall(), Density(), Coverage()):
        assert metric.measure(side(x), side(y), known()).value == pytest.approx(theirs[metric.name], rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25)])
def test_projections_are_as_far_apart_as_pot_says(n: int, m: int) -> None:
    x, y = normal(n, 4, seed=0), 2 * normal(m, 4, seed=1, shift=1)
    theta = directions(4, 8, np.random.default_rng(0))
    theirs = [ot.wasserstein_1d(x @ each, y @ each, p=1) for each in theta.T]
    assert wasserstein_1d(x @ theta, y @ theta) == pytest.approx(theirs, rel=1e-9)


def test_the_frechet_distance_is_that_of_pot_and_of_torchmetrics() -> None:
    x, y = normal(200, 5, seed=0), 2 * normal(150, 5, seed=1, shift=1)
    assert frechet_distance(x, y) == pytest.approx(_of_pot(x, y), rel=1e-6)
    assert frechet_distance(x, y) == pytest.approx(_of_torchmetrics(x, y), rel=1e-6)


def test_the_kernel_distance_is_that_of_torchmetrics() -> None:
    x, y = normal(80, 5, seed=0), normal(80, 5, seed=1, shift=0.2)
    k = cubic_kernel(np.concatenate([x, y]))
    parts = (k[:80, :80], k[:80, 80:], k[80:, 80:])
    theirs = maximum_mean_discrepancy(*map(torch.from_numpy, parts))
    assert kernel_test(k, 80, np.random.default_rng(0), permutations=0).value == pytest.approx(float(theirs), rel=1e-9)


def _of_pot(x: np.ndarray, y: np.ndarray) -> float:
    moments = (x.mean(0), y.mean(0), np.cov(x.T), np.cov(y.T))
    return float(ot.gaussian.bures_wasserstein_distance(*moments) ** 2)


def _of_torchmetrics(x: np.ndarray, y: np.ndarray) -> float:
    fid = FrechetInceptionDistance(feature=torch.nn.Flatten(), input_img_size=(1, 1, x.shape[1]), normalize=False)
    fid.set_dtype(torch.float64)
    for rows, real in ((y, True), (x, False)):
        fid.update(torch.from_numpy(rows)[:, None, None], real=real)
    return float(fid.compute())
