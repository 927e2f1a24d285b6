"""A run: family, data, optimizer, budget and seed. The REST schema, the CLI's flags and the model card at once.

Example:
    >>> from pushforward.models import Run
    >>> run = Run.model_validate({"family": {"family": "gan"}, "data": {"source": "two_moons"}, "seed": 1})
    >>> run.family.game
    NonSaturating(game='non_saturating')
    >>> Run.model_validate_json(run.model_dump_json()) == run
    True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import ceil
from typing import Any, Self

from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator

from pushforward.models.config.config import Config
from pushforward.models.data import AnyData, Source
from pushforward.models.families import FAMILIES, AnyFamily
from pushforward.models.family import Conditions, Translates
from pushforward.models.losses import Adam

MAX_STEPS = 10_000_000
LENGTHS = frozenset({"steps", "epochs", "seconds"})  # of a budget: one of them

START_PATTERN = r"^(job:[0-9a-f]{16}|[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?)$"
START_FORM = "must be a version of a model, such as digits-vae@3, or a job that left a checkpoint: job: and its id"


class Budget(Config):
    """How long to train: optimizer `steps`, `epochs` over the training rows, or `seconds`. One of them.

    A training that continues another has so much more.
    """

    steps: int | None = Field(None, ge=1, le=MAX_STEPS)
    """Optimizer steps."""
    epochs: int | None = Field(None, ge=1, le=100_000)
    """Passes over the training rows."""
    seconds: float | None = Field(None, gt=0, le=1e8)
    """Seconds of training. How many steps they are is measured before the first, so the weights depend on the pace."""
    patience: int | None = Field(None, ge=1)
    """Points of the held-out curve without a new lowest after which the training ends early; left out: it does not."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(getattr(self, name) is not None for name in LENGTHS) != 1:
            raise ValueError("give steps, epochs or seconds, one of them")
        return self

    def total_steps(self, rows: int | None, batch_size: int) -> int | None:
        """Steps of the whole run over `rows` training rows; None where rows are sampled afresh, 10,000 an epoch.

        None where the budget is seconds: the pace tells (`models.training.pace`).
        """
        if self.epochs is not None:
            return self.epochs * max(1, ceil((rows or 10_000) / batch_size))
        return self.steps


class Run(Config):
    """Everything that determines a model. The same run gives the same weights."""

    family: AnyFamily
    """What is trained."""
    data: AnyData
    """What it is trained on."""
    optimizer: Adam = Field(default_factory=lambda fields: fields["family"].optimizer)
    """How it is trained; fields left out are the family's own choice."""
    budget: Budget = Budget(steps=2000)
    """How long it is trained: steps, epochs or seconds."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of weights, batches and noise; the same run with the same seed gives the same model."""
    devices: PositiveInt = Field(1, le=64)
    """Devices that compute each batch side by side, a part of its rows each: GPUs, or processes on a CPU."""
    start_from: str | None = Field(None, pattern=START_PATTERN)
    """What it starts from: a version of a model, or `job:<id>`; left out: fresh weights. A record has the version."""

    @field_validator("data")
    @classmethod
    def _family_takes_the_condition(cls, data: Source, fields: ValidationInfo) -> Source:
        family = fields.data.get("family")
        if family is None:
            return data
        name = family.family
        if data.condition is None and isinstance(family, Translates):
            raise ValueError(f"has no condition, and {name} translates from one to another; give condition")
        if data.condition is None or (isinstance(family, Conditions) and family.reads_text):
            return data  # a family that reads text says in its `check` which data have one
        text = data.is_told("text")
        if text or not isinstance(family, Conditions):
            able = ", ".join(
                each for each, cls in FAMILIES.items() if issubclass(cls, Conditions) and cls.reads_text == text
            )
            what = "captions" if text else "a condition"
            left_out = "" if isinstance(family, Translates) else "leave it out, or "
            raise ValueError(f"has {what}, which {name} does not take; {left_out}train {able}")
        return data

    @field_validator("optimizer", mode="before")
    @classmethod
    def _defaults_of_the_family(cls, optimizer: Any, fields: ValidationInfo) -> Any:
        """Fields that a run leaves out are those of the family: a GAN with another `lr` keeps its betas."""
        if isinstance(optimizer, dict) and "family" in fields.data:
            return {**fields.data["family"].optimizer.model_dump(), **optimizer}
        return optimizer

    @field_validator("optimizer")
    @classmethod
    def _family_trains_in_this_precision(cls, optimizer: Adam, fields: ValidationInfo) -> Adam:
        family = fields.data.get("family")
        if family is not None and optimizer.precision == "bfloat16" and not family.trains_in_bfloat16:
            raise ValueError(
                f"has the precision bfloat16, and {family.family} adds up its rounding over the steps of a solver; "
                "leave precision out, or give float32"
            )
        return optimizer

    @field_validator("devices")
    @classmethod
    def _devices_have_rows(cls, n: int, fields: ValidationInfo) -> int:
        adam = fields.data.get("optimizer")
        if adam is not None and n * adam.accumulate > adam.batch_size:
            raise ValueError(
                f"is {n}, with {adam.accumulate} parts on each, and a batch has {adam.batch_size} rows; "
                "give at most as many parts as rows"
            )
        return n

    def changed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of this run, those of `changes` in their place: field by field within an object of the same kind.

        An object of another kind (another family, another source) takes the place of the whole one. The optimizer was
        chosen for the family and goes with it; `steps`, `epochs` and `seconds` exclude each other.
        """
        fields = self.model_dump(mode="json")
        family = changes.get("family")
        if isinstance(family, Mapping) and not _same_kind(fields["family"], family):
            del fields["optimizer"]
        budget = changes.get("budget")
        if isinstance(budget, Mapping) and not LENGTHS.isdisjoint(budget):
            fields["budget"] = {name: value for name, value in fields["budget"].items() if name not in LENGTHS}
        return _merged(fields, changes)


def _merged(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**fields, **changes}
    for name, old in fields.items():
        new = changes.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and _same_kind(old, new):
            merged[name] = _merged(old, new)
    return merged


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether no tag of `new` (the field that says which member of a union an object is) differs from that of `old`."""
    return all(old[tag] == new[tag] for tag in _tags() if tag in new and isinstance(old.get(tag), str))


@lru_cache(maxsize=1)
def _tags() -> frozenset[str]:
    """The tags of all unions within a run."""
    return frozenset(_discriminators(Run.model_json_schema()))


def _discriminators(schema: Any) -> Iterator[str]:
    match schema:
        case {"discriminator": {"propertyName": name}}:
            yield name
        case list():
            for each in schema:
                yield from _discriminators(each)
            return
    if isinstance(schema, dict):
        for each in schema.values():
            yield from _discriminators(each)
