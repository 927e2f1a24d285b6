"""`service.application.trainings.sweeps`: the trials of a search."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.models.presets import PRESETS
from pushforward.models.run import Budget
from pushforward.service.application.commands.sweep import Sweep
from pushforward.service.application.commands.validation import parse
from pushforward.service.application.trainings.sweeps import trials_of
from pushforward.service.domain.errors import Invalid

BASE = PRESETS["vae-digits"].run
LR = {"low": 1e-4, "high": 1e-2, "log": True}


def sweep(**fields: Any) -> Sweep:
    return parse(Sweep, fields, within="sweep")


def test_a_grid_has_every_combination_once() -> None:
    trials = trials_of(sweep(method="grid", fields={"family.latent": [2, 4], "optimizer.lr": [0.1, 0.01, 0.001]}), BASE)
    assert sorted((each.values["family.latent"], each.values["optimizer.lr"]) for each in trials) == [
        (latent, lr) for latent in (2, 4) for lr in (0.001, 0.01, 0.1)
    ]
    assert all((t.run.family.model_dump()["latent"], t.run.optimizer.lr) == tuple(t.values.values()) for t in trials)


def test_all_other_fields_are_those_of_the_run() -> None:
    (trial,) = trials_of(sweep(fields={"budget.steps": [7]}, trials=1), BASE)
    assert trial.run == BASE.model_copy(update={"budget": Budget(steps=7)})


def test_a_random_search_draws_from_lists_and_intervals() -> None:
    wanted = sweep(fields={"optimizer.lr": LR, "family.latent": {"low": 2, "high": 5}, "seed": [3, 8]}, trials=40)
    trials = trials_of(wanted, BASE)
    assert len(trials) == 40
    assert all(1e-4 <= each.run.optimizer.lr <= 1e-2 for each in trials)
    assert sum(each.run.optimizer.lr < 1e-3 for each in trials) > 10  # half of them, for each factor is as likely
    assert {each.values["family.latent"] for each in trials} == {2, 3, 4, 5}
    assert {each.run.seed for each in trials} == {3, 8}


def test_the_same_search_has_the_same_trials_and_another_seed_others() -> None:
    drawn = [[t.values for t in trials_of(sweep(fields={"optimizer.lr": LR}, seed=s), BASE)] for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 10


def test_whole_objects_are_searched_too() -> None:
    games = [{"likelihood": "bernoulli"}, {"likelihood": "gaussian"}]
    trials = trials_of(sweep(method="grid", fields={"family.likelihood": games}), BASE)
    assert sorted(each.run.family.model_dump()["likelihood"]["likelihood"] for each in trials) == [
        "bernoulli",
        "gaussian",
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"fields": {}}, "sweep.fields"),
        ({"fields": {"optimizer.lr": []}}, "sweep.fields.optimizer.lr"),
        ({"fields": {"optimizer.lr": {"low": 2, "high": 1}}}, "low must be less than high"),
        ({"fields": {"optimizer.lr": {"low": 0, "high": 1, "log": True}}}, "low must be more than 0"),
        ({"fields": {"optimizer": [{}], "optimizer.lr": [1]}}, "optimizer.lr lies within optimizer"),
        ({"fields": {"data.source": ["digits", "two_moons"]}}, "data.source is not searched"),
        ({"method": "grid", "fields": {"optimizer.lr": LR}}, "optimizer.lr is an interval"),
        ({"method": "grid", "fields": {"seed": [1]}, "trials": 3}, "trials is for a random search"),
        ({"method": "grid", "fields": {x: list(range(20)) for x in ("seed", "budget.steps")}}, "400 combinations"),
        ({"fields": {"seed": [1]}, "trials": 1000}, "sweep.trials"),
    ],
)
def test_a_search_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        sweep(**fields)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("optimizer.lr", -1, "sweep.fields.optimizer.lr"),
        ("family.depht", 3, "sweep.fields.family.depht"),
        ("famly", 3, "sweep.fields.famly"),
        ("budget.epochs", 0, "sweep.fields.budget.epochs"),
    ],
)
def test_a_value_that_makes_no_run_is_refused_by_its_field(path: str, value: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        trials_of(sweep(fields={path: [value]}), BASE)
    assert refused.value.errors[0].field == field
