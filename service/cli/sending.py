"""Sends requests to a model and writes their answers; large ones are sent in parts, and their answers joined.

A row of an answer depends on that row alone; where a likelihood is estimated, its noise depends on the row's number
within the part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pushforward.service.cli.jobs import fetch
from pushforward.service.cli.terminal import client_at, err, fail
from pushforward.service.client import Client, whole_file

STANDARD_OUTPUT = Path("-")
PNG, NPY = "image/png", "application/x-npy"
PART_VALUES = 50_000  # numbers of one request: about a MiB of JSON
PART_ROWS = 5_000


def ask(url: str, op: str, body: dict[str, Any], png: Path | None, npy: Path | None) -> None:
    """Send a request, and write the answer as a picture, as an array, or as JSON on standard output."""
    file = _one_file(png, npy)
    with client_at(url) as client:
        if file is None:
            answer = client.ask(op, body)
            sys.stdout.write(answer.text + "\n")
            if answer.status_code == HTTPStatus.ACCEPTED:
                _started(client, answer.json(), None)
            return
        accept = PNG if png is not None else NPY
        with _writing(file):
            if file == STANDARD_OUTPUT:
                job = client.write(op, body, sys.stdout.buffer, accept=accept)
            else:
                job = client.save(op, body, file, accept=accept)
        if job is not None:
            _started(client, job, npy)
            return
    _wrote(file)


def ask_in_parts(url: str, op: str, field: str, body: dict[str, Any], png: Path | None, npy: Path | None) -> None:
    """Send a request of many rows in parts; a picture shows few rows, so its request is not divided."""
    file = _one_file(png, npy)
    if png is not None:
        ask(url, op, body, png, None)
        return
    with client_at(url) as client:
        requests = parts(client, body, field)
        if file is None:
            sys.stdout.write(joined([client.ask(op, each).content for each in requests]).decode() + "\n")
            return
        arrays = [np.load(BytesIO(client.ask(op, each, accept=NPY).content)) for each in requests]
        _save(file, np.concatenate(arrays))
    _wrote(file)


def ask_of_file(url: str, op: str, content: bytes, media_type: str, fields: dict[str, Any], npy: Path | None) -> None:
    """Send the rows of a table as the file they are in."""
    with client_at(url) as client:
        if npy is None:
            sys.stdout.write(client.ask_of_file(op, content, media_type, fields).text + "\n")
            return
        _save(npy, np.load(BytesIO(client.ask_of_file(op, content, media_type, fields, accept=NPY).content)))
    _wrote(npy)


def _save(file: Path, array: np.ndarray) -> None:
    with _writing(file):
        if file == STANDARD_OUTPUT:
            np.save(sys.stdout.buffer, array)
        else:
            with whole_file(file) as stream:
                np.save(stream, array)


def _one_file(png: Path | None, npy: Path | None) -> Path | None:
    if png is not None and npy is not None:
        fail("give --png or --npy, one of them")
    return png or npy


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")


def _wrote(file: Path) -> None:
    if file != STANDARD_OUTPUT:
        err.print(f"wrote {file}")


def _started(client: Client, job: dict[str, Any], file: Path | None) -> None:
    """Report the job that was started instead of an answer, because there are too many rows."""
    err.print(f"more rows than one answer holds: job {job['id']} draws them into a file")
    if file is None or file == STANDARD_OUTPUT:
        err.print(f"write it when it is done: pushforward jobs {job['id']} --out FILE")
    else:
        fetch(client, job["id"], file)


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
    """Whether a condition has an entry for each row: a list of labels, of vectors, of texts or of records."""
    condition = body.get(name)
    if isinstance(condition, Mapping):
        return isinstance(condition.get("text"), list) and len(condition["text"]) == n_rows
    if condition is None or np.ndim(condition) == 0 or len(condition) != n_rows:
        return False
    if isinstance(condition[0], Mapping):
        return True
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
