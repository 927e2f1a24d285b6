"""Records of jobs as a terminal shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pushforward.service.cli.completion import short_ids
from pushforward.service.cli.progress import numbers, waiting
from pushforward.service.cli.terminal import out, print_record, print_table


def jobs_table(rows: list[dict[str, Any]]) -> None:
    """A line for each job."""
    ids = [job["id"] for job in rows]
    shown = short_ids(ids) if out.is_terminal else ids
    table = [
        (each, job["kind"], job["model"], _state(job), _progress(job), numbers(job["losses"]))
        for each, job in zip(shown, rows, strict=True)
    ]
    print_table(("job", "kind", "model", "state", "progress", "losses"), table, whole=3, cut=True)


def show_job(job: Mapping[str, Any]) -> None:
    """A job, its fields one below another; of a search also the table of its trials."""
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
            "best": best_of(job),
            "part of": job["part_of"] or "",
            "error": "" if job["error"] is None else f"{job['error']['type']}: {job['error']['detail']}",
        }
    )
    if job["sweep"] is not None:
        _trials_table(job["sweep"])


def _trials_table(sweep: Mapping[str, Any]) -> None:
    """The trials of a search, the best first, then as they are claimed."""
    trials = sorted(sweep["trials"], key=lambda trial: trial["job"] != sweep["best"])
    ids = [trial["job"] for trial in trials]
    names = [*trials[0]["values"]] if trials else []
    rows = []
    for each, trial in zip(short_ids(ids) if out.is_terminal else ids, trials, strict=True):
        reached = (trial["state"] or "gone", str(trial["version"] or ""), _score(trial))
        rows.append((each, *reached, *map(_value, trial["values"].values())))
    print_table(("trial", "state", "version", sweep["score_name"] or "score", *names), rows)


def best_of(job: Mapping[str, Any]) -> str:
    """The best trial of a search, in words; empty without one."""
    sweep = job["sweep"] or {"best": None, "trials": ()}
    for trial in sweep["trials"]:
        if trial["job"] == sweep["best"]:
            values = ", ".join(f"{path} {_value(value)}" for path, value in trial["values"].items())
            return f"{job['model']}@{trial['version']}  {sweep['score_name']} {_score(trial)}  with {values}"
    return ""


def _score(trial: Mapping[str, Any]) -> str:
    return "" if trial["score"] is None else f"{float(trial['score']):.4g}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


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
