"""Upload, list, show and delete datasets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pushforward.service.cli.completion import complete_datasets
from pushforward.service.cli.data.file_types import media_type_of
from pushforward.service.cli.data.outlines import print_outline
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Url,
    client_at,
    err,
    fail,
    print_json,
    print_record,
    print_table,
)
from pushforward.service.client import Refused

DatasetName = Annotated[
    str, typer.Argument(help="Name of the dataset.", show_default=False, autocompletion=complete_datasets)
]
NOT_FOUND = 404
KIB = 1024


def put(
    name: DatasetName,
    file: Annotated[Path, typer.Argument(help="File to upload.", show_default=False)],
    media_type: Annotated[str | None, typer.Option("--type", help="Media type; left out: by the file's name.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file that has this name.")] = False,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """Upload a file for runs to read: `--data.dataset NAME`."""
    if not file.is_file():
        fail(f"there is no file {file}")
    chosen = media_type or media_type_of(file)
    with client_at(url) as client:
        replaces = None
        if replace:
            try:
                replaces = client.get(f"/datasets/{name}")["sha256"]
            except Refused as error:
                if error.status != NOT_FOUND:
                    raise
        try:
            record = client.put_dataset(name, file, chosen, replaces=replaces)
        except OSError as error:
            fail(f"{file} cannot be read: {error.strerror}")
        print_json(record) if json else _show(record)


def list_datasets(json: Json = False, url: Url = LOCAL) -> None:
    """List the datasets that were uploaded."""
    with client_at(url) as client:
        answer = client.get("/datasets")
    if json:
        print_json(answer)
        return
    rows = [(each["name"], each["media_type"], size_in_words(each["bytes"])) for each in answer["datasets"]]
    print_table(("dataset", "type", "size"), rows)


def show(name: DatasetName, json: Json = False, url: Url = LOCAL) -> None:
    """Show a dataset: its type, size and digest."""
    with client_at(url) as client:
        record = client.get(f"/datasets/{name}")
    print_json(record) if json else _show(record)


def outline(name: DatasetName, json: Json = False, url: Url = LOCAL) -> None:
    """What a dataset would be as data of a run: its rows, and the kind of each column and why."""
    with client_at(url) as client:
        told = client.outline_dataset(name)
    if json:
        print_json(told)
        return
    print_outline({"dataset": name, "source": told["data"]["source"]}, told)


def delete(name: DatasetName, url: Url = LOCAL) -> None:
    """Delete a dataset, unless a job reads it."""
    with client_at(url) as client:
        client.delete(f"/datasets/{name}")
    err.print(f"deleted {name}")


VERBS: Mapping[str, Callable[..., None]] = {
    "put": put,
    "list": list_datasets,
    "show": show,
    "outline": outline,
    "delete": delete,
}

data = typer.Typer(help="Upload, list, show and delete datasets: files for runs to read.", no_args_is_help=True)
for _name, _verb in VERBS.items():
    data.command(_name)(_verb)


def _show(record: Mapping[str, Any]) -> None:
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["created_at"]))
    print_record(
        {
            "dataset": record["name"],
            "type": record["media_type"],
            "size": size_in_words(record["bytes"]),
            "sha256": record["sha256"],
            "uploaded": created,
        }
    )


def size_in_words(n_bytes: int) -> str:
    """`1.5 MiB`."""
    size, units = float(n_bytes), iter(("bytes", "KiB", "MiB"))
    for unit in units:
        if size < KIB:
            return f"{size:.4g} {unit}"
        size /= KIB
    return f"{size:.4g} GiB"
