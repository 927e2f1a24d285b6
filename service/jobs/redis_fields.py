"""Records of jobs as Redis holds them: fields of a hash, entries of a stream."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.storage.card import Curve
from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import Event, Fault, Job, Kind, ModelEvaluation, Progress, Sampling, State
from pushforward.service.domain.ports import NewJob
from pushforward.service.domain.sweeps import Reached, SweepRecord, TrialRecord, with_scores
from pushforward.service.stores.redis_client import PREFIX

log = logging.getLogger(__name__)

ID_BYTES = 8  # of a job's id, written in hexadecimal
METRICS = TypeAdapter(dict[str, JsonFloat])


def asked_fields(new: NewJob) -> Iterator[str | int]:
    """The priority, and the fields of a sampling or an evaluation that a training does not have."""
    yield from ("priority", new.priority)
    yield from _asked(new.version, new.ask, new.evaluation)


def _asked(version: int | None, ask: Sampling | None, evaluation: ModelEvaluation | None) -> Iterator[str | int]:
    asked = {"ask": ask, "evaluation": evaluation}
    for name, value in asked.items():
        if value is not None and version is not None:
            yield from ("version", version, name, value.model_dump_json())


def sweep_fields(new: NewJob, sweep: SweepRecord) -> Iterator[str | int]:
    """The priority, what is searched, and of each trial its new id, its run and its values."""
    yield from (new.priority, sweep.model_dump_json(exclude={"trials"}))
    for trial in new.trials:
        yield from (secrets.token_hex(ID_BYTES), json.dumps(trial.run), json.dumps(trial.values))


def fields_of(job: Job) -> Iterator[str | int]:
    """The record of a job that waits: names and values in turn."""
    yield from ("model", job.model, "preset", job.preset or "", "run", json.dumps(job.run))
    yield from ("priority", job.priority)
    yield from ("step", job.progress.step, "total_steps", job.progress.total_steps)
    yield from ("losses", json.dumps(job.losses))
    if job.started_at is not None:
        yield from ("started_ms", round(1000 * job.started_at))
    if job.part_of is not None:
        yield from ("part_of", job.part_of)
    yield from _asked(job.version, job.ask, job.evaluation)


def checked_id(job_id: str) -> str:
    """The id, if it has the form of one: another text might name another key. Raises NotFound."""
    if not re.fullmatch(f"[0-9a-f]{{{2 * ID_BYTES}}}", job_id):
        raise NotFound(f"there is no job {job_id[:100]!r}")
    return job_id


def key_of(job_id: str) -> str:
    """The key of a job's record."""
    return f"{PREFIX}job:{job_id}"


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A hash as Lua returns it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def job_found(fields: Mapping[str, str], job_id: str) -> Job:
    """The job of a record. Raises NotFound where there is none, or where it is damaged."""
    if not fields:
        raise NotFound(f"there is no job {job_id[:100]!r}")
    job = job_or_none(fields)
    if job is None:
        raise NotFound(f"the record of job {job_id[:100]!r} is damaged; start the job again")
    return job


def job_or_none(fields: Mapping[str, str]) -> Job | None:
    """The job of a record; None where there is none, or where it is damaged, which is logged."""
    if not fields:
        return None
    try:
        return job_of(fields)
    except (LookupError, ValueError, TypeError, RecursionError) as error:
        log.warning("the record of job %r is damaged: %s", fields.get("id", "")[:100], error)
        return None


