"""A gateway's connections: one to each live worker.

Redis tells which workers there are; whether one lives is known from its connection. So requests are answered while
Redis is away, and a worker whose connection breaks is dead at once, whatever its heartbeat says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import final

from pushforward.service.dispatch.connection import Dispatching, WorkerConnection, connect
from pushforward.service.dispatch.handshake import HANDSHAKE_S
from pushforward.service.dispatch.workers import Announcement, RedisWorkers
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL
from pushforward.service.processes.background import Tasks, begin
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import RETRY_AFTER_S

log = logging.getLogger(__name__)

HOPE_BEATS = 5.0  # after the last connection was lost, until requests are refused
OUTAGE_S = 5.0  # of Redis, likewise, where no worker was ever seen
IN_A_CALL_S = 0.9 * HANDSHAKE_S  # an idle worker comes round sooner
TRIES = 2  # in a row that fail, after which a worker gives no hope: a connection may break in its handshake
ALONE_S = 0.05  # between two looks at Redis without a connection
REACH_S = 2.0  # to wait for a worker
REACH_LOOK_S = 0.02
AWAY = "Redis does not answer; try again"


@final
class Roster:
    """The connections of one event loop."""

    def __init__(self, settings: Settings, dispatching: Dispatching) -> None:
        self._settings = settings
        self._dispatching = dispatching
        self._redis = RedisWorkers(settings)
        self._connections: dict[str, WorkerConnection] = {}
        self._connecting: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}  # tries in a row that failed, by worker
        self._announced: Sequence[Announcement] = ()
        self._looked = False  # whether Redis has ever told who is there
        self._is_away = False  # whether Redis failed to at the last look
        self._hope_until = monotonic() + OUTAGE_S
        self._tasks = Tasks()

    def start(self) -> None:
        """Look for workers from now on."""
        self._tasks.keep("look for workers", self._follow)
        self._tasks.keep("listen for silence", self._listen)

    async def close(self) -> None:
        """Close the connections."""
        await self._tasks.close()
        connecting = list(self._connecting.values())
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        for connection in list(self._connections.values()):
            connection.close("the gateway stops")
        await self._redis.close()

    def __iter__(self) -> Iterator[WorkerConnection]:
        """All connections, those to leaving workers too."""
        return iter(list(self._connections.values()))

    @property
    def taking(self) -> dict[str, WorkerConnection]:
        """Connections to workers that take requests."""
        return {name: each for name, each in self._connections.items() if not each.is_leaving}

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that take requests, as Redis told of them last; what a connection tells is newer."""
        told = {each.id: each for each in self._announced}
        return [
            told.get(name, each.worker).worker.model_copy(
                update={"silent_s": each.silent_s, "stalled_s": each.stalled_s}
            )
            for name, each in sorted(self.taking.items())
        ]

    def get(self, worker_id: str) -> WorkerConnection | None:
        """The connection to a worker; None where there is none any more."""
        return self._connections.get(worker_id)

    def remove(self, connection: WorkerConnection) -> None:
        """A connection has ended."""
        if self._connections.get(connection.id) is connection:
            del self._connections[connection.id]
            self.expect()

    def expect(self) -> None:
        """A worker has left; another one is expected for a while."""
        self._hope_until = max(self._hope_until, monotonic() + HOPE_BEATS * self._settings.beat_s)

    def hopeless(self) -> Unavailable | None:
        """Why no request can be sent, where none will be soon."""
        if self.taking or any(self._failures.get(worker.id, 0) < TRIES for worker in self._missing):
            return None
        if not self._looked:
            is_over = self._is_away and monotonic() >= self._hope_until
            return Unavailable(AWAY, retry_after_s=RETRY_AFTER_S) if is_over else None
        if monotonic() < self._hope_until:
            return None
        return Unavailable(AWAY, retry_after_s=RETRY_AFTER_S) if self._is_away else _no_worker(self._announced)

    async def reach(self) -> Sequence[Worker]:
        """The workers that take requests; the inference thread of one at least comes round. Raises Unavailable."""
        give_up = monotonic() + REACH_S
        while not (taking := self.taking):
            if (error := self.hopeless()) is not None:
                raise error
            if monotonic() > give_up:
                raise Unavailable("no worker can be reached; start one, or wait for it", retry_after_s=RETRY_AFTER_S)
            await asyncio.sleep(REACH_LOOK_S)
        if all(worker.stalled_s >= self._settings.ask_timeout_s for worker in taking.values()):
            stalled = ", ".join(f"{each.id}: for {each.stalled_s:.0f} s" for each in taking.values())
            raise Unavailable(
                f"no worker's inference thread comes round ({stalled}); restart those that hang",
                retry_after_s=RETRY_AFTER_S,
            )
        return self.workers

    # --- tasks ---

    async def _follow(self) -> None:
        """Look at Redis at each beat, and connect to workers that are new."""
        while True:
            try:
                self._announced = await self._redis.announced()
                if not self._looked:
                    self._looked, self._hope_until = True, 0.0
                self._is_away = False
            except Unavailable:
                self._is_away = True
            announced = {worker.id for worker in self._announced}
            self._failures = {name: n for name, n in self._failures.items() if name in announced}
            for worker in self._missing:
                self._connect(worker)
            await asyncio.sleep(self._settings.beat_s if self.taking else min(ALONE_S, self._settings.beat_s))

    @property
    def _missing(self) -> list[Announcement]:
        """Workers that should have a connection and have none."""
        ours = (each for each in self._announced if each.protocol == PROTOCOL and not each.leaving)
        return [each for each in ours if each.id not in self._connections]

    def _connect(self, worker: Announcement) -> None:
        if worker.id not in self._connecting:
            self._connecting[worker.id] = begin(self._connect_to(worker), f"connect to {worker.id}")

    async def _connect_to(self, worker: Announcement) -> None:
        try:
            connection = await connect(worker, self._dispatching)
            if connection is None or connection.is_closed:
                if not self._is_in_a_call(worker.id):
                    self._failures[worker.id] = failures = self._failures.get(worker.id, 0) + 1
                    if failures == TRIES:
                        log.warning("worker %s does not answer at %s port %d", worker.id, worker.host, worker.port)
            else:
                self._failures.pop(worker.id, None)
                self._connections[worker.id] = connection
                self._dispatching.joined(connection)
        finally:
            del self._connecting[worker.id]

    def _is_in_a_call(self, worker_id: str) -> bool:
        """Whether a worker does not answer because its inference thread computes."""
        known = () if self._is_away else self._announced
        return any(each.id == worker_id and each.stalled_s + each.silent_s >= IN_A_CALL_S for each in known)

    async def _listen(self) -> None:
        """Close connections that have been silent for too long."""
        beat_s = self._settings.beat_s
        while True:
            await asyncio.sleep(beat_s / 2)
            for connection in self:
                connection.check(beat_s / 2, beat_s)
            self._dispatching.checked()


def _no_worker(announced: Sequence[Announcement]) -> Unavailable:
    """Why no worker can take a request, although Redis answers."""
    unreached = sorted(each.id for each in announced if each.protocol == PROTOCOL and not each.leaving)
    if unreached:
        return Unavailable(
            f"no worker is alive that this gateway can reach; Redis tells of {', '.join(unreached)}: the gateway's log "
            "says where it looked; PUSHFORWARD_WORKER_HOST and PUSHFORWARD_WORKER_PORT say where a worker listens",
            retry_after_s=RETRY_AFTER_S,
        )
    others = sorted({worker.protocol for worker in announced} - {PROTOCOL})
    if not others:
        return Unavailable("no worker is alive; start one, or wait for it", retry_after_s=RETRY_AFTER_S)
    versions = ", ".join(map(str, others))
    return Unavailable(
        f"no worker that is alive speaks version {PROTOCOL} of the protocol, as this gateway does; they speak "
        f"{versions}: run the same release of both",
        retry_after_s=RETRY_AFTER_S,
    )
