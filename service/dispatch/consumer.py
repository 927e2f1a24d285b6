"""The frames of one worker and its replies, over one connection to Redis; the keys are those of `ask_streams`.

A turn of the worker costs one round trip: what it replies and what it reads next travel together. Frames of a worker
whose heartbeat has stopped are claimed by the others.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any, NamedTuple, final

import hiredis
import redis

from pushforward.service.dispatch.frames import Refusal, Replies, encode_replies
from pushforward.service.dispatch.framing import MalformedFrame
from pushforward.service.dispatch.keys import GONE, GROUP, WORKERS, stream_of
from pushforward.service.dispatch.workers import beat_key
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import connect_sync, drop_foreign

log = logging.getLogger(__name__)

READ_FRAMES = 64
MISLAID = 1000  # frames in hand that are looked through
REPLIES_S = 60  # a reply list that nobody reads goes by itself
CLAIM_IDLE_BEATS = 2  # a frame that another worker took so recently is in its hands

_LEAVE = """
if redis.call('XLEN', KEYS[1]) > 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 1
"""

# Replies are not for the append-only file: after an outage the question is asked again. Large ones would fill it.
_PUSH_UNWRITTEN = """
redis.replicate_commands()
redis.set_repl(redis.REPL_NONE)
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
WRITES = ("RPUSH", "EVAL")  # of replies
LARGE_BYTES = 128 * 1024  # of the arrays of a reply

Command = tuple[Any, ...]


class Entry(NamedTuple):
    """A frame as it lies in a stream."""

    stream: str
    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int = 1


@final
@dataclass(frozen=True)
class Sending:
    """Replies to one gateway, and what they finish."""

    reply_to: str
    replies: Replies | bytes  # bytes are replies of another version of the protocol
    finished: Sequence[tuple[Entry, bytes | None]]  # with the key of its payload

    @cached_property
    def is_large(self) -> bool:
        """Whether it should go by the postman."""
        if isinstance(self.replies, bytes):
            return False
        told = (reply.arrays.values() for reply in self.replies.replies if not isinstance(reply, Refusal))
        return sum(array.nbytes for arrays in told for array in arrays) >= LARGE_BYTES


class Heard(NamedTuple):
    """What one look brought."""

    gone: list[tuple[str, int]]  # questions given up: whose, and their ids at that gateway
    entries: list[Entry]
    dropped: int = 0  # words that were none


