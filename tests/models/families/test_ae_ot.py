"""Autoencoders with optimal transport: what is remembered, what is reached, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.capabilities import capabilities
from pushforward.models.data import EightGaussians
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.evaluation.sample_metrics import Modes, modes
from pushforward.models.families.ae_ot import AEOT
from pushforward.models.geometry.semidiscrete import cells
from pushforward.models.latents.transported_codes import semi_discrete
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

PLANE = DataSpec(shape=(2,), n_rows=50)
TINY = AEOT(latent=2, width=16, draws=64)


def built() -> Nets:
    torch.manual_seed(0)
    return TINY.build(PLANE)


def batch(row: torch.Tensor) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(len(row), 2, generator=rng)
    return Batch(x, x[:, :0], rng, 0, 10, row)


@pytest.fixture(scope="module")
def trained() -> tuple[TrainingData, TrainingState]:
    run = Run.model_validate({
        "family": {"family": "ae_ot", "latent": 2, "width": 64, "angle": 0.3, "draws": 512},
        "data": {"source": "eight_gaussians", "n": 300},
        "optimizer": {"lr": 4e-3, "batch_size": 100, "decay": "cosine"},
        "budget": {"steps": 600},
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    return data, state


def test_it_samples_and_walks_both_ways_and_has_no_density() -> None:
    assert capabilities(AEOT) == ("sample", "encode", "decode", "reconstruct", "interpolate")


def test_data_that_never_end_are_refused_naming_n() -> None:
    with pytest.raises(InvalidData, match="give n") as refusal:
        TINY.build(DataSpec(shape=(2,)))
    assert refusal.value.field == "run.data.n"


def test_codes_of_the_rows_seen_are_remembered() -> None:
    nets, row = built(), torch.tensor([3, 7])
    seen = batch(row)
    first, second = TINY.losses(nets, seen)
    assert (first.trains, second.trains) == (("encoder", "decoder"), ("transport",))
    codes = semi_discrete(nets).codes
    torch.testing.assert_close(codes[row], TINY.encode(nets, seen.x, seen.c))
    assert codes.abs().sum(1).nonzero()[:, 0].tolist() == [3, 7]


def test_heights_move_by_the_mass_of_their_cells() -> None:
    """T60: dE/dh_i = mu(W_i) - 1/n, as the loop sees it."""
    nets = built()
    *_, loss = TINY.losses(nets, batch(torch.arange(50)))
    (slope,) = torch.autograd.grad(loss.value, list(nets["transport"].parameters()))
    assert slope.sum().item() == pytest.approx(0.0, abs=1e-6)
    assert semi_discrete(nets).counts.sum() == 64


def test_every_code_is_reached_as_often(trained: tuple[TrainingData, TrainingState]) -> None:
    data, state = trained
    assert evaluate(data, state)["cell_mass_error"] < 0.25


def test_the_mass_of_cells_is_estimated_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a draw of one cell in two, whose noise is taken off."""
    nets = TINY.build(DataSpec(shape=(2,), n_rows=2000))
    semi_discrete(nets).store_codes(
        torch.arange(2000), torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    )
    noise, x = Noise.rows(0, 500), torch.zeros(500, 2)
    exact = TINY.diagnose(nets, x, x[:, :0], noise)["cell_mass_error"]
    seen = list[int]()

    def counted(x: torch.Tensor, y: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        seen.append(len(x) * len(y))
        return cells(x, y, h)

    monkeypatch.setattr("pushforward.models.geometry.semidiscrete.cells", counted)
    monkeypatch.setattr("pushforward.models.latents.transported_codes.PAIRS", 1000 * 2000)
    monkeypatch.setattr("pushforward.models.latents.transported_codes.PAIRS_AT_ONCE", 200 * 2000)
    assert TINY.diagnose(nets, x, x[:, :0], noise)["cell_mass_error"] == pytest.approx(exact, rel=0.2)
    assert sum(seen) == 1000 * 2000
    assert max(seen) == 200 * 2000


def test_nothing_is_drawn_where_no_row_was_seen() -> None:
    run = Run.model_validate({
        "family": {"family": "ae_ot", "latent": 2, "width": 16, "draws": 256, "neighbors": 1},
        "data": {"source": "eight_gaussians", "n": 1000},
        "optimizer": {"lr": 4e-3, "batch_size": 50},
        "budget": {"steps": 9},
    })  # fmt: skip
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        assert all(loss.isfinite() for loss in state.losses.values())
    push = semi_discrete(state.average)
    assert push.seen.sum() == 450
    assert isinstance(state.run.family, AEOT)
    z = state.run.family.prior(state.average, Noise.rows(0, 500), torch.zeros(500, 0))
    assert torch.cdist(z, push.codes[push.seen]).amin(1).max() < 1e-3
    assert (push.counts[~push.seen] == 0).all()
    assert evaluate(data, state)["cell_mass_error"] > 0


def reached(state: TrainingState, angle: float) -> Modes:
    """What 4,000 samples reach where neighbors may be this far apart."""
    assert isinstance(state.run.family, AEOT)
    family = state.run.family.model_copy(update={"angle": angle})
    nets = family.build(state.nets.spec).requires_grad_(False)
    nets.load_state_dict(state.average.state_dict())
    x = sample(family.sampler(nets, family.SampleOptions()), Noise.rows(0, 4000))
    return modes(x.numpy(), EightGaussians.centers, EightGaussians.mode_std)


def test_samples_lie_in_the_modes(trained: tuple[TrainingData, TrainingState]) -> None:
    found = reached(trained[1], 0.3)
    assert found.found == 8
    assert found.high_quality > 0.97
    assert np.ptp(found.hits) < 500


def test_a_wide_angle_fills_the_gaps(trained: tuple[TrainingData, TrainingState]) -> None:
    """Mode mixture, which the threshold is against: about twice as many samples lie beside the modes."""
    beside, beside_open = (1 - reached(trained[1], angle).high_quality for angle in (0.3, 3.1))
    assert beside_open > 1.7 * beside
