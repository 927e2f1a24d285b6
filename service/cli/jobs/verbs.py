"""The verb of jobs: list, show, follow, pause, resume and cancel them; download their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pushforward.service.cli.completion import complete_jobs, job_id
from pushforward.service.cli.jobs.following import PicturesOption, fetch, follow_job
from pushforward.service.cli.jobs.losses import show_losses
from pushforward.service.cli.jobs.records import jobs_table, show_job
from pushforward.service.cli.terminal import LOCAL, Json, Url, client_at, err, fail, print_json
from pushforward.service.client import FINAL, Client

JobArgument = Annotated[
    str | None, typer.Argument(help="Show one job: its id, or the beginning of it.", autocompletion=complete_jobs)
]


def jobs(
    job: JobArgument = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel it.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Have it wait until it is resumed.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Have a paused one go on where it was.")] = False,
    losses: Annotated[bool, typer.Option("--losses", help="Draw its losses; in a pipe, their values.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its progress to the end.")] = False,
    state: Annotated[str | None, typer.Option(help="queued, running, paused, succeeded, failed or cancelled.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 100,
    after: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Follow a sampling, and write its array.")] = None,
    pictures: PicturesOption = None,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """List jobs; show, follow, pause, resume or cancel one, draw its losses, or fetch its file."""
    chosen = [cancel, pause, resume, losses, follow or output is not None or pictures is not None]
    if job is None and any(chosen):
        fail("which job? see `pushforward jobs`")
    if sum(chosen) > 1:
        fail("give --cancel, --pause, --resume or --losses, or --follow, --pictures or --out")
    with client_at(url) as client:
        if job is None:
            wanted = {name: value for name, value in (("state", state), ("model", model), ("after", after)) if value}
            page = client.get("/jobs", limit=limit, **wanted)
            print_json(page) if json else jobs_table(page["jobs"])
            if page["next"] is not None:
                err.print(f"more: --after {page['next']}")
            return
        found = job_id(client, job)
        if output is not None:
            _check_is_sampling(client.get(f"/jobs/{found}"))
            fetch(client, found, output)
        elif losses:
            show_losses(client, found, json=json)
        elif follow or pictures is not None:
            follow_job(client, found, pictures)
        else:
            done = _cancelled if cancel else Client.pause if pause else Client.resume if resume else _job
            record = done(client, found)
            print_json(record) if json else show_job(record)


def _job(client: Client, job: str) -> dict[str, Any]:
    record: dict[str, Any] = client.get(f"/jobs/{job}")
    return record


def _cancelled(client: Client, job: str) -> dict[str, Any]:
    """The cancelled job; one that had already ended stays as it is, with a message."""
    before = client.get(f"/jobs/{job}")["state"]
    record = client.cancel(job)
    if before in FINAL:
        err.print(f"job {job} had ended already: it {before if before != 'cancelled' else 'was cancelled'}")
    return record


def _check_is_sampling(job: Mapping[str, Any]) -> None:
    if job["kind"] != "sample":
        what = (
            "an evaluation, which leaves a report" if job["kind"] == "evaluate" else "a training, which leaves a model"
        )
        fail(f"job {job['id']} is {what} and no file; --out is for samplings")
