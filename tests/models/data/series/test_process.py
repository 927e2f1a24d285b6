"""The autoregressive process has the moments and the entropy that it tells."""

from collections import deque
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.data import AutoregressiveProcess
from pushforward.models.family import Scores
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.training.data import held_out, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")

PROCESSES = [
    AutoregressiveProcess(length=8),
    AutoregressiveProcess(length=12, period=3.0, radius=0.5),
    AutoregressiveProcess(length=10, period=20.0, radius=0.95),
]


def covariance(process: AutoregressiveProcess) -> np.ndarray:
    """Of a window, from the recursion of autocorrelations (Yule-Walker)."""
    phi_1, phi_2 = process.phi
    rho = [1.0, process.correlation]
    while len(rho) < process.length:
        rho.append(phi_1 * rho[-1] + phi_2 * rho[-2])
    lag = np.abs(np.subtract.outer(np.arange(process.length), np.arange(process.length)))
    return process.variance * np.array(rho)[lag]


@pytest.mark.parametrize("process", PROCESSES)
def test_the_entropy_is_that_of_a_gaussian_of_the_processs_covariance(process: AutoregressiveProcess) -> None:
    _, log_det = np.linalg.slogdet(2 * pi * np.e * covariance(process))
    assert process.entropy_nats == pytest.approx(log_det / 2, abs=1e-9)


@pytest.mark.parametrize("process", PROCESSES)
def test_the_innovations_of_the_covariance_have_variance_one(process: AutoregressiveProcess) -> None:
    """The last of the Cholesky factors is the deviation of a step given those before it."""
    assert np.diag(np.linalg.cholesky(covariance(process)))[2:] == pytest.approx(1.0)


@pytest.mark.parametrize("process", PROCESSES)
def test_windows_have_that_covariance(process: AutoregressiveProcess) -> None:
    x = process.draw(20_000, np.random.default_rng(0))[:, 0].astype(np.float64)
    whitened = np.linalg.solve(np.linalg.cholesky(covariance(process)), x.T)
    assert np.abs(whitened.mean(1)).max() < 5 / 20_000**0.5
    assert np.abs(np.cov(whitened) - np.eye(process.length)).max() < 7 / 20_000**0.5


def test_a_process_swings_with_its_period() -> None:
    x = AutoregressiveProcess(length=64, period=8.0, radius=0.98).draw(500, np.random.default_rng(0))[:, 0]
    assert np.abs(np.fft.rfft(x)).mean(0).argmax() == 8


def test_a_label_tells_on_which_side_a_window_begins() -> None:
    x, y = AutoregressiveProcess().labeled(1000, np.random.default_rng(0))
    assert np.array_equal(y, x[:, 0, 0] > 0)
    assert x.shape == (1000, 1, 32)


def test_network_units_have_variance_one() -> None:
    process = AutoregressiveProcess()
    u = process.spec.normalize(torch.from_numpy(process.draw(20_000, np.random.default_rng(0))))
    assert float(u.square().mean()) == pytest.approx(1.0, abs=0.03)


def test_a_flow_comes_near_the_entropy_and_stays_above(tmp_path: Path) -> None:
    """Affine autoregressive transforms hold the process: each step is linear in those before it."""
    run = Run.model_validate({
        "family": {"family": "flow", "transform": {"transform": "affine"}, "n_transforms": 2, "width": 32, "depth": 1},
        "data": {"source": "autoregressive_process", "length": 8},
        "optimizer": {"lr": 1e-2, "batch_size": 256, "decay": "cosine"},
        "budget": {"steps": 200},
    })  # fmt: skip
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    deque(train(data, state), maxlen=0)
    x, c = held_out(data, slice(0, 2000), CPU)
    assert isinstance(run.family, Scores)
    log_p = run.family.log_prob(state.served, x, c, Noise.rows(0, len(x)), run.family.ScoreOptions()).value
    entropy, error = AutoregressiveProcess(length=8).entropy_nats, 5 * float(log_p.std()) / len(x) ** 0.5
    assert entropy - error < -float(log_p.mean()) < entropy + 0.3 + error
