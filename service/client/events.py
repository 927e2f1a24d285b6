"""The events of a job as a client reads them: Server-Sent Events, resumed where a connection breaks off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from pushforward.client.sse import HEARTBEAT, EventLines
from pushforward.service.client.connection import ServiceConnection, accepted
from pushforward.service.client.errors import Refused, Unreachable
from pushforward.service.client.outage import OutageTimer

FINAL = ("succeeded", "failed", "cancelled")
SILENCE_S = 60.0  # after which a connection is given up; a heartbeat comes every 15 s


def events_of(connection: ServiceConnection, job_id: str, after: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, data) of each event after `after`, to the job's end. Raises Refused, Unreachable."""
    outage = OutageTimer()
    while True:
        try:
            for event_id, kind, data in _events(connection, job_id, after):
                outage.end()
                after = event_id or after
                if kind == HEARTBEAT:
                    continue
                yield kind, data
                if kind == "state" and data["state"] in FINAL:
                    return
            if connection.request("GET", f"/jobs/{job_id}").json()["state"] in FINAL:
                return
            problem: Exception = Unreachable("the events broke off")
        except (httpx.TransportError, Unreachable) as error:
            problem = error
        except Refused as error:
            if error.status != 503:
                raise
            problem = error
        outage.wait(f"the events of job {job_id} cannot be followed", problem)


def _events(connection: ServiceConnection, job_id: str, after: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    headers = {"Last-Event-ID": after, "Accept": "text/event-stream"}
    timeout = httpx.Timeout(10.0, read=SILENCE_S)
    path = f"/jobs/{job_id}/events"
    with connection.http.stream("GET", path, headers=headers, timeout=timeout) as response:
        yield from parsed(accepted(response).iter_lines())


def parsed(lines: Iterable[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(id, kind, data) of each event in a text/event-stream; a comment is a heartbeat."""
    reader = EventLines()
    for line in lines:
        event = reader.event(line)
        if event is not None:
            yield event.id, event.kind, dict(event.data)
