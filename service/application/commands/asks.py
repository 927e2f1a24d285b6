"""What all commands are, and all requests to a model."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from pushforward.models.config.numbers_only import NumbersOnly
from pushforward.service.application.commands.fields import Array, Condition, Records, Within
from pushforward.service.domain.catalog import Reference
from pushforward.service.domain.errors import FieldError, Invalid
from pushforward.service.domain.inference import Op


class Command(NumbersOnly):
    """Frozen; an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
    )


def lacks(what: str, *fields: str) -> Invalid:
    """The refusal where fields that belong together, or one of which is needed, are missing."""
    return Invalid(what, errors=tuple(FieldError(field, what) for field in fields))


class Ask(Command):
    """A request to a model. `op` is the capability it needs."""

    op: ClassVar[Op]

    model: Reference
    """`name` is the newest version, `name@3` is version 3."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the model's family for this capability."""
    condition: Condition | None = None
    """A label, a vector, a text or a record of columns, as the model was trained with: for all rows, or one each."""
    deadline_ms: Annotated[float, Field(gt=0)] | None = None
    """Milliseconds from now within which the response is useful; later the request is refused or dropped."""


class OfRows(Ask):
    """Of rows: arrays, or records of a table."""

    x: Array | None = None
    """Rows, [n, *shape]."""
    records: Records | None = None
    """Rows of a table, an object each, by column; in the place of `x`."""

    @model_validator(mode="after")
    def _rows_once(self) -> Self:
        self._check_rows()
        return self

    def _check_rows(self) -> None:
        """Raises Invalid."""
        if self.x is None and self.records is None:
            raise Invalid.field("x", "is missing; give x, or records of a model of a table")
        if self.x is not None and self.records is not None:
            raise Invalid.field("records", "are given beside x; give one of the two")

    @property
    def rows(self) -> np.ndarray:
        """The rows as an array. Raises TypeError where they are records that have not been read."""
        if self.x is None:
            raise TypeError("the records have not been read")
        return self.x


class OfRowsOrGrid(OfRows):
    """Of rows, or of the cells of a grid over the plane."""

    grid: Annotated[int, Field(ge=2, le=4096, strict=True)] | None = None
    """Cells along each axis of a grid over the plane, in the place of `x`: their centers, row by row, the top first."""
    within: Within | None = None
    """Rectangle that the grid covers, [[x_low, x_high], [y_low, y_high]]; left out: where the data lie."""

    @model_validator(mode="after")
    def _rows_once(self) -> Self:
        if self.grid is None and self.within is not None:
            raise Invalid.field("within", "is of a grid, and there is none; give grid, or leave it out")
        if self.grid is None:
            self._check_rows()
        elif self.x is not None or self.records is not None:
            raise Invalid.field("grid", "is given beside rows; give one of the two")
        return self
