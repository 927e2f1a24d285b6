"""The verb that evaluates a model: a job, and its report as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from pushforward.service.cli.catalog import show_evaluation
from pushforward.service.cli.inference import Model, Seed
from pushforward.service.cli.jobs import follow_job
from pushforward.service.cli.terminal import LOCAL, Json, Url, client_at, err, print_json
from pushforward.service.cli.values import read_json


def evaluate(
    model: Model,
    metrics: Annotated[str | None, typer.Option(help="Metrics, with commas between; left out: all that apply.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare with this source of data, as JSON in a file; else rows held out.")
    ] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="How many samples.")] = None,
    seed: Seed = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key starts one job.")] = None,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """Compare samples of a model with held-out rows, and show the report."""
    source = None if against is None else read_json(against)
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    with client_at(url) as client:
        job = client.evaluate(model, against=source, metrics=names, n=n, seed=seed, idempotency_key=key)
        reference = job["evaluation"]["model"]
        err.print(f"job {job['id']} evaluates {reference}")
        follow_job(client, job["id"])
        report = client.get(f"/models/{reference}")["evaluation"]
        print_json(report) if json else show_evaluation(report)
