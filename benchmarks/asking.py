"""Ask a model about more rows than one ask takes, each told its condition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data import Rows
from pushforward.models.data.captioned_digits import TEXT
from pushforward.models.data.source import Source
from pushforward.service.client import Client

AT_ONCE = 500  # rows of one ask


def conditions(source: Source, rows: Rows) -> dict[str, Any]:
    """The field `condition` of an ask about rows, empty for a model without one."""
    values = source.condition_values(rows)  # (n, V)
    if values.shape[1] == 0:
        return {}
    if source.is_told("text"):
        return {"condition": {"text": [TEXT.given(row).text for row in values]}}
    labels = rows.c is None
    return {"condition": values[:, 0].astype(np.int64) if labels else values}


def answered(client: Client, op: str, field: str, model: str, **rows: NDArray[Any]) -> NDArray[np.float64]:
    """A field of the answers about rows, all arrays cut alike; what is not finite is NaN."""
    n = len(next(iter(rows.values())))
    parts = [
        client.ask(op, {"model": model, **{name: array[at : at + AT_ONCE] for name, array in rows.items()}}).json()
        for at in range(0, n, AT_ONCE)
    ]
    return np.concatenate([np.asarray(part[field], np.float64) for part in parts])
