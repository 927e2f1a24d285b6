"""Large requests are sent in parts, and their answers joined.

A row of an answer depends on that row alone; where a likelihood is estimated, its noise depends on the row's number
within the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import orjson

from pushforward.service.client import Client

PART_VALUES = 50_000  # numbers of one request: about a MiB of JSON
PART_ROWS = 5_000


def parts(client: Client, body: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    """The request divided by the rows of `field`; the request itself where they are few."""
    rows = body[field]
    if not isinstance(rows, np.ndarray) or rows.ndim == 0:
        yield body
        return
    most = max(1, min(PART_ROWS, PART_VALUES // max(1, prod(rows.shape[1:]))))
    if len(rows) <= most:
        yield body
        return
    by_row = [name for name in ("condition", "to") if _is_by_row(client, body, name, len(rows))]
    for first in range(0, len(rows), most):
        part = {field: rows[first : first + most]}
        yield body | part | {name: _some(body[name], slice(first, first + most)) for name in by_row}


def _is_by_row(client: Client, body: Mapping[str, Any], name: str, n_rows: int) -> bool:
    """Whether a condition has an entry for each row: a list of labels, of vectors or of texts."""
    condition = body.get(name)
    if isinstance(condition, Mapping):
        return isinstance(condition.get("text"), list) and len(condition["text"]) == n_rows
    if condition is None or np.ndim(condition) == 0 or len(condition) != n_rows:
        return False
    kind = client.get(f"/models/{body['model']}")["spec"]["condition"]
    return np.ndim(condition) == (1 if kind is not None and kind["kind"] == "labels" else 2)


def _some(condition: Any, rows: slice) -> Any:
    return {"text": condition["text"][rows]} if isinstance(condition, Mapping) else condition[rows]


def joined(answers: list[bytes]) -> bytes:
    """One answer of several: their lists of rows concatenated, other fields as in the last."""
    if len(answers) == 1:
        return answers[0]
    read = [orjson.loads(answer) for answer in answers]
    return orjson.dumps(_joined(read))


def _joined(answers: list[Any]) -> Any:
    match answers[-1]:
        case list():
            return [row for answer in answers for row in answer]
        case dict():
            return {name: _joined([answer[name] for answer in answers]) for name in answers[-1]}
    return answers[-1]
