"""Shared by all verbs: output streams, tables, JSON, and a client whose errors end the program.

A terminal gets tables that fit; a pipe gets plain text, one line for each row and nothing cut; `--json` gives the
response of the API.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.text import Text

from pushforward.service.cli.tables import aligned, fitted, one_line, plain
from pushforward.service.client import Client, Refused, Torn, Unreachable

out = Console(markup=False, highlight=False, soft_wrap=True)
err = Console(markup=False, highlight=False, soft_wrap=True, stderr=True)

LOCAL = "http://127.0.0.1:8000"
Url = Annotated[str, typer.Option("--url", envvar="PUSHFORWARD_URL", help="Address of the service's REST API.")]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency key: the same key starts one job.")]
Priority = Annotated[
    int | None, typer.Option("--priority", help="Of the job, -100 to 100: the highest starts first; 0 otherwise.")
]
Json = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON.")]

# Phrases about REST and gRPC in messages of the service, and the same for the command line.
IN_OUR_WORDS = {
    "of tables, and these are none; accept application/json": "of tables, and these are none; give --npy FILE",
    "models none; accept application/x-npy": "models none; give a FILE that ends in .npy",
    "in a stream: accept application/x-npy": "as an array: --npy FILE",
    "StartSampling draws more": "--out FILE draws more",
    "points of the plane are drawn; accept application/json": (
        "points of the plane are drawn; leave out --png, or take an array: --npy FILE"
    ),
    "ask for fewer, or for npy": "ask for fewer, or for an array: --npy FILE",
    "list the presets for all": "`pushforward presets` lists them all",
    "list the datasets for those there are": "`pushforward data list` lists those there are",
    "If-Match": "--replace",
    "give its sha256 to replace it: ": "give --replace to replace it, whose sha256 is ",
    "list the models for those there are": "`pushforward models` lists those there are",
    "watch its events and wait for its end": "follow it to its end with `pushforward jobs ID --follow`",
    "its result is the model": "see `pushforward models` for its result, the model",
    "give preset, start_from or run, or one of the first two and fields of its run to change": (
        "give --preset, --start-from, --run FILE, or a run in flags (--family.family vae --data.source digits)"
    ),
    "give start and end (data points), or start_seed and end_seed": "give --ends, or --start-seed and --end-seed",
    'give {"text": "..."}': 'give --condition "..."',
    'or {"text": "..."}': "or a text",
    "give start_seed and end_seed": "give --start-seed and --end-seed",
    "give start and end, two rows": "give --ends, two rows",
}


@contextlib.contextmanager
def client_at(url: str) -> Iterator[Client]:
    """A client whose errors end the program with a message, not a traceback."""
    try:
        with Client(url if "://" in url else f"http://{url}") as client:
            yield client
    except (Refused, Unreachable, Torn) as error:
        fail(in_our_words(str(error)))


def in_our_words(message: str) -> str:
    """A message of the service with verbs and flags of the command line instead of phrases about the APIs."""
    for theirs, ours in IN_OUR_WORDS.items():
        message = message.replace(theirs, ours)
    return message


def fail(message: str) -> NoReturn:
    """End the program with a message."""
    err.print(Text.assemble(("error", "red"), " ", message))
    raise typer.Exit(1)


def check_folder(file: Path) -> None:
    """End the program where the folder of a file does not exist."""
    if not file.parent.is_dir():
        fail(f"{file} cannot be written: there is no folder {file.parent}")


def print_json(value: Any) -> None:
    """JSON on standard output, indented."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, whole: int = 1, cut: bool = False) -> None:
    """A table that fits the terminal: the first `whole` columns stay on one line; `cut` shortens the last."""
    if not out.is_terminal:
        _print_lines(plain(headers, rows))
        return
    width = Console().width  # the current width of the terminal
    _print_lines(fitted(headers, rows, width, whole=whole, cut=cut))


def print_record(fields: Mapping[str, str]) -> None:
    """Names and values, one line each, where there is a value."""
    _print_lines(aligned([[name, one_line(value)] for name, value in fields.items() if value]))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(Text(line))
