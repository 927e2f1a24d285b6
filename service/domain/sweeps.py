"""Searches as the service keeps them: their trials, what each reached, and which is best. Plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.storage.card import Curve
from pushforward.service.domain.record import Record

DISTANCE = "sliced_wasserstein_standardized"  # compares models whose held-out losses are of different kinds, or missing


class TrialRecord(Record):
    """A training of a search."""

    job: str
    """Job that trains it."""
    values: dict[str, Any]
    """Values of the fields that are searched, by path."""
    state: str | None = None
    """State of its job; null once the record of the job is gone."""
    version: int | None = None
    """Version of the model that it published."""
    score: JsonFloat | None = None
    """What it reached on held-out rows, so far while it runs; less is better, null where nothing was measured."""


class SweepRecord(Record):
    """A search: trainings that differ in some fields of their run, and which of them is best."""

    method: Literal["grid", "random"]
    """grid or random."""
    fields: dict[str, Any]
    """What is searched: for each path a list of values or an interval."""
    seed: int
    """Seed of a random search."""
    trials: tuple[TrialRecord, ...] = ()
    """The trainings, in the order in which they are claimed; left out of lists and events."""
    score_name: str | None = None
    """Name of the score: the held-out loss of the weights that are served, else a distance of samples from data."""
    best: str | None = None
    """Job of the trial with the least score among those that succeeded; null until there is one."""


@dataclass(frozen=True)
class NewTrial:
    """A trial to be created."""

    values: dict[str, Any]
    run: dict[str, Any]


@dataclass(frozen=True)
class Reached:
    """What the record of a trial's job says."""

    state: str
    version: int | None
    curve: Curve | None
    metrics: Mapping[str, float]


def with_scores(sweep: SweepRecord, reached: Sequence[Reached | None]) -> SweepRecord:
    """The search with what its trials reached, one for each; None where the record of a trial is gone."""
    name = _score_name([each for each in reached if each is not None])
    trials = tuple(
        trial
        if found is None
        else trial.model_copy(
            update={"state": found.state, "version": found.version, "score": _scores(found).get(name or "")}
        )
        for trial, found in zip(sweep.trials, reached, strict=True)
    )
    scored = [(each.score, each.job) for each in trials if each.state == "succeeded" and each.score is not None]
    return sweep.model_copy(update={"trials": trials, "score_name": name, "best": min(scored)[1] if scored else None})


def _score_name(reached: Sequence[Reached]) -> str | None:
    """The loss that all have which are measured; else the distance, which all can have."""
    measured = [scores for each in reached if (scores := _scores(each))]
    losses = {each.curve.name for each in reached if each.curve is not None}
    shared = [name for name in sorted(losses) if all(name in scores for scores in measured)]
    return shared[0] if measured and shared else DISTANCE if any(DISTANCE in scores for scores in measured) else None


def _scores(reached: Reached) -> dict[str, float]:
    """Its scores by name: finite numbers."""
    scores: dict[str, float] = {}
    curve = reached.curve
    if curve is not None and curve.values:
        place = curve.steps.index(curve.best_step) if curve.best_step in curve.steps else -1
        scores[curve.name] = curve.values[place]
    if DISTANCE in reached.metrics:
        scores[DISTANCE] = reached.metrics[DISTANCE]
    return {name: score for name, score in scores.items() if isfinite(score)}
