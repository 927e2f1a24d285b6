"""What drawn rows of a table must fulfil."""

from __future__ import annotations

from typing import Literal, final

from pydantic import ConfigDict

from pushforward.models.config.numbers_only import NumbersOnly
from pushforward.models.tables.columns import Value

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in"]


@final
class Where(NumbersOnly):
    """A comparison of a column with a value. A missing cell fulfils none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    """Name of the column."""
    op: Operator
    """The comparison; `in` takes a list of values."""
    value: Value | tuple[Value, ...]
    """The value, as a record holds it; a list of values for `in`."""
