"""Sends requests to a model and writes their answers; large ones are sent in parts, and their answers joined.

A row of an answer depends on that row alone; where a likelihood is estimated, its noise depends on the row's number
within the part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
import orjson

from pushforward.models.data.tables.media_types import CSV, ENDINGS
from pushforward.service.cli.graphics.answers import show_answer
from pushforward.service.cli.jobs.following import fetch
from pushforward.service.cli.terminal import client_at, err, fail, out, print_table
from pushforward.service.cli.values import array, content_of
from pushforward.service.client import Client, whole_file

STANDARD_OUTPUT = Path("-")
PNG, NPY, JSON = "image/png", "application/x-npy", "application/json"
PART_VALUES = 50_000  # numbers of one request: about a MiB of JSON
PART_ROWS = 5_000


@final
@dataclass(frozen=True)
class Target:
    """Where an answer goes, and its format; without a file it is printed."""

    file: Path | None
    media_type: str

    @classmethod
    def of(cls, png: Path | None = None, npy: Path | None = None, output: Path | None = None) -> Target:
        """The one of these flags that was given. Ends the program where several were, or a name tells no format."""
        given = [(png, PNG), (npy, NPY)] + ([] if output is None else [(output, _format_of(output))])
        chosen = [cls(file, media_type) for file, media_type in given if file is not None]
        if len(chosen) > 1:
            fail("give --png, --npy or --output, one of them")
        return chosen[0] if chosen else cls(None, JSON)


def ask(url: str, op: str, body: dict[str, Any], target: Target) -> None:
    """Send a request, and write the answer to a file, or print it."""
    file, accept = target.file, target.media_type
    with client_at(url) as client:
        if file is None:
            if show_answer(client, op, body, out, err):
                return
            answer = client.ask(op, body)
            if answer.status_code == HTTPStatus.ACCEPTED:
                sys.stdout.write(answer.text + "\n")
                _started(client, answer.json(), None)
            else:
                print_answer(answer.content)
            return
        with _writing(file):
            if file == STANDARD_OUTPUT:
                job = client.write(op, body, sys.stdout.buffer, accept=accept)
            else:
                job = client.save(op, body, file, accept=accept)
        if job is not None:
            _started(client, job, None if accept == PNG else file)
            return
    _wrote(file)


def ask_of_rows(url: str, op: str, source: str, fields: dict[str, Any], npy: Path | None) -> None:
    """Send rows: a table in a file, records, or arrays, in parts."""
    table = table_type(source)
    if table is not None:
        ask_of_file(url, op, source, table, fields, Target.of(npy=npy))
        return
    rows = array(source)
    field = "records" if are_records(rows) else "x"
    ask_in_parts(url, op, field, fields | {field: rows}, Target.of(npy=npy))


def table_type(source: str) -> str | None:
    """The media type of a file of a table, by its name; None where it is none."""
    return ENDINGS.get(Path(source).suffix.lower())


def are_records(rows: Any) -> bool:
    """Whether JSON holds rows of a table: objects."""
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)


def print_answer(content: bytes) -> None:
    """An answer on standard output: JSON, or on a terminal the records of a table as one."""
    told = orjson.loads(content) if out.is_terminal else None
    if not isinstance(told, dict) or not told.get("records"):
        sys.stdout.write(content.decode() + "\n")
        return
    records = told["records"]
    print_table(tuple(records[0]), [["" if cell is None else str(cell) for cell in each.values()] for each in records])
    err.print(told["model"] + (f" with seed {told['seed']}" if "seed" in told else ""))


def ask_in_parts(url: str, op: str, field: str, body: dict[str, Any], target: Target) -> None:
    """Send a request of many rows in parts; a picture shows few rows, so its request is not divided."""
    file = target.file
    if target.media_type == PNG:
        ask(url, op, body, target)
        return
    with client_at(url) as client:
        if file is None and show_answer(client, op, body, out, err):
            return
        requests = parts(client, body, field)
        if file is None:
            print_answer(joined([client.ask(op, each).content for each in requests]))
            return
        arrays = [np.load(BytesIO(client.ask(op, each, accept=NPY).content)) for each in requests]
        stream = BytesIO()
        np.save(stream, np.concatenate(arrays))
        _save(file, stream.getvalue())
    _wrote(file)


def ask_of_file(url: str, op: str, source: str, media_type: str, fields: dict[str, Any], target: Target) -> None:
    """Send the rows of a table as the file they are in."""
    with client_at(url) as client:
        content = client.ask_of_file(op, content_of(source), media_type, fields, accept=target.media_type).content
        if target.file is None:
            print_answer(content)
            return
        _save(target.file, content)
    _wrote(target.file)


def _save(file: Path, content: bytes) -> None:
    with _writing(file):
        if file == STANDARD_OUTPUT:
            sys.stdout.buffer.write(content)
        else:
            with whole_file(file) as stream:
                stream.write(content)


def _format_of(file: Path) -> str:
    """The format of an answer in a file of this name; on standard output csv. Ends the program for another name."""
    formats = {**ENDINGS, ".npy": NPY, ".png": PNG}
    if file == STANDARD_OUTPUT:
        return CSV
    found = formats.get(file.suffix.lower())
    if found is None:
        fail(f"the name of {file} tells no format; let it end in {', '.join(formats)}")
    return found


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
