"""Jobs: listed, watched, waited for, stopped; their curves and files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TypeAlias, final

from pushforward.client.answers import FINAL, Event, Job, LossCurve, Page, State, read
from pushforward.client.bodies import Request, given, segment
from pushforward.client.errors import APIError, BrokenAnswer, JobFailed, RequestTimeout, Unreachable
from pushforward.client.sse import HEARTBEAT, EventLines
from pushforward.client.sync.connection import Connection

Curves: TypeAlias = list[LossCurve]

SILENCE_S = 60.0  # after which a stream is given up; a heartbeat comes every 15 s
PATIENCE_S = 60.0  # with a service that is away
AGAIN_S = 0.5


@final
class Jobs:
    """The jobs of a service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self, *, state: State | None = None, model: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Job]:
        """The newest first. Raises PushforwardError, as all methods do."""
        query = given({"state": state, "model": model, "limit": str(limit), "after": after})
        answer = self._connection.json(Request("GET", "/jobs", query))
        return Page([read(Job, each) for each in answer["jobs"]], answer["next"])

    def get(self, job_id: str) -> Job:
        """One job."""
        return read(Job, self._connection.json(Request("GET", f"/jobs/{segment(job_id)}")))

    def cancel(self, job_id: str) -> Job:
        """Request its end."""
        return self._told(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Have it wait until `resume`."""
        return self._told(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Have a paused one go on where it was."""
        return self._told(job_id, "resume")

    def events(self, job_id: str, *, after: str = "0") -> Iterator[Event]:
        """What happens in it, to its end; goes on where a connection broke off, and waits a minute for the service."""
        away_since: float | None = None
        while True:
            try:
                for event in self._events(job_id, after):
                    away_since, after = None, event.id or after
                    if event.kind != HEARTBEAT:
                        yield event
                    if event.kind == "state" and event.data["state"] in FINAL:
                        return
                if (self.get(job_id)).is_final:
                    return
            except (Unreachable, RequestTimeout, BrokenAnswer, APIError) as error:
                if isinstance(error, APIError) and error.status < 500:
                    raise
                away_since = away_since or monotonic()
                if monotonic() - away_since > PATIENCE_S:
                    raise
            time.sleep(AGAIN_S)

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """The job at its end. Raises JobFailed where it did not succeed, RequestTimeout where it takes longer."""
        job = self.get(job_id)
        until = None if timeout_s is None else monotonic() + timeout_s
        while not job.is_final:
            if until is not None and monotonic() >= until:
                raise RequestTimeout(f"job {job_id} is {job.state} after {timeout_s:g} s; it goes on")
            time.sleep(AGAIN_S)
            job = self.get(job_id)
        if job.state != "succeeded":
            raise JobFailed(job)
        return job

    def losses(self, job_id: str, *, points: int = 500) -> Curves:
        """Its losses as curves, thinned to so many points."""
        answer = self._connection.json(Request("GET", f"/jobs/{segment(job_id)}/losses", {"points": str(points)}))
        return [read(LossCurve, each) for each in answer["curves"]]

    def draw_losses(self, job_id: str, *, svg: bool = False) -> bytes:
        """The curves as a PNG, or as SVG."""
        ending = "svg" if svg else "png"
        return (self._connection.send(Request("GET", f"/jobs/{segment(job_id)}/losses.{ending}"))).content

    def download(self, job_id: str, path: Path) -> None:
        """Write the file of a sampling, whole or not at all. Raises BrokenAnswer, and OSError of `path`."""
        job = self.get(job_id)
        self._connection.save(Request("GET", f"/jobs/{segment(job_id)}/file"), path, sha256=job.file_sha256)

    def _told(self, job_id: str, what: str) -> Job:
        return read(Job, self._connection.json(Request("POST", f"/jobs/{segment(job_id)}/{what}")))

    def _events(self, job_id: str, after: str) -> Iterator[Event]:
        headers = {"Last-Event-ID": after, "Accept": "text/event-stream"}
        request, lines = Request("GET", f"/jobs/{segment(job_id)}/events", headers=headers), EventLines()
        with self._connection.stream(request, silence_s=SILENCE_S) as answer:
            for line in answer.iter_lines():
                event = lines.event(line)
                if event is not None:
                    yield event