@final
class Mail:
    """As one worker sees it. Every method may raise redis.RedisError."""

    def __init__(self, settings: Settings, worker_id: str, block_s: float) -> None:
        self._redis = connect_sync(settings, block_s=block_s, decode=False, protocol=2)
        self._connection: Any = None
        self._id = worker_id
        self._stream = stream_of(worker_id)
        self._read = ("XREADGROUP", "GROUP", GROUP, worker_id, "COUNT", READ_FRAMES)
        self._of_mine = ("STREAMS", self._stream, ">")
        self._claim_idle_ms = round(1000 * CLAIM_IDLE_BEATS * settings.beat_s)
        self._clock_offset_ms = 0.0  # Redis's clock less time.monotonic()
        self._gone_at = b"0"  # the last word of questions given up that was read

    def join(self) -> list[Entry]:
        """Make the stream, if Redis has none (any more). Frames in it that are this worker's already."""
        for key, kind in ((self._stream, "stream"), (WORKERS, "set"), (GONE, "stream")):
            drop_foreign(self._redis, key, kind)
        try:
            self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._redis.sadd(WORKERS, self._id)
        latest: Any = self._redis.xrevrange(GONE, count=1)
        self._gone_at = latest[0][0] if latest else b"0"
        self.read_clock()
        read: Any = self._redis.xreadgroup(GROUP, self._id, {self._stream: "0"}, count=10_000)
        return [Entry(self._stream, entry, fields or {}) for _, entries in read or [] for entry, fields in entries]

    def read_clock(self) -> None:
        """So that a frame's age is known."""
        before = monotonic()
        seconds, micros = self._redis.time()
        self._clock_offset_ms = seconds * 1000 + micros / 1000 - 1000 * (before + monotonic()) / 2

    def sent_at(self, entry: Entry) -> float:
        """When a frame was sent, by time.monotonic()."""
        return (int(entry.id.partition(b"-")[0]) - self._clock_offset_ms) / 1000

    def exchange(self, sending: Iterable[Sending], *, wait_s: float) -> Heard:
        """Reply, acknowledge what is finished, and read what is new.

        `wait_s` is how long to wait for a frame. Who waits has nothing in hand that could be given up.
        """
        commands = [command for each in sending for command in _commands(each)]
        if wait_s:
            block = ("BLOCK", max(1, round(1000 * wait_s)))
            frames = self._call([*commands, (*self._read, *block, *self._of_mine)])[-1]
            return Heard([], list(_entries(self._stream, frames)))
        commands.append(("XREAD", "COUNT", READ_FRAMES, "STREAMS", GONE, self._gone_at))
        gone, frames = self._call([*commands, (*self._read, *self._of_mine)])[-2:]
        # Words first: what is given up in them was sent before, and is among the frames or in hand.
        words, dropped = self._words(gone)
        return Heard(words, list(_entries(self._stream, frames)), dropped)

    def post(self, sending: Iterable[Sending]) -> None:
        """Reply, and acknowledge what is finished."""
        if commands := [command for each in sending for command in _commands(each)]:
            self._call(commands)

    def mislaid(self, in_hand: Container[tuple[str, bytes]]) -> Iterator[Entry]:
        """Frames of this worker's that went to a connection that nobody reads any more."""
        taken: Any = self._redis.xpending_range(
            self._stream, GROUP, "-", "+", MISLAID, consumername=self._id, idle=self._claim_idle_ms
        )
        for row in taken:
            if (self._stream, row["message_id"]) not in in_hand:
                found: Any = self._redis.xrange(self._stream, row["message_id"], row["message_id"])
                yield from (Entry(self._stream, entry, fields or {}, row["times_delivered"]) for entry, fields in found)

    def orphans(self) -> Iterator[Entry]:
        """Claim frames of dead workers; each with how often it was delivered before."""
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

    def payload(self, fields: dict[bytes, bytes]) -> bytes:
        """The bytes of a frame. Raises MalformedFrame where there are none."""
        try:
            data = fields.get(b"frame") or self._redis.get(fields.get(b"key", b""))
        except redis.ResponseError as error:
            raise MalformedFrame(f"what lies under its key is not a frame: {error}") from error
        if not isinstance(data, bytes):
            raise MalformedFrame("its payload is gone")
        return data

    def discard(self, entry: Entry) -> None:
        """Be rid of what is no frame."""
        self._call([("XACK", entry.stream, GROUP, entry.id), ("XDEL", entry.stream, entry.id)])

    def leave(self) -> bool:
        """Take the stream away, unless a frame lies in it; none can come any more. Whether that is done."""
        return bool(self._redis.eval(_LEAVE, 2, self._stream, WORKERS, self._id))

    def reconnect(self) -> None:
        """Use no connection again: where one is dead, the others are."""
        if self._connection is not None:
            self._connection.disconnect()
        self._redis.connection_pool.disconnect()

    def close(self) -> None:
        """Let the connections go; frames still in hand are for others to claim."""
        if self._connection is not None:
            self._connection.disconnect()
        self._redis.close()

    def _claim(self, stream: str, alive: set[bytes]) -> Iterator[Entry]:
        """What nobody read, and what nobody alive has in hand."""
        fresh: Any = self._redis.xreadgroup(GROUP, self._id, {stream: ">"}, count=READ_FRAMES)
        for _, entries in fresh or []:
            yield from (Entry(stream, entry, fields or {}) for entry, fields in entries)
        pending: Any = self._redis.xpending_range(stream, GROUP, "-", "+", READ_FRAMES, idle=self._claim_idle_ms)
        times = {row["message_id"]: row["times_delivered"] for row in pending if row["consumer"] not in alive}
        if not times:
            return
        claimed: Any = self._redis.xclaim(
            stream, GROUP, self._id, min_idle_time=self._claim_idle_ms, message_ids=list(times)
        )
        for entry, fields in claimed:
            if entry is not None:
                yield Entry(stream, entry, fields or {}, times[entry] + 1)

    def _words(self, read: Any) -> tuple[list[tuple[str, int]], int]:
        """Questions that were given up since this was asked last, and how many words were none."""
        words: list[tuple[str, int]] = []
        dropped = 0
        for entry in _entries(GONE, read):
            self._gone_at = entry.id
            try:
                to, ids = entry.fields[b"to"].decode(), json.loads(entry.fields[b"ids"])
                words += [(to, int(ask_id)) for ask_id in ids]
            except (LookupError, ValueError, TypeError, RecursionError):
                dropped += 1
                log.warning("passed over a word of questions given up that is none")
        return words, dropped

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that go in one write."""
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
        """All answers are read, whatever one of them says."""
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error


def _commands(sending: Sending) -> Iterator[Command]:
    data = sending.replies if isinstance(sending.replies, bytes) else encode_replies(sending.replies)
    if sending.is_large:
        yield ("EVAL", _PUSH_UNWRITTEN, 1, sending.reply_to, data, REPLIES_S)
    else:
        yield ("RPUSH", sending.reply_to, data)
        yield ("EXPIRE", sending.reply_to, REPLIES_S)
    for entry, payload_key in sending.finished:
        yield ("XACK", entry.stream, GROUP, entry.id)
        yield ("XDEL", entry.stream, entry.id)
        if payload_key is not None:
            yield ("DEL", payload_key)


def _entries(stream: str, read: Any) -> Iterator[Entry]:
    """The entries of the one stream that was read."""
    for _, entries in read or []:
        for entry, fields in entries:
            yield Entry(stream, entry, dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {})
