"""`models.run`: fields of a run in the place of another's."""

from pushforward.models.presets import PRESETS
from pushforward.models.run import Run

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
    assert changed(budget={"epochs": 2}).budget.model_dump() == {"steps": None, "epochs": 2}
    assert changed(budget={"steps": 7}).budget.model_dump() == {"steps": 7, "epochs": None}


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
