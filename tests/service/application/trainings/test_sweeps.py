"""`service.application.trainings.sweeps`: the trials of a search."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.models.presets import PRESETS
from pushforward.models.run import Budget
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.sweep import Sweep
from pushforward.service.application.commands.validation import parse
from pushforward.service.application.trainings.sweeps import trials_of
from pushforward.service.domain.errors import Conflict, Invalid
from pushforward.service.domain.jobs import Job, State
from tests.apis.fakes import Wakeups, application
from tests.service.application.conftest import CARDS, Recorded

BASE = PRESETS["vae-digits"].run
BERNOULLI = {"family": "vae", "latent": 2, "likelihood": {"likelihood": "bernoulli"}}
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
        ({"fields": {"start_from": ["m@1", "m@2"]}}, "start_from is not searched; give it beside sweep"),
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


def command(**fields: Any) -> TrainModel:
    rates = {"method": "grid", "fields": {"optimizer.lr": [0.1, 0.01]}}
    return parse(TrainModel, {"model": "m", "preset": "vae-digits", "sweep": rates, **fields})


def trials(job: Job) -> list[str]:
    assert job.sweep is not None
    return [trial.job for trial in job.sweep.trials]


async def test_a_search_makes_a_job_of_each_trial_and_wakes_workers_for_them(app: Application) -> None:
    job = await app.jobs.train(command(priority=5))
    assert job.sweep is not None
    assert (job.kind, job.state, job.preset, job.run) == (
        "sweep",
        State.RUNNING,
        "vae-digits",
        BASE.model_dump(mode="json"),
    )
    assert (job.sweep.method, job.sweep.seed, job.sweep.fields) == ("grid", 0, {"optimizer.lr": [0.1, 0.01]})
    for trial in job.sweep.trials:
        child = await app.jobs.get(trial.job)
        assert (child.kind, child.part_of, child.priority, child.preset) == ("train", job.id, 5, "vae-digits")
        assert child.run["optimizer"]["lr"] == trial.values["optimizer.lr"]
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == trials(job)


async def test_a_start_is_that_of_all_trials_and_is_pinned(app: Application) -> None:
    job = await app.jobs.train(command(preset=None, start_from="moons"))
    assert {(await app.jobs.get(trial)).run["start_from"] for trial in trials(job)} == {"moons@1"}


async def test_a_resumed_search_wakes_workers(app: Application) -> None:
    job = await app.jobs.train(command())
    assert (await app.jobs.pause(job.id)).state is State.PAUSED
    assert (await app.jobs.resume(job.id)).state is State.RUNNING
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == 2 * trials(job)


async def test_a_key_gives_the_same_search_and_belongs_to_it_alone(app: Application) -> None:
    job = await app.jobs.train(command(), idempotency_key="k")
    assert await app.jobs.train(command(), idempotency_key="k") == job
    for other in (command(sweep=None), command(sweep={"fields": {"seed": [1]}}), command(preset="flow-two-moons")):
        with pytest.raises(Conflict):
            await app.jobs.train(other, idempotency_key="k")


async def test_a_plan_tells_how_many_trainings_a_search_makes_and_starts_none(app: Application) -> None:
    assert (await app.jobs.plan(command())).trials == 2
    assert (await app.jobs.plan(command(sweep=None))).trials is None
    assert (await app.jobs.list()).jobs == []


@pytest.mark.parametrize("is_plan", [True, False])
@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        (
            {"preset": "flow-two-moons", "sweep": {"fields": {"family": [BERNOULLI]}, "trials": 1}},
            "sweep.fields.family",
            "with family = ",
        ),
        ({"sweep": {"fields": {"optimizer.lr": [-1.0]}}}, "sweep.fields.optimizer.lr", "greater than 0"),
    ],
)
async def test_a_trial_that_does_not_fit_the_data_is_refused_by_its_field_and_values(
    app: Application, changes: dict[str, Any], field: str, says: str, is_plan: bool
) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        await (app.jobs.plan(command(**changes)) if is_plan else app.jobs.train(command(**changes)))
    assert refused.value.errors[0].field == field
    assert (await app.jobs.list()).jobs == []


async def test_a_search_of_more_trials_than_may_wait_is_refused(app: Application, asks: Recorded) -> None:
    small = application(app.settings.model_copy(update={"max_queued_jobs": 1}), CARDS, asks)
    with pytest.raises(Invalid, match="has 2 trials, and at most 1 jobs may wait") as refused:
        await small.jobs.train(command())
    assert refused.value.errors[0].field == "sweep"


async def test_nothing_starts_from_a_search(app: Application) -> None:
    job = await app.jobs.train(command())
    with pytest.raises(Invalid, match="is no training"):
        await app.jobs.train(TrainModel(model="m", start_from=f"job:{job.id}"))
