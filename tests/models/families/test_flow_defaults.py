"""What `flow` starts from, on data without a preset: outliers and few rows."""

from math import log, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_wine

from pushforward.models.families.flow import Flow
from pushforward.models.flows.dequantization import DequantizationOptions
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

Floats = NDArray[np.float64]
PLANE = DataSpec(shape=(2,), shift=(10.0, 0.0), scale=(3.0, 1e-6))
FAR = torch.tensor([[10 + 88 * 3.0, 0.0]])


def trained(x: Floats, folder: Path, steps: int, **family: Any) -> Nets:
    """The served weights of a run that names nothing but its file and its steps."""
    np.save(folder / "rows.npy", x)
    run = Run.model_validate({
        "family": {"family": "flow", **family},
        "data": {"source": "npy", "path": "rows.npy"},
        "budget": {"steps": steps},
    })  # fmt: skip
    data = load_data(run, folder)
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    return state.average


def log_prob(nets: Nets, x: Floats) -> Floats:
    rows = torch.from_numpy(x).float()
    scored = Flow().log_prob(nets, rows, no_condition(rows), Noise.rows(0, len(rows)), DequantizationOptions())
    return np.asarray(scored.value)


def gaussian_nll(train: Floats, test: Floats) -> float:
    """Of the Gaussian with the training rows' mean and covariance."""
    mean, covariance = train.mean(0), np.cov(train.T)
    off = test - mean
    square = np.einsum("nd,de,ne->n", off, np.linalg.inv(covariance), off)
    return float(0.5 * (square + np.linalg.slogdet(covariance)[1] + len(mean) * log(2 * pi)).mean())


def test_a_row_far_out_is_rare_and_not_impossible() -> None:
    """88 deviations out a Gaussian tail costs 3,872 nats; a Student's t of two degrees of freedom about 30."""
    gaussian, heavy = (
        float(flow.log_density(flow.build(PLANE), FAR, no_condition(FAR)).detach())
        for flow in (Flow(tails="gaussian"), Flow())
    )
    assert gaussian < -3800
    assert -30 < heavy < 0


def test_bounded_data_have_no_tails() -> None:
    box = DataSpec(shape=(2,), low=0, high=1, shift=(0.5,), scale=(0.5,))
    x = torch.tensor([[0.0, 1.0], [1e-4, 0.3]])
    nets = Flow().build(box)
    assert torch.equal(Flow().encode(nets, x, no_condition(x)), Flow(tails="gaussian").encode(nets, x, no_condition(x)))


def test_draws_of_heavy_tails_are_finite_and_score_as_they_are_drawn() -> None:
    """-E log p of draws is the entropy: for the identity, N(0, 1) let out, by its own log-density at the codes."""
    flow = Flow(n_transforms=1, width=8)
    nets = flow.build(PLANE)
    noise = Noise.rows(0, 4000)
    x = sample(flow.sampler(nets, flow.SampleOptions()), noise, torch.empty(4000, 0))
    assert bool(torch.isfinite(x).all())
    codes = flow.encode(nets, x, no_condition(x))
    torch.testing.assert_close(codes, flow.prior(nets, noise, no_condition(x)), rtol=1e-3, atol=1e-4)


def test_student_tails_are_learned(tmp_path: Path) -> None:
    """Two degrees of freedom: no held-out row is scored far below its own density."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, 2)) / np.sqrt(rng.chisquare(2, (6000, 1)) / 2)
    truth = -log(2 * pi) - 2 * np.log1p((x**2).sum(1) / 2)
    nets = trained(x[:3000], tmp_path, steps=150, n_transforms=2)
    error = log_prob(nets, x[3000:]) - truth[3000:]
    assert error.min() > -10
    assert error.mean() > -0.3


def test_few_rows_are_not_learned_by_heart(tmp_path: Path) -> None:
    """Wine, 142 rows of 13 columns, past the point where weights that do not decay are worse than a Gaussian."""
    x = np.random.default_rng(0).permutation(load_wine().data)
    nets = trained(x[36:], tmp_path, steps=150)
    assert -log_prob(nets, x[:36]).mean() < gaussian_nll(x[36:], x[:36])


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if isinstance(preset.run.family, Flow)])
def test_presets_keep_what_they_were_measured_with(name: str) -> None:
    run = PRESETS[name].run
    assert isinstance(run.family, Flow)
    assert run.optimizer.warmup == run.optimizer.weight_decay_rows == 0.0
    assert run.family.tails == "gaussian" or run.data.outline(Path()).low is not None
