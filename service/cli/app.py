"""The command line: `pushforward up` runs the service, every other verb calls its REST API."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pushforward.service.cli.catalog.evaluation import evaluate
from pushforward.service.cli.catalog.families import families, presets
from pushforward.service.cli.catalog.models import models
from pushforward.service.cli.data import verbs as datasets
from pushforward.service.cli.inference import (
    complete,
    decode,
    encode,
    interpolate,
    likelihood,
    reconstruct,
    sample,
    score,
    translate,
)
from pushforward.service.cli.jobs.train import train
from pushforward.service.cli.jobs.verbs import jobs
from pushforward.service.cli.schemas import run_lines
from pushforward.service.cli.terminal import out
from pushforward.service.cli.up import up

app = typer.Typer(
    name="pushforward",
    help="Train generative models on your own data and serve them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text, in pipes too
)


class TrainCommand(TyperCommand):
    """`train`, whose help also lists the fields of a run, which are flags."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The fields of a run, after the declared options."""
        with formatter.section("Fields of a run (`pushforward families NAME` shows those of a family)"):
            formatter.write_dl([(line.name, line.sentence) for line in run_lines()], col_max=24)


VERBS: tuple[Callable[..., None], ...] = (
    up,
    families,
    presets,
    train,
    jobs,
    models,
    evaluate,
    sample,
    likelihood,
    score,
    encode,
    decode,
    reconstruct,
    interpolate,
    complete,
    translate,
)

FLAGS_OF_A_RUN = {"allow_extra_args": True, "ignore_unknown_options": True}

for verb in VERBS:
    if verb is train:
        app.command(cls=TrainCommand, context_settings=FLAGS_OF_A_RUN)(verb)
    else:
        app.command()(verb)


app.add_typer(datasets.data, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"pushforward {version('pushforward')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="The same as after the verb.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train generative models on your own data and serve them."""
    if json:
        json_too = {"json": True}
        context.default_map = {verb.__name__: json_too for verb in VERBS} | {
            "data": {name: json_too for name in datasets.VERBS if name != "delete"}
        }


def main() -> None:
    """The console script."""
    app()
