"""Jobs followed to their ends, from a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pushforward.service.cli.jobs.losses import show_lines
from pushforward.service.cli.jobs.records import best_of
from pushforward.service.cli.pictures import saved
from pushforward.service.cli.progress import follow as show_progress
from pushforward.service.cli.progress import headline
from pushforward.service.cli.terminal import LOCAL, check_folder, err, fail
from pushforward.service.client import Client

PicturesOption = Annotated[
    Path | None, typer.Option("--pictures", help="Follow, and keep the newest pictures of the training in this folder.")
]


def fetch(client: Client, job: str, file: Path) -> None:
    """Follow a sampling to its end, and write its file."""
    check_folder(file)
    follow_job(client, job)
    try:
        client.download(job, file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    err.print(f"wrote {file}")


def follow_job(client: Client, job_id: str, pictures: Path | None = None) -> None:
    """Show the progress of a job to its end, and its result. Ctrl-C leaves the job running.

    Its newest pictures are kept in the folder `pictures`.
    """
    try:
        client.get(f"/jobs/{job_id}")  # fails at once where `watch` would wait for the service
        events = client.watch(job_id)
        show_progress(events if pictures is None else saved(events, pictures), err)
        job = client.get(f"/jobs/{job_id}")
    except OSError as error:
        fail(f"{pictures} cannot be written: {error.strerror}")
    except KeyboardInterrupt:
        where = "" if client.url == LOCAL else f" --url {client.url}"
        err.print(f"the job goes on; follow it again: pushforward jobs {job_id} --follow{where}")
        raise typer.Exit(130) from None
    if job["state"] != "succeeded":
        fail(f"job {job_id} {job['state']}" + (f": {job['error']['detail']}" if job["error"] else ""))
    if job["kind"] == "evaluate":
        err.print(f"evaluated {job['evaluation']['model']}; `pushforward models {job['evaluation']['model']}` shows it")
    elif job["kind"] == "sample":
        err.print(f"drew {job['ask']['n']} rows of {job['ask']['model']} with seed {job['ask']['seed']}")
    elif job["kind"] == "sweep":
        best = best_of(job)
        err.print(f"best: {best}" if best else f"trained {job['model']} several times, and nothing tells which is best")
        err.print(f"`pushforward jobs {job_id[:8]}` shows all trials")
    else:
        reference = f"{job['model']}@{job['version']}"
        show_lines(client, job_id)
        err.print(f"trained {reference}  {headline(job['metrics'])}")
        for note in client.get(f"/models/{reference}")["notes"]:
            err.print(f"note: {note}")
