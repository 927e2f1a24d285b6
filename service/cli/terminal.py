"""What all verbs share: the two streams they write to, a client whose refusals end the program, and its address."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from service.client import Client, Refused, Torn, Unreachable

PIPE_COLUMNS = 240  # a table that is piped is not folded to the 80 columns of no terminal
out = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
err = Console(markup=False, highlight=False, soft_wrap=True, stderr=True)

LOCAL = "http://127.0.0.1:8000"
Url = Annotated[str, typer.Option("--url", envvar="PUSHFORWARD_URL", help="Address of the REST door.")]


@contextlib.contextmanager
def client_at(url: str) -> Iterator[Client]:
    """A client whose refusals end the program with a message, not a trace."""
    try:
        with Client(url) as client:
            yield client
    except (Refused, Unreachable, Torn) as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """End the program with a message."""
    err.print(Text.assemble(("error", "red"), " ", message))
    raise typer.Exit(1)
