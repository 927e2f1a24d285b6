"""`models.run`: fields of a run in the place of another's."""

import pytest
from pydantic import ValidationError

from pushforward.models.presets import PRESETS
from pushforward.models.run import Budget, Run

VAE = PRESETS["vae-digits"].run


def changed(**changes: object) -> Run:
    return Run.model_validate(VAE.changed(changes))


def test_a_changed_field_leaves_its_neighbors() -> None:
    run = changed(family={"latent": 5}, optimizer={"lr": 1e-4}, seed=3)
    assert run.family == VAE.family.model_copy(update={"latent": 5})
    assert run.optimizer == VAE.optimizer.model_copy(update={"lr": 1e-4})
    assert (run.data, run.budget, run.seed) == (VAE.data, VAE.budget, 3)


def test_nothing_changed_is_the_same_run() -> None:
    assert changed() == VAE


def test_a_null_is_a_value() -> None:
    assert changed(optimizer={"ema": 0.5}).optimizer.ema == 0.5
    assert changed(optimizer={"ema": None}).optimizer.ema is None


def test_steps_take_the_place_of_epochs_and_epochs_of_steps() -> None:
    assert changed(budget={"epochs": 2}).budget == Budget(epochs=2)
    assert changed(budget={"steps": 7}).budget == Budget(steps=7)


def test_seconds_take_the_place_of_steps_and_patience_stays_beside_either() -> None:
    patient = Run.model_validate(VAE.changed({"budget": {"patience": 3}}))
    assert patient.budget == VAE.budget.model_copy(update={"patience": 3})
    assert Run.model_validate(patient.changed({"budget": {"seconds": 1.5}})).budget == Budget(seconds=1.5, patience=3)


@pytest.mark.parametrize(
    "budget", [{}, {"steps": 1, "seconds": 1}, {"epochs": 1, "steps": 1}, {"patience": 1}, {"seconds": 0}, {"steps": 0}]
)
def test_a_budget_has_one_length_that_is_positive(budget: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(budget)


@pytest.mark.parametrize("start", ["digits-vae", "digits-vae@3", "job:0123456789abcdef"])
def test_a_run_starts_from_a_version_or_a_job(start: str) -> None:
    assert changed(start_from=start).start_from == start


@pytest.mark.parametrize("start", ["", "Digits", "digits@0", "job:1", "job:0123456789ABCDEF", "../x", "a@1@2"])
def test_a_run_starts_from_nothing_else(start: str) -> None:
    with pytest.raises(ValidationError, match="start_from"):
        changed(start_from=start)


def test_another_family_brings_its_own_fields_and_optimizer() -> None:
    run = changed(family={"family": "ae", "latent": 3}, data={"source": "two_moons"})
    assert run == Run.model_validate(
        {"family": {"family": "ae", "latent": 3}, "data": {"source": "two_moons"}, "budget": VAE.budget}
    )


def test_another_member_of_a_union_within_brings_its_own_fields() -> None:
    wide = changed(family={"posterior": {"posterior": "cholesky"}})
    assert wide.family.model_dump()["posterior"] == {"posterior": "cholesky"}
    assert wide.family.model_dump()["latent"] == VAE.family.model_dump()["latent"]


def test_every_preset_takes_a_changed_seed() -> None:
    for preset in PRESETS.values():
        assert Run.model_validate(preset.run.changed({"seed": 12})) == preset.run.model_copy(update={"seed": 12})
