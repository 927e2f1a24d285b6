"""The verbs that send requests to a model, from sample to translate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pushforward.service.cli.completion import complete_models
from pushforward.service.cli.jobs import fetch
from pushforward.service.cli.sending import ask, ask_in_parts, ask_of_file
from pushforward.service.cli.terminal import LOCAL, Url, check_folder, client_at, err, fail
from pushforward.service.cli.values import array, chosen, condition_of, content_of, options_of

TABLE_FILES = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
}

Model = Annotated[
    str, typer.Argument(help="NAME is the newest version; NAME@3 is version 3.", autocompletion=complete_models)
]
Rows = Annotated[str, typer.Option("--x", help="Rows: an .npy file, or JSON in a file or on standard input (-).")]
Seed = Annotated[int | None, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same answer.")]
Choice = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="KEY=VALUE, see `pushforward families FAMILY`.")
]
Condition = Annotated[
    str | None,
    typer.Option(
        "--condition",
        help="A label (3), a vector (0.1,0.2), a text or columns as JSON for all rows; for each JSON, or an .npy file.",
    ),
]
Png = Annotated[Path | None, typer.Option("--png", help="Write a picture; - is standard output.")]
Npy = Annotated[Path | None, typer.Option("--npy", help="Write an array; - is standard output.")]


def sample(
    model: Model,
    n: Annotated[int, typer.Option("-n", "--n", help="How many rows.")] = 16,
    seed: Seed = None,
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Draw in a job and write its array: more rows than one answer holds.")
    ] = None,
    url: Url = LOCAL,
) -> None:
    """Draw new rows."""
    if output is not None:
        if png is not None or npy is not None:
            fail("give --png, --npy or --out, one of them")
        check_folder(output)
        with client_at(url) as client:
            job = client.sample_to_file(
                model, n=n, seed=seed, condition=condition_of(condition), options=options_of(option)
            )
            err.print(f"job {job['id']} draws {n} rows of {job['ask']['model']}")
            fetch(client, job["id"], output)
        return
    body = {"model": model, "n": n} | ({} if seed is None else {"seed": seed})
    ask(url, "sample", body | chosen(condition, option), png, npy)


def likelihood(
    model: Model,
    x: Rows,
    seed: Seed = 0,
    condition: Condition = None,
    option: Choice = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """log p(x) of each row, in nats."""
    body = {"model": model, "x": array(x), "seed": seed}
    ask_in_parts(url, "likelihood", "x", body | chosen(condition, option), None, npy)


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
    media_type = TABLE_FILES.get(Path(file).suffix)
    if media_type is not None:
        ask_of_file(url, "score", content_of(file), media_type, fields, npy)
        return
    rows = array(file)
    field = "records" if isinstance(rows, list) and rows and isinstance(rows[0], dict) else "x"
    ask_in_parts(url, "score", field, fields | {field: rows}, None, npy)


def encode(
    model: Model, x: Rows, condition: Condition = None, option: Choice = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """The latent code of each row."""
    ask_in_parts(url, "encode", "x", {"model": model, "x": array(x)} | chosen(condition, option), None, npy)


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
    ask_in_parts(url, "decode", "z", {"model": model, "z": array(z)} | chosen(condition, option), png, npy)


def reconstruct(
    model: Model, x: Rows, condition: Condition = None, png: Png = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """Encode and decode each row; of a model that translates, there and back."""
    ask_in_parts(url, "reconstruct", "x", {"model": model, "x": array(x)} | chosen(condition, None), png, npy)


def complete(
    model: Model,
    patches: Annotated[str | None, typer.Option(help="Patches of each row, in any order: .npy, or JSON.")] = None,
    x: Annotated[
        str | None,
        typer.Option("--x", help="Rows of which a part is known, with --mask; the rest is finite, such as 0."),
    ] = None,
    mask: Annotated[str | None, typer.Option(help="1 where they are known: .npy, or JSON.")] = None,
    seed: Seed = None,
    condition: Condition = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """Make whole rows of patches of them, or of a part that a mask shows. Known pixels are not kept as they are."""
    given = {name: array(of) for name, of in {"patches": patches, "x": x, "mask": mask}.items() if of is not None}
    ask(url, "complete", {"model": model, "seed": seed or 0} | given | chosen(condition, None), png, npy)


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
    ask_in_parts(url, "translate", "x", body | chosen(condition, option), png, npy)


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
    ask(url, "interpolate", body | chosen(condition, None), png, npy)
