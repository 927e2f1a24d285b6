"""What may be chosen when a diffusion is asked: which levels follow, and what is refused."""

from math import log
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from pushforward.models.errors import InvalidInput
from pushforward.models.paths.schedules import Cosine, Karras, OrnsteinUhlenbeck
from pushforward.models.samplers.options import DEFAULTS, DenoisingOptions, GridName, ScoringOptions

LEVELS = Cosine().log_snr(1000)


def levels(**options: object) -> np.ndarray:
    return DenoisingOptions.model_validate({"sampler": "ddim"} | options).levels(LEVELS)


@pytest.mark.parametrize("sampler", DEFAULTS)
def test_every_sampler_goes_from_the_last_level_to_the_first(sampler: str) -> None:
    at = levels(sampler=sampler)
    default = DEFAULTS[sampler]
    assert len(at) == (default.steps or 1000) + default.n_ends
    assert (np.diff(at) > 0).all()
    start = LEVELS[-1] if default.grid == "levels" else log(1e-4 / (1 - 1e-4))
    assert at[[0, -1]] == pytest.approx([start, LEVELS[0]])


@pytest.mark.parametrize("grid", get_args(GridName))
def test_one_step_begins_where_there_is_only_noise(grid: GridName) -> None:
    """That is alpha = 0.01, for the grids that need not keep to the schedule's own levels."""
    start = LEVELS[-1] if grid == "levels" else log(1e-4 / (1 - 1e-4))
    assert levels(steps=1, grid=grid) == pytest.approx([start])
    ou = OrnsteinUhlenbeck(last=1.0).log_snr(50)  # all of its levels have more signal than that
    assert DenoisingOptions(sampler="ddim", steps=1, grid=grid).levels(ou) == pytest.approx(ou[-1:])


def test_a_grid_is_of_the_schedules_levels_or_even_in_its_own_measure() -> None:
    assert np.isin(levels(steps=7, grid="levels"), LEVELS).all()
    assert np.diff(levels(steps=7, grid="log_snr"), 2) == pytest.approx(0.0, abs=1e-12)
    root = np.exp(-levels(steps=7, grid="karras") / 14)
    assert np.diff(root, 2) == pytest.approx(0.0, abs=1e-12)


def test_few_levels_are_all_taken_where_a_sampler_would_take_more() -> None:
    assert len(DenoisingOptions(sampler="ddim").levels(Karras().log_snr(20))) == 20
    assert len(DenoisingOptions().levels(Karras().log_snr(10))) == 11


def test_the_adaptive_solver_has_tries_to_spare_and_refuses_too_few() -> None:
    assert len(levels(sampler="ode", solver="adaptive")) == 33
    with pytest.raises(ValidationError, match="steps is 15; the solver adaptive needs 16 tries or more"):
        DenoisingOptions(sampler="ode", solver="adaptive", steps=15)
    with pytest.raises(ValidationError, match="grid is for samplers of given steps; leave it out"):
        DenoisingOptions(sampler="ode", solver="adaptive", grid="karras")


def test_more_steps_than_levels_are_refused_where_steps_are_levels() -> None:
    with pytest.raises(InvalidInput, match="1 to 1000") as refusal:
        levels(steps=1001)
    assert refusal.value.field == "options.steps"
    assert len(levels(steps=1001, grid="log_snr")) == 1001
    with pytest.raises(InvalidInput, match="1 to 999"):  # it needs a level for the end of its last step
        levels(sampler="ode", grid="levels", steps=1000)
    assert len(np.unique(levels(sampler="ode", grid="levels", steps=999))) == 1000


@pytest.mark.parametrize(
    ("name", "value", "owner"),
    [
        ("eta", 0.5, "ddim"),
        ("variance", "beta", "ancestral"),
        ("snr", 0.2, "predictor_corrector"),
        ("solver", "adaptive", "ode"),
        ("tolerance", 1e-5, "ode"),
    ],
)
def test_an_option_is_refused_where_it_means_nothing(name: str, value: object, owner: str) -> None:
    solver = {"solver": "adaptive"} if name == "tolerance" else {}
    DenoisingOptions.model_validate({"sampler": owner, name: value} | solver)
    with pytest.raises(ValidationError, match=f"{name} belongs to the sampler {owner}; leave it out for heun"):
        DenoisingOptions.model_validate({"sampler": "heun", name: value})


def test_a_tolerance_without_the_adaptive_solver_is_refused() -> None:
    with pytest.raises(ValidationError, match="tolerance belongs to the solver adaptive; leave it out for rk4"):
        DenoisingOptions(sampler="ode", tolerance=1e-5)


def test_a_likelihood_is_not_guided_and_a_bound_has_no_divergence() -> None:
    with pytest.raises(ValidationError, match="guidance"):
        ScoringOptions.model_validate({"guidance": 1.0})
    with pytest.raises(ValidationError, match="divergence belongs to the method flow"):
        ScoringOptions(method="bound", divergence="exact")
