"""The kinds of a table's columns, and how a cell of each is a number.

    number       itself                                            NaN where it is missing
    time         units since `start`                               NaN where it is missing
    category     the index of its value in `values`                NaN where it is missing
    constant     no cell: the same value in every row
    identifier   no cell: another value in every row, made anew

A number may have atoms: values that are so frequent that they have a probability of their own. A number with a step
lies on a grid; its probability is that of the grid's point.
"""

from __future__ import annotations

from abc import ABC
from math import isfinite
from typing import Annotated, Literal, Self, TypeAlias, final

from pydantic import Field, PositiveFloat, model_validator

from pushforward.models.config.config import Config
from pushforward.models.tables.transform import NumberTransform, TransformName

Value: TypeAlias = bool | int | float | str  # of a category or a constant, as a record holds it
Unit = Literal["day", "second", "millisecond", "microsecond", "nanosecond"]

OTHER = "other"  # the value that stands for rare and unseen ones
MAX_CATEGORIES = 10_000  # of all columns of a table


Shares: TypeAlias = tuple[Annotated[float, Field(gt=0, le=1)], ...]


def _check_shares(shares: Shares, n_cases: int) -> None:
    if len(shares) not in (0, n_cases):
        raise ValueError("shares are one for each case, or none")


class Column(Config, ABC):
    """What the cells of one column are."""

    kind: str  # a Literal with a default in each final column
    name: str
    """The column's name, as in the file."""
    arrow_type: str
    """The type of its values in the file, in Arrow's words, which drawn rows have too."""


class Numeric(Column, ABC):
    """A column whose cells are numbers, but for those that are missing and those at atoms."""

    transform: NumberTransform
    """From numbers to what networks see."""
    fitted_by: TransformName = "quantile"
    """How the transform follows from the training rows."""
    step: PositiveFloat | None = None
    """Distance of the grid that the numbers lie on; null where they lie anywhere."""
    low: float
    """The least number in training."""
    high: float
    """The greatest number in training."""
    atoms: tuple[float, ...] = ()
    """Values that have a probability of their own."""
    missing: bool = False
    """Whether cells may be missing."""
    shares: Shares = ()
    """The share of each case among the training rows, where they were counted: a number, missing, each atom."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_shares(self.shares, self.n_cases)
        if not self.low <= self.high or not isfinite(self.high - self.low):
            raise ValueError("low is at most high, and both are finite")
        if list(self.atoms) != sorted(set(self.atoms)):
            raise ValueError("atoms are listed once each, in order")
        return self

    @property
    def n_cases(self) -> int:
        """How many cases a cell has: a number, missing, one for each atom."""
        return 1 + self.missing + len(self.atoms)


@final
class Number(Numeric):
    """Numbers."""

    kind: Literal["number"] = "number"


@final
class Time(Numeric):
    """Dates, times of day, durations or points in time: whole units since `start`."""

    kind: Literal["time"] = "time"
    unit: Unit
    """What numbers count."""
    start: int
    """The unit that is number 0, counted from 1970, from midnight, or from nothing, as the type has it."""
    format: str | None = None
    """How texts write the times, as `strftime` has it; null where the type is a time."""


@final
class Category(Column):
    """One of some values."""

    kind: Literal["category"] = "category"
    values: tuple[Value, ...] = Field(min_length=1, max_length=MAX_CATEGORIES)
    """The values; a cell is an index of one."""
    ordered: bool = False
    """Whether the values are in an order that means something."""
    missing: bool = False
    """Whether cells may be missing."""
    other: bool = False
    """Whether the last value, `other`, stands for those in few rows, and for unseen ones."""
    shares: Shares = ()
    """The share of each case among the training rows, where they were counted: each value, missing."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _check_shares(self.shares, self.n_cases)
        if len({(type(value), value) for value in self.values}) != len(self.values):
            raise ValueError("values are listed once each")
        if self.other and self.values[-1] != OTHER:
            raise ValueError(f"the last value is {OTHER!r} where one stands for others")
        return self

    @property
    def n_cases(self) -> int:
        """How many cases a cell has: one for each value, and missing."""
        return len(self.values) + self.missing


@final
class Constant(Column):
    """The same value in every row."""

    kind: Literal["constant"] = "constant"
    value: Value | None
    """The value; null where every cell is missing."""


@final
class Identifier(Column):
    """Another value in every row, which tells nothing of it: drawn rows have numbers of their own."""

    kind: Literal["identifier"] = "identifier"
    prefix: str = ""
    """What stands before the number."""


Modelled: TypeAlias = Number | Time | Category
AnyColumn = Annotated[Number | Time | Category | Constant | Identifier, Field(discriminator="kind")]
