"""The command line: `pushforward up` runs the service, every other verb asks it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from service.cli.asks import decode, encode, interpolate, likelihood, reconstruct, sample
from service.cli.catalog import families, models, presets
from service.cli.jobs import jobs, train
from service.cli.up import up

app = typer.Typer(
    name="pushforward",
    help="Train generative models on your own data and serve them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
VERBS: tuple[Callable[..., None], ...] = (
    up,
    families,
    presets,
    train,
    jobs,
    models,
    sample,
    likelihood,
    encode,
    decode,
    reconstruct,
    interpolate,
)
FLAGS_OF_A_RUN = {"allow_extra_args": True, "ignore_unknown_options": True}

for verb in VERBS:
    app.command(context_settings=FLAGS_OF_A_RUN if verb is train else None)(verb)


def main() -> None:
    """The console script."""
    app()
