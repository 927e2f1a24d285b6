"""What a search of fields of a run is: which fields, among which values, how often."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from pushforward.service.application.commands.asks import Command
from pushforward.service.application.commands.fields import Seed

MAX_TRIALS = 200
MAX_FIELDS = 20
MAX_CHOICES = 100

Value = str | bool | int | float | dict[str, Any]
Choices = Annotated[tuple[Value, ...], Field(min_length=1, max_length=MAX_CHOICES)]
FieldPath = Annotated[str, Field(pattern=r"^[a-z_][a-z_0-9]*(\.[a-z_0-9]+)*$", max_length=200)]


class Interval(Command):
    """All numbers from `low` to `high`: whole ones where both are whole."""

    low: int | float
    """Least value."""
    high: int | float
    """Greatest value."""
    log: bool = False
    """Whether each factor is as likely as any other, as for learning rates; else each difference."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be less than high")
        if self.log and self.low <= 0:
            raise ValueError("low must be more than 0, for log")
        return self


def _tag(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "interval"


Searched = Annotated[
    Annotated[Choices, Tag("list")] | Annotated[Interval, Tag("interval")],
    Discriminator(_tag),
]


class Sweep(Command):
    """Train once for each of several values of fields of the run, and tell which was best on held-out rows."""

    method: Literal["grid", "random"] = "random"
    """grid: all combinations of lists of values; random: `trials` draws of lists and intervals."""
    fields: Annotated[dict[FieldPath, Searched], Field(min_length=1, max_length=MAX_FIELDS)]
    """Of the run, by dotted path (`optimizer.lr`): a list of values, or {"low": 1e-4, "high": 1e-2, "log": true}."""
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS, strict=True)] | None = None
    """Trainings of a random search; left out: 10."""
    seed: Seed = 0
    """Seed of a random search."""

    @field_validator("fields")
    @classmethod
    def _apart(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for path in fields:
            inner = [other for other in fields if other.startswith(f"{path}.")]
            if inner:
                raise ValueError(f"{inner[0]} lies within {path}; name one of them")
            if path == "data" or path.startswith("data."):
                raise ValueError(f"{path} is not searched: held-out scores of other data cannot be compared")
            if path == "start_from":
                raise ValueError("start_from is not searched; give it beside sweep, for all trials")
        return fields

    @model_validator(mode="after")
    def _of_a_grid(self) -> Self:
        if self.method == "random":
            return self
        if self.trials is not None:
            raise ValueError("trials is for a random search; a grid has all combinations")
        n = 1
        for path, choices in self.fields.items():
            if isinstance(choices, Interval):
                raise ValueError(f"{path} is an interval, and a grid takes lists of values; or choose method random")
            n *= len(choices)
        if n > MAX_TRIALS:
            raise ValueError(f"the grid has {n} combinations, and at most {MAX_TRIALS} are trained; choose random")
        return self
