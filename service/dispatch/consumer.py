"""A worker's side of Redis: it reads the frames of its stream, and writes replies. The keys are those of `keys`.

A turn of the worker costs one round trip: its replies and its next read are sent together. If the heartbeat of a worker
stops, the other workers claim its frames.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, NamedTuple, final

import hiredis
import redis

from pushforward.service.dispatch.framing import MalformedFrame
from pushforward.service.dispatch.keys import CANCELLED, GROUP, WORKERS, stream_of
from pushforward.service.dispatch.stream import WRITES, Command, ReplyBatch, StreamEntry, entries_of, reply_commands
from pushforward.service.dispatch.workers import beat_key
from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import connect_sync, drop_wrong_type

log = logging.getLogger(__name__)

READ_FRAMES = 64
UNACKNOWLEDGED = 1000  # entries that one look for undelivered ones reads
CLAIM_IDLE_BEATS = 2  # an entry that was delivered later may still be on its way to its worker

_LEAVE = """
if redis.call('XLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 1
"""


class StreamLost(Exception):
    """Redis no longer has the worker's stream; `join` makes it again."""


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors of Redis into StreamLost and Unavailable."""
    try:
        yield
    except redis.RedisError as error:
        if "NOGROUP" in str(error):
            raise StreamLost(str(error)) from error
        raise Unavailable(str(error)) from error


class Poll(NamedTuple):
    """What one poll read."""

    cancelled: list[tuple[str, int]]  # requests: the reply list of a gateway, and their ids there
    entries: list[StreamEntry]
    n_malformed: int = 0  # of the cancellations


@final
class Consumer:
    """Reads one worker's stream. Methods raise Unavailable where Redis does not answer, StreamLost without a stream."""

    def __init__(self, settings: Settings, worker_id: str, block_s: float) -> None:
        self._redis = connect_sync(settings, block_s=block_s, decode=False, protocol=2)
        self._connection: Any = None
        self._id = worker_id
        self._stream = stream_of(worker_id)
        self._read = ("XREADGROUP", "GROUP", GROUP, worker_id, "COUNT", READ_FRAMES)
        self._of_mine = ("STREAMS", self._stream, ">")
        self._claim_idle_ms = round(1000 * CLAIM_IDLE_BEATS * settings.beat_s)
        self._clock_offset_ms = 0.0  # Redis's clock less time.monotonic()
        self._cancelled_at = b"0"  # id of the last cancellation that was read

    @_errors()
    def join(self) -> list[StreamEntry]:
        """Make the stream if Redis has none; the entries that were delivered to this worker before."""
        for key, kind in ((self._stream, "stream"), (WORKERS, "set"), (CANCELLED, "stream")):
            drop_wrong_type(self._redis, key, kind)
        try:
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._redis.sadd(WORKERS, self._id)
        latest: Any = self._redis.xrevrange(CANCELLED, count=1)
        self._cancelled_at = latest[0][0] if latest else b"0"
        self.read_clock()
        read: Any = self._redis.xreadgroup(GROUP, self._id, {self._stream: "0"}, count=10_000)
        return [
            StreamEntry(self._stream, entry, fields or {}) for _, entries in read or [] for entry, fields in entries
        ]

    @_errors()
    def read_clock(self) -> None:
        """Compare the clock of Redis with ours, for `sent_at`."""
        before = monotonic()
        seconds, micros = self._redis.time()
        self._clock_offset_ms = seconds * 1000 + micros / 1000 - 1000 * (before + monotonic()) / 2

    def sent_at(self, entry: StreamEntry) -> float:
        """When a frame was sent, by time.monotonic()."""
        return (int(entry.id.partition(b"-")[0]) - self._clock_offset_ms) / 1000

    @_errors()
    def poll(self, batches: Iterable[ReplyBatch], *, wait_s: float) -> Poll:
        """Send replies, acknowledge what is finished, and read new entries and cancellations.

        With `wait_s` it waits so long for an entry, and reads no cancellations: a worker waits when it has no requests.
        """
        commands = [command for each in batches for command in reply_commands(each)]
        if wait_s:
            block = ("BLOCK", max(1, round(1000 * wait_s)))
            frames = self._call([*commands, (*self._read, *block, *self._of_mine)])[-1]
            return Poll([], list(entries_of(self._stream, frames)))
        commands.append(("XREAD", "COUNT", READ_FRAMES, "STREAMS", CANCELLED, self._cancelled_at))
        # Cancellations before frames: a gateway sends a request before it cancels it, so the request is always found.
        cancelled, frames = self._call([*commands, (*self._read, *self._of_mine)])[-2:]
        requests, n_malformed = self._cancellations(cancelled)
        return Poll(requests, list(entries_of(self._stream, frames)), n_malformed)

    @_errors()
    def send(self, batches: Iterable[ReplyBatch]) -> None:
        """Send replies, and acknowledge what is finished."""
        if commands := [command for each in batches for command in reply_commands(each)]:
            self._call(commands)

    def undelivered(self, in_hand: Container[tuple[str, bytes]]) -> Iterator[StreamEntry]:
        """Entries that Redis delivered to this worker over a connection that broke."""
        with _errors():
            pending: Any = self._redis.xpending_range(
                self._stream, GROUP, "-", "+", UNACKNOWLEDGED, consumername=self._id, idle=self._claim_idle_ms
            )
            for row in pending:
                entry_id, n = row["message_id"], row["times_delivered"]
                if (self._stream, entry_id) not in in_hand:
                    found: Any = self._redis.xrange(self._stream, entry_id, entry_id)
                    yield from (StreamEntry(self._stream, entry, fields or {}, n) for entry, fields in found)

    def claim_orphans(self) -> Iterator[StreamEntry]:
        """Claim the entries of dead workers; each with how often it was delivered before."""
        with _errors():
            members: Any = self._redis.smembers(WORKERS)
            alive = {name: bool(self._redis.exists(beat_key(name.decode(errors="replace")))) for name in members}
            for name in (name for name, lives in alive.items() if not lives and name != self._id.encode()):
                stream = stream_of(name.decode(errors="replace"))
                try:
                    yield from self._claim(stream, {other for other, lives in alive.items() if lives})
                    self._redis.eval(_LEAVE, 2, stream, WORKERS, name)
                except redis.ResponseError as error:
                    if not any(known in str(error) for known in ("NOGROUP", "no such key", "WRONGTYPE")):
                        raise
                    self._redis.srem(WORKERS, name)

    @_errors()
    def payload(self, fields: dict[bytes, bytes]) -> bytes:
        """The bytes of a frame. Raises MalformedFrame where there are none."""
        try:
            data = fields.get(b"frame") or self._redis.get(fields.get(b"key", b""))
        except redis.ResponseError as error:
            raise MalformedFrame(f"what lies under its key is not a frame: {error}") from error
        if not isinstance(data, bytes):
            raise MalformedFrame("its payload is gone")
        return data

    @_errors()
    def discard(self, entry: StreamEntry) -> None:
        """Delete an entry that is not a frame."""
        self._call([("XACK", entry.stream, GROUP, entry.id), ("XDEL", entry.stream, entry.id)])

    @_errors()
    def leave(self) -> bool:
        """Delete the stream if it is empty; whether it was. No gateway can add to it afterwards."""
        return bool(self._redis.eval(_LEAVE, 2, self._stream, WORKERS, self._id))

    def reconnect(self) -> None:
        """Close all connections: if one is dead, the others are too."""
        if self._connection is not None:
            self._connection.disconnect()
        self._redis.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connections; other workers claim frames that are not acknowledged."""
        if self._connection is not None:
            self._connection.disconnect()
        self._redis.close()

    def _claim(self, stream: str, alive: set[bytes]) -> Iterator[StreamEntry]:
        """Entries that no worker read, and those that were delivered to a dead worker."""
        fresh: Any = self._redis.xreadgroup(GROUP, self._id, {stream: ">"}, count=READ_FRAMES)
        for _, entries in fresh or []:
            yield from (StreamEntry(stream, entry, fields or {}) for entry, fields in entries)
        pending: Any = self._redis.xpending_range(stream, GROUP, "-", "+", READ_FRAMES, idle=self._claim_idle_ms)
        times = {row["message_id"]: row["times_delivered"] for row in pending if row["consumer"] not in alive}
        if not times:
            return
        claimed: Any = self._redis.xclaim(
            stream, GROUP, self._id, min_idle_time=self._claim_idle_ms, message_ids=list(times)
        )
        for entry, fields in claimed:
            if entry is not None:
                yield StreamEntry(stream, entry, fields or {}, times[entry] + 1)

    def _cancellations(self, read: Any) -> tuple[list[tuple[str, int]], int]:
        """Requests that gateways have cancelled since the last read, and how many entries could not be read."""
        requests: list[tuple[str, int]] = []
        n_malformed = 0
        for entry in entries_of(CANCELLED, read):
            self._cancelled_at = entry.id
            try:
                to, ids = entry.fields[b"to"].decode(), json.loads(entry.fields[b"ids"])
                requests += [(to, int(ask_id)) for ask_id in ids]
            except (LookupError, ValueError, TypeError, RecursionError):
                n_malformed += 1
                log.warning("dropped a malformed cancellation")
        return requests, n_malformed

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands, which are sent in one write."""
        if self._connection is None:
            self._connection = self._redis.connection_pool.make_connection()
        try:
            # By hiredis: redis-py's own packing takes ten times as long.
            self._connection.send_packed_command([b"".join(map(hiredis.pack_command, commands))])
            answers = [self._answer() for _ in commands]
        except OSError as error:
            raise redis.ConnectionError(f"cannot write: {error}") from error
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, redis.ResponseError):
                if command[0] in WRITES and "WRONGTYPE" in str(answer):
                    log.warning("dropped replies: what lies under their key is not a list of replies")
                    continue
                raise answer
        return answers

    def _answer(self) -> Any:
        """One answer; an error too, so that the answers after it are read."""
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error
