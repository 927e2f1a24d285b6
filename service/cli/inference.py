"""The verbs that send requests to a model, from sample to translate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pushforward.service.cli.completion import complete_models
from pushforward.service.cli.jobs import fetch
from pushforward.service.cli.parts import joined, parts
from pushforward.service.cli.terminal import LOCAL, Url, check_folder, client_at, err, fail
from pushforward.service.cli.values import array, chosen, condition_of, options_of
from pushforward.service.client import Client, whole_file

STANDARD_OUTPUT = Path("-")
PNG, NPY = "image/png", "application/x-npy"

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
        help="A label (3), a vector (0.1,0.2) or a text for all rows; for each row JSON, or an .npy file.",
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
        with _writing(file):
            if file == STANDARD_OUTPUT:
                np.save(sys.stdout.buffer, np.concatenate(arrays))
            else:
                with whole_file(file) as stream:
                    np.save(stream, np.concatenate(arrays))
    _wrote(file)


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
