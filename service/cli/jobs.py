"""The verbs of jobs: start a training; list, follow, pause and cancel jobs; download their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from pushforward.service.cli.completion import complete_jobs, complete_models, complete_presets, job_id, short_ids
from pushforward.service.cli.data.outlines import print_plan
from pushforward.service.cli.pictures import saved
from pushforward.service.cli.progress import follow as show_progress
from pushforward.service.cli.progress import headline, numbers, waiting
from pushforward.service.cli.run_flags import flags, run_of
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Key,
    Priority,
    Url,
    check_folder,
    client_at,
    err,
    fail,
    out,
    print_json,
    print_record,
    print_table,
)
from pushforward.service.cli.values import read_json
from pushforward.service.client import FINAL, Client

PresetOption = Annotated[
    str | None, typer.Option(help="A named run, see `pushforward presets`.", autocompletion=complete_presets)
]
RunOption = Annotated[
    Path | None, typer.Option(help="A run, or the changes of a preset, as JSON; - is standard input.")
]
JOB = "job:"  # before the id of a job that a training starts from
PicturesOption = Annotated[
    Path | None, typer.Option("--pictures", help="Follow, and keep the newest pictures of the training in this folder.")
]
JobArgument = Annotated[
    str | None, typer.Argument(help="Show one job: its id, or the beginning of it.", autocompletion=complete_jobs)
]


def train(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="What the trained model is to be called.")],
    preset: PresetOption = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            help="Go on from a version, digits-vae@3, or a job that did not succeed, job:ID.",
            autocompletion=complete_models,
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="A run, or changes of a preset or a start, as JSON; - is standard input.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress to the end.")] = False,
    pictures: PicturesOption = None,
    priority: Priority = None,
    key: Key = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the run and show what the data are; start nothing.")
    ] = False,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """Train a model from a preset, a run file, or a run in flags: `--family.family flow --data.source two_moons`.

    Flags beside a preset change its run: `--preset vae-digits --family.latent 4 --budget.steps 500`.

    `--start-from digits-vae@3 --budget.steps 1000` trains that model by so much more.

    Where there are several kinds, the kind is enough: `--family vae --data digits --family.likelihood bernoulli`.
    """
    options = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    flagged = flags(context.args, options)
    if run is not None and flagged.fields:
        fail("give --run or a run in flags (--family.family vae --data.source digits), one of them")
    if preset is None and start_from is None and run is None and not flagged.fields:
        fail("give --preset, --start-from, --run or a run in flags (--family.family vae --data.source digits)")
    tree = None if run is None else read_json(str(run))
    with client_at(url) as client:
        if start_from is not None and start_from.startswith(JOB):
            start_from = JOB + job_id(client, start_from.removeprefix(JOB))
        if flagged.fields:
            tree = run_of(flagged, preset=_run_of(client, preset, start_from))
        if dry_run:
            plan = client.plan_training(model, preset=preset, start_from=start_from, run=tree)
            print_json(plan) if json else print_plan(plan)
            return
        job = client.train(
            model, preset=preset, start_from=start_from, run=tree, priority=priority, idempotency_key=key
        )
        if follow or pictures is not None:
            err.print(f"job {job['id']} trains {model}")
            follow_job(client, job["id"], pictures)
        elif json:
            print_json(job)
        else:
            out.print(f"job {job['id']} trains {model}")
            err.print(f"follow it with `pushforward jobs {job['id'][:8]} --follow`")


def _run_of(client: Client, preset: str | None, start_from: str | None) -> Mapping[str, Any]:
    """The run that flags change; empty without one, and for an unknown preset, which the service refuses."""
    if preset is None and start_from is not None:
        kind, _, name = start_from.rpartition(":")
        return dict(client.get(f"/jobs/{name}" if kind else f"/models/{name}")["run"])
    known = client.get("/presets")["presets"] if preset is not None else ()
    return next((each["run"] for each in known if each["name"] == preset), {})


def jobs(
    job: JobArgument = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel it.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Have it wait until it is resumed.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Have a paused one go on where it was.")] = False,
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
    """List jobs; show, follow, pause, resume or cancel one, or fetch its file."""
    chosen = [cancel, pause, resume, follow or output is not None or pictures is not None]
    if job is None and any(chosen):
        fail("which job? see `pushforward jobs`")
    if sum(chosen) > 1:
        fail("give --cancel, --pause or --resume, or --follow, --pictures or --out")
    with client_at(url) as client:
        if job is None:
            wanted = {name: value for name, value in (("state", state), ("model", model), ("after", after)) if value}
            page = client.get("/jobs", limit=limit, **wanted)
            print_json(page) if json else _jobs_table(page["jobs"])
            if page["next"] is not None:
                err.print(f"more: --after {page['next']}")
            return
        found = job_id(client, job)
        if output is not None:
            _check_is_sampling(client.get(f"/jobs/{found}"))
            fetch(client, found, output)
        elif follow or pictures is not None:
            follow_job(client, found, pictures)
        else:
            done = _cancelled if cancel else Client.pause if pause else Client.resume if resume else _job
            record = done(client, found)
            print_json(record) if json else _show_job(record)


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
    else:
        reference = f"{job['model']}@{job['version']}"
        err.print(f"trained {reference}  {headline(job['metrics'])}")
        for note in client.get(f"/models/{reference}")["notes"]:
            err.print(f"note: {note}")


def _jobs_table(rows: list[dict[str, Any]]) -> None:
    ids = [job["id"] for job in rows]
    shown = short_ids(ids) if out.is_terminal else ids
    table = [
        (each, job["kind"], job["model"], _state(job), _progress(job), numbers(job["losses"]))
        for each, job in zip(shown, rows, strict=True)
    ]
    print_table(("job", "kind", "model", "state", "progress", "losses"), table, whole=3, cut=True)


def _show_job(job: Mapping[str, Any]) -> None:
    version = f"@{job['version']}" if job["version"] else ""
    print_record(
        {
            "job": job["id"],
            "kind": job["kind"],
            "model": f"{job['model']}{version}",
            "preset": job["preset"] or "",
            "start": job["run"].get("start_from") or "",
            **_drawn(job),
            "state": _state(job),
            "priority": str(job["priority"] or ""),
            "progress": _progress(job),
            "losses": numbers(job["losses"]),
            "metrics": numbers(job["metrics"]),
            "error": "" if job["error"] is None else f"{job['error']['type']}: {job['error']['detail']}",
        }
    )


def _drawn(job: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a sampling, and the size of its file once it is complete; those of an evaluation."""
    ask, evaluation = job["ask"], job["evaluation"]
    if evaluation is not None:
        return {"samples": str(evaluation["n"]), "seed": str(evaluation["seed"])}
    if ask is None:
        return {}
    return {
        "rows": str(ask["n"]),
        "seed": str(ask["seed"]),
        "options": "  ".join(f"{name}={value}" for name, value in ask["options"].items() if value is not None),
        "condition": "" if ask["condition"] is None else orjson.dumps(ask["condition"]).decode(),
        "file": "" if job["file_bytes"] is None else f"{job['file_bytes']} bytes",
    }


def _state(job: Mapping[str, Any]) -> str:
    if job["state"] == "running" and (job["cancel_requested"] or job["pause_requested"]):
        return "ending" if job["cancel_requested"] else "pausing"
    return waiting(job) if job["state"] == "queued" else str(job["state"])


def _progress(job: Mapping[str, Any]) -> str:
    return f"{job['progress']['step']}/{job['progress']['total_steps'] or '?'}"
