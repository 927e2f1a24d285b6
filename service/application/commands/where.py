"""What drawn rows of a table must fulfil."""

from __future__ import annotations

from typing import Annotated, Any, Literal, final

from pydantic import BeforeValidator, ConfigDict

from pushforward.models.config.numbers_only import NumbersOnly
from pushforward.models.tables.columns import Value

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in"]


def _present(value: Any) -> Any:
    if value is None:
        raise ValueError("must be a value: a missing cell fulfils no comparison")
    return value


@final
class Where(NumbersOnly):
    """A comparison of a column with a value. A missing cell fulfils none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    """Name of the column."""
    op: Operator
    """The comparison; `in` takes a list of values."""
    value: Annotated[Value | tuple[Value, ...], BeforeValidator(_present)]
    """The value, as a record holds it; a list of values for `in`."""
