"""The record of jobs in Redis as workers use it. Each transition is one call of `jobs.lua`, by Redis's clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, final

from pushforward.service.domain.jobs import KINDS, LOST, MAX_PAUSE_S, Fault, Job, Kind, State, Wish
from pushforward.service.domain.ports import Stale, Update
from pushforward.service.jobs.redis_fields import fields_of, job_or_none, key_of, pairs
from pushforward.service.jobs.script import JobScript
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, connect_sync, drop_wrong_type, guarded_sync

DAMAGED = Fault(type="lost", detail="its record in Redis was damaged; start the job again")
LINES = tuple(f"{line}:{kind}" for line in ("waiting", "ranked") for kind in KINDS)
ZSETS = ("jobs", "queued", "paused", "held", "running", *LINES)  # of jobs.lua
PATIENCE_BEATS = 3  # a job that waits for so long finds no free slot


@final
class RedisRuns:
    """`ports.Runs` for the threads of a worker."""

    def __init__(self, settings: Settings) -> None:
        self._lease_ms = round(1000 * settings.lease_s)
        self._patience_ms = round(1000 * PATIENCE_BEATS * settings.beat_s)
        self._pause_ms = round(1000 * settings.pause_s)
        self._max_attempts = settings.max_attempts
        self._redis = connect_sync(settings)
        self._script = JobScript(self._redis, settings)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def claim(self, kind: Kind, worker: str) -> Job | None:
        damaged = DAMAGED.model_dump_json()
        while fields := pairs(self._script.call("claim", kind, worker, self._lease_ms, damaged)):
            job = job_or_none(fields)
            if job is not None:
                return job
            self._script.call("fail", fields.get("id", ""), fields.get("epoch", ""), damaged)
        return None

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> Wish:
        last = next((update.data for update in reversed(updates) if update.kind == "progress"), None)
        progress: tuple[str | float, ...] = ("", "", "", "")
        if last:
            left_s = last.get("seconds_left")
            progress = (last["step"], last["total_steps"], json.dumps(last["losses"]), "" if left_s is None else left_s)
        curves = (update.data.get("curve") for update in reversed(updates) if update.kind == "progress")
        curve = next((json.dumps(curve) for curve in curves if curve), "")
        events = chain.from_iterable((update.kind, json.dumps(update.data)) for update in updates)
        return Wish(self._fenced("beat", job_id, epoch, self._lease_ms, self._patience_ms, *progress, curve, *events))

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        answer = self._fenced("reserve", job_id, epoch, floor)
        return None if answer == "cancel" else int(answer)

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        self._fenced("succeed", job_id, epoch, 0, "version", version, "metrics", json.dumps(dict(metrics)))

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        answer = self._fenced("succeed", job_id, epoch, 1, "file_bytes", file_bytes, "file_sha256", file_sha256)
        return answer != "cancel"

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._fenced("fail", job_id, epoch, fault.model_dump_json())

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._fenced("lose", job_id, epoch, self._max_attempts, fault.model_dump_json())

    def give_back(self, job_id: str, epoch: int) -> None:
        self._fenced("give_back", job_id, epoch)

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        self._fenced("defer", job_id, epoch, self._pause_ms, round(1000 * MAX_PAUSE_S), reason)

    def state(self, job_id: str) -> State | None:
        with guarded_sync(self._redis):
            state: Any = self._redis.hget(key_of(job_id), "state")
        return State(state) if state else None

    def expire(self) -> Sequence[str]:
        with guarded_sync(self._redis):
            for name in ZSETS:
                drop_wrong_type(self._redis, f"{PREFIX}{name}", "zset")
        ids: Sequence[str] = self._script.call("expire", self._max_attempts, LOST.model_dump_json())
        return ids

    def unannounced(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        ids: Sequence[str] = self._script.call("untold", kind, round(1000 * older_s))
        return ids

    def waiting(self, kind: Kind = "train") -> int:
        with guarded_sync(self._redis):
            drop_wrong_type(self._redis, f"{PREFIX}{kind}", "list")
            n: Any = self._redis.llen(f"{PREFIX}{kind}")
        return int(n)

    def restore(self, job: Job) -> None:
        self._script.call("restore", job.id, job.epoch, round(1000 * job.created_at), job.state, *fields_of(job))

    def _fenced(self, command: str, job_id: str, epoch: int, *arguments: str | float) -> str:
        answer = self._script.call(command, job_id, epoch, *arguments)
        if answer == "stale":
            raise Stale(f"epoch {epoch} of job {job_id} is over")
        return str(answer)
