"""The trials of a search: values of fields, and the run of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from json import dumps
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from pushforward.models.run import Run
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.sweep import Interval, Sweep
from pushforward.service.application.commands.validation import invalid
from pushforward.service.application.trainings.training import CheckedRun, fitting
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.ports import NewJob
from pushforward.service.domain.sweeps import NewTrial, SweepRecord
from pushforward.service.settings import Settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

TRIALS = 10  # of a random search that does not say


class Trial(NamedTuple):
    """One training of a search."""

    values: dict[str, Any]  # by path
    run: Run


def trials_of(sweep: Sweep, base: Run) -> list[Trial]:
    """The trials, in order: equal for an equal sweep. Raises Invalid where a value makes no run, naming its field."""
    return [Trial(values, _changed(base, values)) for values in _values(sweep)]


async def checked_trials(sweep: Sweep | None, base: CheckedRun, settings: Settings) -> list[Trial]:
    """The trials of a search, each checked against the data of the base; none without a search. Raises Invalid."""
    if sweep is None:
        return []
    trials = await asyncio.to_thread(trials_of, sweep, base.run)  # loads Optuna with the first search
    if len(trials) > settings.max_queued_jobs:
        told = f"has {len(trials)} trials, and at most {settings.max_queued_jobs} jobs may wait"
        raise Invalid.field("sweep", f"{told}; make it smaller, or raise PUSHFORWARD_MAX_QUEUED_JOBS")
    for trial in trials:
        try:
            fitting(trial.run, base.outline)
        except Invalid as error:
            raise _of_sweep(error, trial) from error
    return trials


async def new_training(command: TrainModel, base: CheckedRun, settings: Settings) -> NewJob:
    """The training to be recorded, or the search with all its trials. Raises Invalid."""
    run, sweep = base.run.model_dump(mode="json"), command.sweep
    new = NewJob(command.model, run, command.preset, priority=command.priority)
    if sweep is None:
        return new
    trials = await checked_trials(sweep, base, settings)
    asked = SweepRecord(method=sweep.method, fields=sweep.model_dump(mode="json")["fields"], seed=sweep.seed)
    return replace(
        new, sweep=asked, trials=[NewTrial(each.values, each.run.model_dump(mode="json")) for each in trials]
    )


def _of_sweep(error: Invalid, trial: Trial) -> Invalid:
    """The same refusal, at the searched field that is at fault, with the values of the trial."""
    values = ", ".join(f"{path} = {dumps(value)}" for path, value in trial.values.items())
    field = error.errors[0].field.removeprefix("run.")
    near = [path for path in trial.values if f"{field}.".startswith(f"{path}.") or path.startswith(f"{field}.")]
    message = f"with {values}: {error.errors[0].message}"
    return Invalid.field(f"sweep.fields.{near[0]}" if near else "sweep.fields", message)


def _values(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """The values of each trial; categories are numbers of choices, so that they may be objects."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked = {path: _distribution(choices) for path, choices in sweep.fields.items()}
    sampler, n = _sampler(sweep)
    study = optuna.create_study(sampler=sampler)
    for _ in range(n):
        drawn = study.ask(asked).params
        yield {
            path: drawn[path] if isinstance(choices, Interval) else choices[drawn[path]]
            for path, choices in sweep.fields.items()
        }


def _sampler(sweep: Sweep) -> tuple[BaseSampler, int]:
    from optuna.samplers import GridSampler, RandomSampler

    if sweep.method == "random":
        return RandomSampler(seed=sweep.seed), sweep.trials or TRIALS
    space = {path: range(len(choices)) for path, choices in sweep.fields.items() if not isinstance(choices, Interval)}
    return GridSampler(space, seed=sweep.seed), prod(map(len, space.values()))


def _distribution(choices: tuple[Any, ...] | Interval) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if not isinstance(choices, Interval):
        return IntDistribution(0, len(choices) - 1)
    if isinstance(choices.low, int) and isinstance(choices.high, int):
        return IntDistribution(choices.low, choices.high, log=choices.log)
    return FloatDistribution(choices.low, choices.high, log=choices.log)


def _changed(base: Run, values: Mapping[str, Any]) -> Run:
    """The run with these values in the place of its own. Raises Invalid."""
    changes: dict[str, Any] = {}
    for path, value in values.items():
        *outer, last = path.split(".")
        place = changes
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    fields = base.changed(changes)
    try:
        return Run.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise invalid(faults, fields, within="sweep.fields", model=Run) from None
