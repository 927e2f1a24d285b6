"""The inference thread: takes frames from the stream, feeds the engine, replies. It owns the device.

A frame is acknowledged when its last question is answered. The frames of a worker whose heartbeat has stopped are
claimed by the others; one that outlived several workers is refused, for it may be what killed them.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, final

import redis
import torch

from service.adapters.redis_asks import GONE, GROUP, STREAM
from service.adapters.redis_client import connect_sync
from service.adapters.redis_workers import Beats, beat_key, new_worker_id
from service.domain import Worker
from service.errors import Failed, ServiceError
from service.settings import Settings
from service.wire import Answered, Frame, Garbage, Refused, Replies, decode_frame, encode_replies
from service.worker.devices import device as choose_device
from service.worker.engine import Engine, Ticket
from service.worker.residency import Residency

log = logging.getLogger(__name__)

BLOCK_S = 1.0  # of one read, while there is nothing to do
READ_FRAMES = 64
REPLIES_S = 60  # a reply list that nobody reads goes by itself
RETRY_S = 0.1
MAX_DELIVERIES = 3  # of one frame
HEED_S = 0.01  # between two looks at what was given up, while there is something to do
LEAVE_S = 20.0  # to answer what was taken, when the worker stops

Entry = tuple[bytes, dict[bytes, bytes] | None]


@final
@dataclass(eq=False)
class _Taken:
    """A frame in hand."""

    entry: bytes
    payload_key: bytes | None
    reply_to: str
    left: int  # questions without a reply


@final
@dataclass(frozen=True)
class _Sending:
    """Replies to one gateway, and the frames that they finish."""

    reply_to: str
    replies: tuple[Answered | Refused, ...]
    finished: tuple[_Taken, ...]


class _Mail:
    """The stream and the reply lists, as one worker sees them. Every method may raise redis.RedisError."""

    def __init__(self, settings: Settings, worker_id: str) -> None:
        self._redis = connect_sync(settings, block_s=BLOCK_S, decode=False)
        self._id = worker_id
        self._clock_offset_ms = 0.0  # Redis's clock less time.monotonic()
        self._gone_at = b"0"  # the last word of questions given up that was read

    def join(self) -> None:
        """Make the group, if Redis has none (any more), and read its clock."""
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        latest: Any = self._redis.xrevrange(GONE, count=1)
        self._gone_at = latest[0][0] if latest else b"0"
        self.read_clock()

    def read_clock(self) -> None:
        """So that a frame's age is known."""
        before = monotonic()
        seconds, micros = self._redis.time()
        self._clock_offset_ms = seconds * 1000 + micros / 1000 - 1000 * (before + monotonic()) / 2

    def sent_at(self, entry: bytes) -> float:
        """When a frame was sent, by time.monotonic()."""
        return (int(entry.partition(b"-")[0]) - self._clock_offset_ms) / 1000

    def read(self, *, wait: bool) -> list[Entry]:
        """New frames."""
        block_ms = round(1000 * BLOCK_S) if wait else None
        return _entries(self._redis.xreadgroup(GROUP, self._id, {STREAM: ">"}, count=READ_FRAMES, block=block_ms))

    def gone(self) -> set[tuple[str, int]]:
        """Questions that were given up since this was asked last: whose, and their ids at that gateway."""
        gone = set()
        for entry, fields in _entries(self._redis.xread({GONE: self._gone_at}, count=READ_FRAMES)):
            self._gone_at = entry
            try:
                to, ids = (fields or {})[b"to"].decode(), json.loads((fields or {})[b"ids"])
                gone |= {(to, int(ask_id)) for ask_id in ids}
            except (KeyError, ValueError, TypeError):
                log.warning("passed over a word of questions given up that is none")
        return gone

    def mine(self) -> list[Entry]:
        """Frames that are this worker's, some of them perhaps lost on the way here."""
        return _entries(self._redis.xreadgroup(GROUP, self._id, {STREAM: "0"}, count=10_000))

    def orphans(self) -> list[tuple[Entry, int]]:
        """Claim the frames of dead workers; each with how often it was delivered."""
        claimed: list[tuple[Entry, int]] = []
        consumers: Any = self._redis.xinfo_consumers(STREAM, GROUP)
        for consumer in consumers:
            name = consumer["name"].decode()
            if name == self._id or self._redis.exists(beat_key(name)):
                continue
            rows: Any = self._redis.xpending_range(STREAM, GROUP, "-", "+", READ_FRAMES, consumername=name)
            times = {row["message_id"]: row["times_delivered"] for row in rows}
            if not times:
                self._redis.xgroup_delconsumer(STREAM, GROUP, name)
                continue
            entries: Any = self._redis.xclaim(STREAM, GROUP, self._id, min_idle_time=0, message_ids=list(times))
            there = [(entry, fields) for entry, fields in entries if entry is not None]
            claimed += [((entry, fields), times[entry]) for entry, fields in there]
            if gone := set(times) - {entry for entry, _ in there}:
                self._redis.xack(STREAM, GROUP, *gone)
        return claimed

    def payload(self, fields: dict[bytes, bytes]) -> bytes:
        """The bytes of a frame. Raises Garbage where there are none."""
        data = fields.get(b"frame") or self._redis.get(fields.get(b"key", b""))
        if not isinstance(data, bytes):
            raise Garbage("its payload is gone")
        return data

    def send(self, sending: Iterable[_Sending]) -> None:
        """Reply, and acknowledge what is finished."""
        with self._redis.pipeline(transaction=False) as pipe:
            for each in sending:
                pipe.rpush(each.reply_to, encode_replies(Replies(each.replies)))
                pipe.expire(each.reply_to, REPLIES_S)
                if each.finished:
                    ids = [taken.entry for taken in each.finished]
                    pipe.xack(STREAM, GROUP, *ids)
                    pipe.xdel(STREAM, *ids)
                if keys := [taken.payload_key for taken in each.finished if taken.payload_key]:
                    pipe.delete(*keys)
            pipe.execute()

    def discard(self, entry: bytes) -> None:
        """Be rid of what is no frame."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.xack(STREAM, GROUP, entry)
            pipe.xdel(STREAM, entry)
            pipe.execute()

    def leave(self) -> None:
        """Go; frames still in hand are for others to claim."""
        try:
            rows = self._redis.xpending_range(STREAM, GROUP, "-", "+", 1, consumername=self._id)
            if not rows:
                self._redis.xgroup_delconsumer(STREAM, GROUP, self._id)
        except redis.RedisError as error:
            log.debug("left without a word: %s", error)
        self._redis.close()


@final
class Inference(threading.Thread):
    """Answers until it is stopped."""

    def __init__(self, settings: Settings, *, training: Callable[[], tuple[str, ...]] = tuple) -> None:
        super().__init__(name="inference", daemon=True)
        self.id = new_worker_id()
        self._settings = settings
        self._device = choose_device(settings.device)
        self._residency = Residency(settings.store, self._device, settings.memory_bytes)
        self._engine = Engine(self._residency, self._device)
        self._mail = _Mail(settings, self.id)
        self._heart = _Heart(settings, self._tell, training)
        self._stopping = threading.Event()
        self._in_hand: dict[bytes, _Taken] = {}
        self._of: dict[Ticket, tuple[_Taken, int]] = {}  # its frame, and its id at the gateway
        self._outbox: list[_Sending] = []
        self._looked_at = -float("inf")  # when orphans were last looked for
        self._heeded_at = -float("inf")  # when what was given up was last looked for

    def run(self) -> None:
        """Until `stop`."""
        torch.set_num_threads(self._settings.torch_threads)
        self._heart.start()
        joined = False
        while not self._stopping.is_set():
            try:
                if not joined:
                    self._mail.join()
                    self._flush()  # first, or what was answered would be taken again
                    self._take(self._mail.mine())
                    joined = True
                gone = self._given_up()  # before their frames are read, or a word could come before its question
                if self._engine.busy and not self._engine.ready:
                    self._engine.wait(HEED_S)
                self._take(self._mail.read(wait=not self._engine.busy and not self._outbox))
                self._look_for_orphans()
                self._drop(gone)
                self._turn()
            except redis.RedisError as error:
                joined = False
                if "NOGROUP" not in str(error):
                    log.warning("Redis does not answer: %s", error)
                    self._work_on_during_outage()
            except Exception:
                log.exception("the inference thread failed; what it had in hand is refused")
                joined = False  # what was read but not taken in is this worker's still
                self._abandon()
        self._leave()

    @property
    def busy(self) -> bool:
        """Whether it has questions in hand."""
        return bool(self._of)

    def stop(self) -> None:
        """Read no more, finish what was taken, reply, leave. Returns when it is done."""
        self._stopping.set()
        if self.is_alive():
            self.join(LEAVE_S + BLOCK_S)

    def _tell(self, training: tuple[str, ...]) -> Worker:
        device, models = str(self._device), self._residency.references
        return Worker(id=self.id, device=device, models=models, training=training, seen_at=time())

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry, fields in entries:
            if entry in self._in_hand:
                continue
            frame = self._opened(entry, fields)
            if frame is not None and fields is not None:
                self._engine.add(self._tickets(entry, fields, frame))

    def _opened(self, entry: bytes, fields: dict[bytes, bytes] | None) -> Frame | None:
        try:
            return decode_frame(self._mail.payload(fields or {}))
        except Garbage as error:
            log.warning("dropped an entry of the stream: %s", error)
            self._mail.discard(entry)
            return None

    def _tickets(self, entry: bytes, fields: dict[bytes, bytes], frame: Frame) -> list[Ticket]:
        taken = _Taken(entry, fields.get(b"key"), frame.reply_to, len(frame.asked))
        self._in_hand[entry] = taken
        sent_at = self._mail.sent_at(entry)
        tickets = []
        for asked in frame.asked:
            ticket = Ticket(asked.question, sent_at + asked.left_ms / 1000)
            self._of[ticket] = taken, asked.id
            tickets.append(ticket)
        return tickets

    def _look_for_orphans(self) -> None:
        if monotonic() - self._looked_at < max(BLOCK_S, self._settings.beat_s):
            return
        self._looked_at = monotonic()
        self._mail.read_clock()
        for (entry, fields), deliveries in self._mail.orphans():
            if deliveries < MAX_DELIVERIES:
                self._take([(entry, fields)])
            elif (frame := self._opened(entry, fields)) is not None and fields is not None:
                log.error("refused a frame that %d workers left behind", deliveries)
                self._refuse(self._tickets(entry, fields, frame), Failed("no worker survived this question"))

    def _given_up(self) -> set[tuple[str, int]]:
        """Questions that nobody waits for any more; looked for now and then while there is something to do."""
        if not self._engine.busy or monotonic() - self._heeded_at < HEED_S:
            return set()
        self._heeded_at = monotonic()
        return self._mail.gone()

    def _drop(self, gone: set[tuple[str, int]]) -> None:
        """What nobody waits for leaves before its next step."""
        if gone:
            of = self._of.items()
            self._engine.cancel([ticket for ticket, (taken, ask_id) in of if (taken.reply_to, ask_id) in gone])

    def _turn(self) -> None:
        self._post(self._engine.turn().done)
        self._flush()

    def _flush(self) -> None:
        if self._outbox:
            self._mail.send(self._outbox)
            self._outbox.clear()

    def _post(self, tickets: Iterable[Ticket]) -> None:
        """Put what is done into the outbox."""
        replies: dict[str, tuple[list[Answered | Refused], list[_Taken]]] = {}
        for ticket in tickets:
            taken, ask_id = self._of.pop(ticket)
            lines, finished = replies.setdefault(taken.reply_to, ([], []))
            lines.append(_reply(ask_id, ticket))
            taken.left -= 1
            if taken.left == 0:
                self._in_hand.pop(taken.entry, None)
                finished.append(taken)
        self._outbox += [_Sending(to, tuple(lines), tuple(done)) for to, (lines, done) in replies.items()]

    def _refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        refused = list(tickets)
        for ticket in refused:
            ticket.error = error
        self._post(refused)

    def _abandon(self) -> None:
        self._engine.close()
        self._engine = Engine(self._residency, self._device)
        self._refuse(list(self._of), Failed("the worker failed on this question; its log tells why"))
        self._stopping.wait(RETRY_S)

    def _work_on_during_outage(self) -> None:
        """What is in hand can be computed without Redis; its replies wait."""
        give_up = monotonic() + RETRY_S
        while self._engine.busy and monotonic() < give_up:
            self._post(self._engine.turn().done)
        self._stopping.wait(max(0.0, give_up - monotonic()))

    def _leave(self) -> None:
        give_up = monotonic() + LEAVE_S
        while (self._engine.busy or self._outbox) and monotonic() < give_up:
            try:
                self._turn()
            except redis.RedisError:
                threading.Event().wait(RETRY_S)
        self._heart.stop()
        self._mail.leave()
        self._engine.close()


@final
class _Heart(threading.Thread):
    """Beats on its own, also while a long call computes."""

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[tuple[str, ...]], Worker],
        training: Callable[[], tuple[str, ...]],
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._beat_s = settings.beat_s
        self._beats = Beats(settings)
        self._tell = tell
        self._training = training
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            try:
                self._beats.beat(self._tell(self._training()))
            except redis.RedisError as error:
                log.debug("a heartbeat was lost: %s", error)
            self._stopping.wait(self._beat_s)

    def stop(self) -> None:
        """The last beat is taken back."""
        self._stopping.set()
        self.join()
        self._beats.leave(self._tell(()).id)


def _reply(ask_id: int, ticket: Ticket) -> Answered | Refused:
    if ticket.error is not None:
        return Refused.of(ask_id, ticket.error)
    return Answered(ask_id, ticket.arrays, ticket.compute_ms, ticket.batch_rows, ticket.info)


def _entries(read: Any) -> list[Entry]:
    """The entries of the one stream that was read."""
    return [(entry, fields) for _, entries in read or [] for entry, fields in entries]
