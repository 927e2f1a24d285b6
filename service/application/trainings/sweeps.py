"""The trials of a search: values of fields, and the run of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from pushforward.models.run import Run
from pushforward.service.application.commands.sweep import Interval, Sweep
from pushforward.service.application.commands.validation import invalid

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
