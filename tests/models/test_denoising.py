"""What may be chosen when a diffusion is asked: which levels follow, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.denoising import DEFAULTS, DenoisingOptions, LikelihoodOptions
from models.errors import InvalidInput
from models.objectives.schedules import Cosine, Karras

LEVELS = Cosine().log_snr(1000)


def levels(**options: object) -> np.ndarray:
    return DenoisingOptions.model_validate(options).levels(LEVELS)


@pytest.mark.parametrize("sampler", DEFAULTS)
def test_every_sampler_goes_from_the_last_level_to_the_first(sampler: str) -> None:
    at = levels(sampler=sampler)
    default = DEFAULTS[sampler]
    assert len(at) == (default.steps or 1000) + default.n_ends
    assert (np.diff(at) > 0).all()
    assert at[[0, -1]] == pytest.approx(LEVELS[[-1, 0]])


@pytest.mark.parametrize("grid", ["levels", "karras", "log_snr"])
def test_one_step_begins_where_there_is_only_noise(grid: str) -> None:
    assert levels(steps=1, grid=grid) == pytest.approx(LEVELS[-1:])


def test_a_grid_is_of_the_schedules_levels_or_even_in_its_own_measure() -> None:
    assert np.isin(levels(steps=7, grid="levels"), LEVELS).all()
    assert np.diff(levels(steps=7, grid="log_snr"), 2) == pytest.approx(0.0, abs=1e-12)
    root = np.exp(-levels(steps=7, grid="karras") / 14)
    assert np.diff(root, 2) == pytest.approx(0.0, abs=1e-12)


def test_few_levels_are_all_taken_where_a_sampler_would_take_more() -> None:
    assert len(DenoisingOptions().levels(Karras().log_snr(20))) == 20


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
        LikelihoodOptions.model_validate({"guidance": 1.0})
    with pytest.raises(ValidationError, match="divergence belongs to the method flow"):
        LikelihoodOptions(method="bound", divergence="exact")
