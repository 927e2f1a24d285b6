"""The verb that starts a training, or a search of many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pushforward.service.cli.completion import complete_models, complete_presets, job_id
from pushforward.service.cli.data.outlines import print_plan
from pushforward.service.cli.jobs.following import PicturesOption, follow_job
from pushforward.service.cli.run_flags import flags, run_of
from pushforward.service.cli.terminal import LOCAL, Json, Key, Priority, Url, client_at, err, fail, out, print_json
from pushforward.service.cli.values import read_json, sweep_of
from pushforward.service.client import Client

PresetOption = Annotated[
    str | None, typer.Option(help="A named run, see `pushforward presets`.", autocompletion=complete_presets)
]
JOB = "job:"  # before the id of a job that a training starts from


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
    sweep: Annotated[
        str | None,
        typer.Option(help="Train once for each of several values, and tell the best: JSON, or a file of it."),
    ] = None,
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

    `--sweep '{"fields": {"optimizer.lr": [0.01, 0.001]}}'` trains for each of these values; `jobs ID` tells the best.

    Where there are several kinds, the kind is enough: `--family vae --data digits --family.likelihood bernoulli`.
    """
    options = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    flagged = flags(context.args, options)
    if run is not None and flagged.fields:
        fail("give --run or a run in flags (--family.family vae --data.source digits), one of them")
    if preset is None and start_from is None and run is None and not flagged.fields:
        fail("give --preset, --start-from, --run or a run in flags (--family.family vae --data.source digits)")
    tree = None if run is None else read_json(str(run))
    search = sweep_of(sweep)
    with client_at(url) as client:
        if start_from is not None and start_from.startswith(JOB):
            start_from = JOB + job_id(client, start_from.removeprefix(JOB))
        if flagged.fields:
            tree = run_of(flagged, preset=_run_of(client, preset, start_from))
        if dry_run:
            plan = client.plan_training(model, preset=preset, start_from=start_from, run=tree, sweep=search)
            print_json(plan) if json else print_plan(plan)
            return
        asked: dict[str, Any] = {"preset": preset, "start_from": start_from, "run": tree, "sweep": search}
        job = client.train(model, **asked, priority=priority, idempotency_key=key)
        told = f"job {job['id']} trains {model}"
        if job["sweep"] is not None:
            told = f"job {job['id']} trains {model} {job['progress']['total_steps']} times"
        if follow or pictures is not None:
            err.print(told)
            follow_job(client, job["id"], pictures)
        elif json:
            print_json(job)
        else:
            out.print(told)
            err.print(f"follow it with `pushforward jobs {job['id'][:8]} --follow`")


def _run_of(client: Client, preset: str | None, start_from: str | None) -> Mapping[str, Any]:
    """The run that flags change; empty without one, and for an unknown preset, which the service refuses."""
    if preset is None and start_from is not None:
        kind, _, name = start_from.rpartition(":")
        return dict(client.get(f"/jobs/{name}" if kind else f"/models/{name}")["run"])
    known = client.get("/presets")["presets"] if preset is not None else ()
    return next((each["run"] for each in known if each["name"] == preset), {})
