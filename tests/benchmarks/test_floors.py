"""The densities under which models are measured."""

import numpy as np
import pytest

from benchmarks.floors import log_density, parts_log_density, wanted_nats
from pushforward.models.data import Checkerboard, Digits, EightGaussians, GridGaussians, Toy, TwoMoons
from pushforward.models.presets import PRESETS

TOYS = [TwoMoons(), TwoMoons(noise=0.05), EightGaussians(), GridGaussians(), Checkerboard()]


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.source)
def test_minus_the_log_density_is_the_entropy_on_average(toy: Toy) -> None:
    log_p = log_density(toy, toy.draw(4_000, np.random.default_rng(0)), None)
    assert log_p is not None
    error = log_p.std() / len(log_p) ** 0.5
    assert -log_p.mean() == pytest.approx(toy.entropy_nats, abs=5 * error + 1e-6)


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.source)
def test_a_row_is_more_likely_where_its_part_is_told(toy: Toy) -> None:
    x, part = toy.labeled(500, np.random.default_rng(0))
    log_p, told = log_density(toy, x, None), log_density(toy, x, part)
    assert log_p is not None
    assert told is not None
    assert np.isfinite(told).all()
    assert (told - log_p <= np.log(toy.n_parts) + 1e-9).all()
    assert (told - log_p).mean() > 0.5


def test_a_part_integrates_to_one() -> None:
    side = np.linspace(-5, 5, 201)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    for toy in (TwoMoons(), EightGaussians()):
        parts = parts_log_density(toy, grid)
        assert parts is not None
        assert np.exp(parts).sum(0) * 0.05**2 == pytest.approx(1, abs=1e-6)


def test_data_that_are_no_toy_have_no_floor() -> None:
    assert log_density(Digits(), np.zeros((1, 64)), None) is None


def test_what_is_wanted_follows_from_the_family_and_the_data() -> None:
    assert wanted_nats(PRESETS["flow-two-moons"].run) == 0.02
    assert wanted_nats(PRESETS["maf-two-moons"].run) == 0.1
    assert wanted_nats(PRESETS["diffusion-two-moons"].run) == 0.1
    assert wanted_nats(PRESETS["iwae-flow-prior-two-moons"].run) == 0.1
    assert wanted_nats(PRESETS["nsf-checkerboard"].run) == 0.1
    assert wanted_nats(PRESETS["gan-two-moons"].run) is None