def job_of(fields: Mapping[str, str]) -> Job:
    """A job from the fields of its record."""
    return Job(
        id=fields["id"],
        kind=_kind_of(fields),
        state=State(fields["state"]),
        model=fields["model"],
        version=int(fields["version"]) if "version" in fields else None,
        preset=fields["preset"] or None,
        priority=int(fields.get("priority", 0)),
        run=json.loads(fields["run"]),
        ask=Sampling.model_validate_json(fields["ask"]) if "ask" in fields else None,
        evaluation=ModelEvaluation.model_validate_json(fields["evaluation"]) if "evaluation" in fields else None,
        sweep=SweepRecord.model_validate_json(fields["sweep"]) if "sweep" in fields else None,
        part_of=fields.get("part_of"),
        file_bytes=int(fields["file_bytes"]) if "file_bytes" in fields else None,
        file_sha256=fields.get("file_sha256"),
        progress=Progress(step=int(fields.get("step", 0)), total_steps=int(fields.get("total_steps", 0))),
        losses=json.loads(fields.get("losses", "{}")),
        curve=json.loads(fields.get("curve", "null")),
        metrics=json.loads(fields.get("metrics", "{}")),
        error=Fault.model_validate_json(fields["error"]) if "error" in fields else None,
        queue_position=int(fields["queue_position"]) if "queue_position" in fields else None,
        ahead=tuple(fields.get("ahead", "").split()),
        starts_at=_seconds(fields.get("starts_ms")),
        seconds_left=_seconds(fields.get("left_ms")),
        waiting_for=fields.get("waiting_for"),
        retry_at=_seconds(fields.get("retry_ms")),
        epoch=int(fields["epoch"]),
        cancel_requested="cancel_requested" in fields,
        pause_requested="pause_requested" in fields,
        created_at=int(fields["created_ms"]) / 1000,
        started_at=_seconds(fields.get("started_ms")),
        finished_at=_seconds(fields.get("finished_ms")),
    )


def with_trials(job: Job, found: Sequence[Sequence[str]]) -> Job:
    """A search with its trials, as `trials` of jobs.lua gives them; without those that are damaged."""
    if job.sweep is None:
        return job
    trials, reached = [], []
    for trial, *fields in found:
        job_id, _, values = trial.partition(" ")
        try:
            trials.append(TrialRecord(job=job_id, values=json.loads(values)))
        except (ValueError, RecursionError) as error:
            log.warning("a trial of job %s is damaged: %s", job.id, error)
        else:
            reached.append(_reached(pairs(fields)))
    sweep = job.sweep.model_copy(update={"trials": tuple(trials)})
    return job.model_copy(update={"sweep": with_scores(sweep, reached)})


def _reached(fields: Mapping[str, str]) -> Reached | None:
    """What the record of a trial says; None where it is gone, or damaged."""
    try:
        return Reached(
            State(fields["state"]),
            int(fields["version"]) if "version" in fields else None,
            Curve.model_validate_json(fields["curve"]) if "curve" in fields else None,
            METRICS.validate_json(fields.get("metrics", "{}")),
        )
    except (LookupError, ValueError):
        return None


def event_of(event_id: str, fields: Mapping[str, str]) -> Event:
    """An event of the stream; a damaged one becomes a line of the job's log, so that followers get past it."""
    try:
        kind = fields["kind"]
        if kind == "state":
            return Event(id=event_id, kind="state", data=job_of(fields).model_dump(mode="json"))
        return Event.model_validate({"id": event_id, "kind": kind, "data": json.loads(fields["data"])})
    except (LookupError, ValueError, TypeError, RecursionError):
        line = {"level": "warning", "message": "an event of this job was damaged, and is left out"}
        return Event(id=event_id, kind="log", data=line)


def report_or_none(data: str) -> dict[str, Any] | None:
    """What a training reported of its progress; None where that is damaged."""
    try:
        report = json.loads(data)
        return report if isinstance(report["losses"], dict) and isinstance(report["step"], int) else None
    except (LookupError, ValueError, TypeError, RecursionError):
        return None


def _kind_of(fields: Mapping[str, str]) -> Kind:
    """As `kind_of` of jobs.lua."""
    kinds: dict[str, Kind] = {"ask": "sample", "evaluation": "evaluate", "sweep": "sweep"}
    return next((kind for field, kind in kinds.items() if field in fields), "train")


def _seconds(ms: str | None) -> float | None:
    return int(ms) / 1000 if ms else None
