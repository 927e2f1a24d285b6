"""The verb `evaluate`, and its report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pushforward.service.cli.inference import Model, Seed
from pushforward.service.cli.jobs.following import follow_job
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Key,
    Priority,
    Url,
    client_at,
    err,
    out,
    print_json,
    print_table,
)
from pushforward.service.cli.values import source_of


def evaluate(
    model: Model,
    metrics: Annotated[str | None, typer.Option(help="Metrics, with commas between; left out: all that apply.")] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Compare with held_out (the default), or a source of data: JSON, here, in a file or on -."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column that train_on_synthetic predicts.")] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="How many samples.")] = None,
    seed: Seed = None,
    priority: Priority = None,
    key: Key = None,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """Compare samples of a model with held-out rows, and show the report."""
    names = None if metrics is None else metrics.replace(" ", "").split(",")
    with client_at(url) as client:
        job = client.evaluate(
            model,
            against=source_of(against),
            metrics=names,
            target=target,
            n=n,
            seed=seed,
            priority=priority,
            idempotency_key=key,
        )
        reference = job["evaluation"]["model"]
        err.print(f"job {job['id']} evaluates {reference}")
        follow_job(client, job["id"])
        report = client.get(f"/models/{reference}")["evaluation"]
        print_json(report) if json else show_evaluation(report)


def show_evaluation(report: Mapping[str, Any]) -> None:
    """The report of an evaluation: a line for each metric, beside its floor and a Gaussian."""
    against = "held-out rows" if report["against"] == "held_out" else f"rows of {report['against']['source']}"
    out.print(f"{report['n']} samples against {report['n_reference']} {against}, seed {report['seed']}:")
    headers = ("metric", "samples", "training rows", "a Gaussian", "ideal", "better", "p-value")
    print_table(headers, [*map(metric_row, report["metrics"])])
    if report["labels"] is not None:
        rows = zip(*(map(str, report["labels"][side]) for side in ("samples", "reference")), strict=True)
        print_table(("label", "samples", "rows"), [(str(label), *row) for label, row in enumerate(rows)])


def metric_row(metric: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, values with their standard errors, the ideal value, which values are better, and the p-value."""
    values = [value_in_words(metric[side]) for side in ("model", "floor", "gaussian")]
    p = metric["model"]["p_value"]
    p_value = "" if p is None else f"{float(p):.2g}"
    return metric["name"], *values, f"{float(metric['ideal']):.4g}", metric["better"], p_value


def value_in_words(measured: Mapping[str, Any] | None) -> str:
    """`0.0123 ± 0.004`; empty where it was not measured."""
    if measured is None:
        return ""
    error = measured["std_error"]
    return f"{float(measured['value']):.4g}" + ("" if error is None else f" ± {float(error):.2g}")
