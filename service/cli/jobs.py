"""Trainings and samplings into files: begin, list, follow, cancel, fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from service.cli.following import follow as show_progress
from service.cli.following import numbers
from service.cli.terminal import LOCAL, Url, client_at, err, fail, out
from service.cli.values import flags, read_json
from service.client import Client


def train(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="What the trained model is to be called.")],
    preset: Annotated[str | None, typer.Option(help="A named run, see `presets`.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run as JSON, see `GET /families`; - is standard input.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress to the end.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key starts one job.")] = None,
    url: Url = LOCAL,
) -> None:
    """Train a model from a preset, a run file, or a run in flags: `--family.family flow --data.source two_moons`."""
    flagged = flags(context.args)
    if (preset is not None) + (run is not None) + bool(flagged) != 1:
        fail("give --preset, --run or a run in flags (--family.family vae --data.source digits), one of them")
    tree = read_json(str(run)) if run is not None else flagged or None
    with client_at(url) as client:
        job = client.train(model, preset=preset, run=tree, idempotency_key=key)
        if not follow:
            out.print_json(data=job)
            return
        err.print(f"job {job['id']} trains {model}")
        follow_job(client, job["id"])


def jobs(
    job: Annotated[str | None, typer.Argument(help="Show one job.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Ask for its end.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its progress to the end.")] = False,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Follow a sampling, and write its array.")] = None,
    url: Url = LOCAL,
) -> None:
    """List jobs; show, follow or cancel one, or fetch its file."""
    if job is None and (cancel or follow or output):
        fail("which job? see `pushforward jobs`")
    if cancel and (follow or output):
        fail("give --cancel, or --follow or --out")
    with client_at(url) as client:
        if job is None:
            wanted = {name: value for name, value in (("state", state), ("model", model)) if value}
            _jobs_table(client.get("/jobs", **wanted)["jobs"])
        elif cancel:
            out.print_json(data=client.cancel(job))
        elif output is not None:
            fetch(client, job, output)
        elif follow:
            follow_job(client, job)
        else:
            out.print_json(data=client.get(f"/jobs/{job}"))


def fetch(client: Client, job_id: str, file: Path) -> None:
    """Follow a sampling to its end, and write its file."""
    follow_job(client, job_id)
    try:
        client.download(job_id, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    err.print(f"wrote {file}")


def follow_job(client: Client, job_id: str) -> None:
    """Progress to the job's end, and how it ended. Ctrl-C leaves the job running."""
    try:
        client.get(f"/jobs/{job_id}")  # refuses what the patience of `watch` would wait for
        show_progress(client.watch(job_id), err)
        job = client.get(f"/jobs/{job_id}")
    except KeyboardInterrupt:
        where = "" if client.url == LOCAL else f" --url {client.url}"
        err.print(f"the job goes on; follow it again: pushforward jobs {job_id} --follow{where}")
        raise typer.Exit(130) from None
    if job["state"] != "succeeded":
        fail(f"job {job_id} {job['state']}" + (f": {job['error']['detail']}" if job["error"] else ""))
    if job["kind"] == "sample":
        err.print(f"drew {job['ask']['n']} rows of {job['ask']['model']} with seed {job['ask']['seed']}")
    else:
        reference = f"{job['model']}@{job['version']}"
        err.print(f"trained {reference}  {numbers(job['metrics'])}")
        for note in client.get(f"/models/{reference}")["notes"]:
            err.print(f"note: {note}")


def _jobs_table(rows: list[dict[str, Any]]) -> None:
    table = Table("job", "kind", "model", "state", "progress", "losses")
    for job in rows:
        progress = f"{job['progress']['step']}/{job['progress']['total_steps'] or '?'}"
        table.add_row(job["id"], job["kind"], job["model"], job["state"], progress, numbers(job["losses"]))
    out.print(table)
