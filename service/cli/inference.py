"""The verbs that send requests to a model, from sample to translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pushforward.service.cli.completion import complete_models
from pushforward.service.cli.data.file_types import MEDIA_TYPES
from pushforward.service.cli.jobs.following import fetch
from pushforward.service.cli.sending import (
    Target,
    are_records,
    ask,
    ask_in_parts,
    ask_of_file,
    ask_of_rows,
    table_type,
)
from pushforward.service.cli.terminal import LOCAL, Priority, Url, check_folder, client_at, err, fail
from pushforward.service.cli.values import array, chosen, condition_of, options_of

Model = Annotated[
    str, typer.Argument(help="NAME is the newest version; NAME@3 is version 3.", autocompletion=complete_models)
]
Rows = Annotated[str, typer.Option("--x", help="Rows: an .npy file, or JSON in a file or on standard input (-).")]
RowsOrTable = Annotated[
    str,
    typer.Option("--x", help="Rows: an .npy file, or JSON in a file or on -; of a table also .csv, .parquet, ..."),
]
Seed = Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same answer.")]
Choice = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="KEY=VALUE, see `pushforward families FAMILY`.")
]
Condition = Annotated[
    str | None,
    typer.Option(
        "--condition",
        help="A label (3) or its name, a vector (0.1,0.2), a text, or columns as JSON; for each row JSON, or an .npy.",
    ),
]
Png = Annotated[Path | None, typer.Option("--png", help="Write a picture; - is standard output.")]
Npy = Annotated[Path | None, typer.Option("--npy", help="Write an array; - is standard output.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        help="Write rows as its name says: .csv, .parquet, .arrow, .npy, .png; - is csv on standard output.",
    ),
]


def sample(
    model: Model,
    n: Annotated[int, typer.Option("-n", "--n", help="How many rows.")] = 16,
    seed: Seed = None,
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    output: Output = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Draw in a job and write its file: more rows than one answer holds.")
    ] = None,
    priority: Priority = None,
    url: Url = LOCAL,
) -> None:
    """Draw new rows. A terminal shows images as a picture and rows of a table as one; a pipe gets JSON."""
    if out is not None:
        if png is not None or npy is not None or output is not None:
            fail("give --png, --npy, --output or --out, one of them")
        check_folder(out)
        with client_at(url) as client:
            job = client.sample_to_file(
                model,
                n=n,
                seed=seed,
                condition=condition_of(condition),
                options=options_of(option),
                media_type=MEDIA_TYPES.get(out.suffix.lower()),
                priority=priority,
            )
            err.print(f"job {job['id']} draws {n} rows of {job['ask']['model']}")
            fetch(client, job["id"], out)
        return
    if priority is not None:
        fail("--priority is for a job that writes a file; give --out")
    body = {"model": model, "n": n} | ({} if seed is None else {"seed": seed})
    ask(url, "sample", body | chosen(condition, option), Target.of(png, npy, output))


def likelihood(
    model: Model,
    x: RowsOrTable,
    seed: Seed = 0,
    condition: Condition = None,
    option: Choice = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """log p(x) of each row, in nats."""
    ask_of_rows(url, "likelihood", x, {"model": model, "seed": seed} | chosen(condition, option), npy)


def score(
    model: Model,
    file: Annotated[
        str,
        typer.Argument(help="Rows: an .npy file, or JSON in a file or on -; of a table also .csv, .parquet or .arrow."),
    ],
    false_alarm_rate: Annotated[float, typer.Option(help="Share of ordinary rows that may be flagged.")] = 0.01,
    seed: Seed = 0,
    condition: Condition = None,
    npy: Annotated[Path | None, typer.Option("--npy", help="Write the p-values; - is standard output.")] = None,
    url: Url = LOCAL,
) -> None:
    """Find anomalies: p-values of log p(x) among held-out rows."""
    fields = {"model": model, "seed": seed, "false_alarm_rate": false_alarm_rate}
    if condition is not None:
        fields["condition"] = condition_of(condition)
    ask_of_rows(url, "score", file, fields, npy)


def encode(
    model: Model, x: RowsOrTable, condition: Condition = None, option: Choice = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """The latent code of each row."""
    ask_of_rows(url, "encode", x, {"model": model} | chosen(condition, option), npy)


def decode(
    model: Model,
    z: Annotated[str, typer.Option("--z", help="Codes: an .npy file, or JSON in a file or on standard input (-).")],
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """The data of each latent code."""
    ask_in_parts(url, "decode", "z", {"model": model, "z": array(z)} | chosen(condition, option), Target.of(png, npy))


def reconstruct(
    model: Model, x: Rows, condition: Condition = None, png: Png = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """Encode and decode each row; of a model that translates, there and back."""
    ask_in_parts(
        url, "reconstruct", "x", {"model": model, "x": array(x)} | chosen(condition, None), Target.of(png, npy)
    )


def complete(
    model: Model,
    patches: Annotated[str | None, typer.Option(help="Patches of each row, in any order: .npy, or JSON.")] = None,
    x: Annotated[
        str | None,
        typer.Option(
            "--x",
            help="Rows of which a part is known, with --mask, the rest finite, such as 0; or of a table, with empty "
            "cells: .csv, .parquet, .arrow, or JSON.",
        ),
    ] = None,
    mask: Annotated[str | None, typer.Option(help="1 where they are known: .npy, or JSON.")] = None,
    n: Annotated[int, typer.Option("-n", "--n", help="Of a table: rows drawn for each row.")] = 1,
    given: Annotated[list[str] | None, typer.Option(help="Of a table: a column whose empty cells are so.")] = None,
    seed: Seed = None,
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    output: Output = None,
    url: Url = LOCAL,
) -> None:
    """Make whole rows of patches, of a part that a mask shows, or of a table's rows with empty cells.

    Known pixels are not kept as they are; known cells are.
    """
    target = Target.of(png, npy, output)
    fields = {"model": model, "seed": seed or 0, "n": n} | chosen(condition, option)
    if given:
        fields["given"] = given
    if x is not None and (table := table_type(x)) is not None:
        ask_of_file(url, "complete", x, table, fields, target)
        return
    arrays = {name: array(of) for name, of in {"patches": patches, "x": x, "mask": mask}.items() if of is not None}
    if are_records(arrays.get("x")):
        arrays["records"] = arrays.pop("x")
    ask(url, "complete", fields | arrays, target)


def translate(
    model: Model,
    x: Rows,
    to: Annotated[
        str, typer.Option("--to", help="The domain: a label (3) or a vector (0,1); for each row JSON, or an .npy file.")
    ],
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """Translate each row to another domain."""
    body = {"model": model, "x": array(x), "to": condition_of(to, "--to")}
    ask_in_parts(url, "translate", "x", body | chosen(condition, option), Target.of(png, npy))


def interpolate(
    model: Model,
    ends: Annotated[str | None, typer.Option(help="Two rows, [2, *shape]: .npy, or JSON in a file or on -.")] = None,
    start_seed: Seed = None,
    end_seed: Seed = None,
    steps: Annotated[int, typer.Option(min=2, help="Rows of the interpolation, both ends included.")] = 8,
    path: Annotated[str | None, typer.Option(help="slerp or linear; the default depends on the model's codes.")] = None,
    condition: Condition = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """Interpolate from one row to another (--ends), or from one sample to another (--start-seed, --end-seed)."""
    body: dict[str, Any] = {"model": model, "steps": steps}
    if path is not None:
        body["path"] = path
    if ends is not None:
        rows = array(ends)
        if not isinstance(rows, list | np.ndarray) or len(rows) != 2:
            fail("--ends holds two rows, the start and the end: [2, *shape]")
        body |= {"start": rows[0], "end": rows[1]}
    body |= {name: seed for name, seed in (("start_seed", start_seed), ("end_seed", end_seed)) if seed is not None}
    ask(url, "interpolate", body | chosen(condition, None), Target.of(png, npy))
