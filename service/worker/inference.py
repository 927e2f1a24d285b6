"""The inference thread: takes frames from its stream, feeds the engine, replies. It owns the device.

A frame is acknowledged when its last question is answered. One that outlived several workers is refused, for it may be
what killed them. A thread that hangs in a call ends its process: nobody else could own the device.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic, sleep, time
from typing import final

import redis
import torch

from pushforward.service.dispatch.consumer import Entry, Mail, Sending
from pushforward.service.dispatch.frames import (
    Answered,
    AnyReply,
    Frame,
    Garbage,
    OtherVersion,
    Previewed,
    Refused,
    Replies,
    decode_frame,
)
from pushforward.service.dispatch.keys import is_reply_list
from pushforward.service.dispatch.reply_sender import Postman
from pushforward.service.dispatch.workers import new_worker_id
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Failed, ServiceError
from pushforward.service.engine.compile.compiler import Compiler
from pushforward.service.engine.devices import device as choose_device
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from pushforward.service.engine.tickets import Key, Ticket, Turn
from pushforward.service.jobs.celery_transport import dropped_wakeups
from pushforward.service.processes.background import Thread
from pushforward.service.processes.outages import Outage
from pushforward.service.processes.watchdog import Watchdog
from pushforward.service.settings import Settings
from pushforward.service.telemetry import tracing
from pushforward.service.telemetry.worker import WorkerTelemetry
from pushforward.service.worker.heartbeat import Heart
from pushforward.service.worker.recorder import Recorder

log = logging.getLogger(__name__)

BLOCK_S = 1.0  # of one read, while there is nothing to do
LOADING_S = 0.005  # between two reads, while all waits for models to be loaded
RETRY_S = 0.1
MAX_DELIVERIES = 3  # of one frame
GIVEN_UP = 10_000  # remembered, for frames that are read later than the word
LEAVE_S = 20.0  # to answer what was taken, when the worker stops


@final
@dataclass(eq=False)
class _Taken:
    """A frame in hand."""

    entry: Entry
    payload_key: bytes | None
    reply_to: str
    sent_at: float  # by time.monotonic()
    left: int  # questions without a reply


@final
class Inference(Thread):
    """Answers until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        *,
        training: Callable[[], tuple[str, ...]] = tuple,
        trouble: Callable[[], str | None] = lambda: None,
        untaken_s: Callable[[], float] = float,
    ) -> None:
        super().__init__("inference")
        self.id = new_worker_id()
        self.telemetry = WorkerTelemetry(self.id, settings.metrics_folder, settings.store)
        self._tracing = tracing.of_worker()
        self._recorder = Recorder(self.telemetry, self._tracing)
        self._settings = settings
        self._device = choose_device(settings.device)
        self._compiler = Compiler(self._device, settings.n_torch_threads) if settings.compile == "auto" else None
        self._model_cache = ModelCache(
            settings.store, self._device, settings.memory_bytes, self.telemetry, self._compiler
        )
        self._engine = Engine(self._model_cache, self._device)
        self._mail = Mail(settings, self.id, BLOCK_S)
        self._postman = Postman(Mail(settings, self.id, 0.0))
        self._trouble = trouble
        self._heart = Heart(settings, lambda: self._tell(training(), untaken_s()))
        self._outage = Outage(log, "Redis")
        self._rounds = 0
        self._round_at = monotonic()  # when the latest began
        self._watchdog = Watchdog("the thread that answers questions", settings.hang_s, lambda: self._rounds)
        self._in_hand: dict[tuple[str, bytes], _Taken] = {}
        self._of: dict[Ticket, tuple[_Taken, int]] = {}  # its frame, and its id at the gateway
        self._tickets: dict[tuple[str, int], Ticket] = {}  # by gateway, and the id there
        self._outbox: list[Sending] = []
        self._gone: OrderedDict[tuple[str, int], None] = OrderedDict()  # given up lately
        self._looked_at = -float("inf")  # when orphans were last looked for

    def work(self) -> None:
        """Until `stop`."""
        torch.set_num_threads(self._settings.n_torch_threads)
        for thread in (self._watchdog, self._heart, self._postman):
            if thread.ident is None:
                thread.start()
        joined = False
        while not self.stopping.is_set():
            joined = self._go_round(joined)
        self._leave(joined)
        if self._tracing is not None:
            self._tracing.close()

    @property
    def busy(self) -> bool:
        """Whether it has questions in hand."""
        return bool(self._of)

    def stop(self) -> None:
        """Be asked no more, finish what was sent, reply, leave. Returns when it is done."""
        self.stopping.set()
        if self.is_alive():
            self.join(LEAVE_S + 2 * BLOCK_S)

    def _go_round(self, joined: bool) -> bool:
        """Read, compute a turn, reply. Whether the stream is known to be there."""
        self._rounds += 1
        self._round_at = monotonic()
        try:
            if not joined:
                # First, or what was answered would be taken again.
                self._outbox += self._postman.finish()
                self._mail.post(self._outbox)
                self._outbox.clear()
                self._take(self._mail.join())
            self._exchange()
            self._outage.over()
            self._look_for_orphans()
            self._post(self._engine.turn())
        except redis.RedisError as error:
            if "NOGROUP" not in str(error):
                self._mail.reconnect()
                self._work_on_during_outage(self._outage.failed(error))
            return False
        except Exception:
            log.exception("the inference thread failed; what it had in hand is refused")
            self._abandon()
            return False  # what was read but not taken in is this worker's still
        return True

    def _told_trouble(self) -> str | None:
        trouble = self._trouble()
        self.telemetry.trouble(present=trouble is not None)
        return trouble

    def _tell(self, training: tuple[str, ...], untaken_s: float) -> Worker:
        models = self._model_cache.references
        self.telemetry.residency(len(models), self._model_cache.n_bytes)
        self.telemetry.dropped_in_all("wakeup", dropped_wakeups())
        return Worker(
            id=self.id,
            device=str(self._device),
            models=models,
            training=training,
            trouble=self._told_trouble(),
            seen_at=time(),
            leaving=self.stopping.is_set(),
            stalled_s=monotonic() - self._round_at,
            untaken_s=untaken_s,
        )

    def _exchange(self) -> None:
        """Send what is in the outbox, take what is new, and drop what was given up."""
        wait_s = LOADING_S if self.stopping.is_set() else BLOCK_S
        if self._engine.busy:
            wait_s = 0.0
            if not self._engine.ready:
                self._engine.wait(LOADING_S)
        for sending in self._outbox:
            if sending.is_large:
                self._postman.send(sending)
        self._outbox = [sending for sending in self._outbox if not sending.is_large]
        self._outbox += self._postman.returned()
        heard = self._mail.exchange(self._outbox, wait_s=wait_s)
        self._outbox.clear()
        self._take(heard.entries)
        self.telemetry.dropped("word", heard.dropped)
        for word in heard.gone:
            self._gone[word] = None
            if word in self._tickets:
                self._engine.cancel([self._tickets[word]])
        while len(self._gone) > GIVEN_UP:
            self._gone.popitem(last=False)

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if (entry.stream, entry.id) in self._in_hand:
                continue
            if b"probe" in entry.fields:
                self._answer_probe(entry)
                continue
            frame = self._opened(entry)
            if frame is None:
                continue
            tickets = self._tickets_of(entry, frame)
            if entry.deliveries > MAX_DELIVERIES:
                log.error("refused a frame that %d workers left behind", entry.deliveries - 1)
                self._refuse(tickets, Failed("no worker survived this question"))
                continue
            self._engine.add(tickets)
            if self._gone:
                self._engine.cancel(ticket for ticket in tickets if self._asked_as(ticket) in self._gone)

    def _opened(self, entry: Entry) -> Frame | None:
        try:
            frame = decode_frame(self._mail.payload(entry.fields))
            if not is_reply_list(frame.reply_to):
                raise Garbage(f"no list of replies: {frame.reply_to[:100]!r}")
            return frame
        except OtherVersion as error:
            log.warning("refused a frame: %s", error)
            if is_reply_list(error.reply_to):
                key = entry.fields.get(b"key")
                self._outbox.append(Sending(error.reply_to, error.reply(), [(entry, key)]))
            else:
                self._drop(entry)
        except Garbage as error:
            log.warning("dropped an entry of the stream: %s", error)
            self._drop(entry)
        return None

    def _answer_probe(self, entry: Entry) -> None:
        """A gateway wants to know whether a question would get through."""
        try:
            reply_to, probe = entry.fields[b"to"].decode(), int(entry.fields[b"probe"])
            if not is_reply_list(reply_to):
                raise ValueError("no list of replies")
        except (KeyError, ValueError) as error:
            log.warning("dropped a probe: %s", error)
            self._drop(entry)
            return
        self._outbox.append(Sending(reply_to, Replies((Answered(probe, {}, 0.0, 0),)), [(entry, None)]))

    def _drop(self, entry: Entry) -> None:
        self.telemetry.dropped("frame")
        self._mail.discard(entry)

    def _tickets_of(self, entry: Entry, frame: Frame) -> list[Ticket]:
        sent_at = self._mail.sent_at(entry)
        taken = _Taken(entry, entry.fields.get(b"key"), frame.reply_to, sent_at, len(frame.asked))
        self._in_hand[entry.stream, entry.id] = taken
        tickets = []
        for asked in frame.asked:
            ticket = Ticket(asked.question, sent_at + asked.left_ms / 1000)
            self._of[ticket] = taken, asked.id
            self._tickets[frame.reply_to, asked.id] = ticket
            tickets.append(ticket)
        return tickets

    def _asked_as(self, ticket: Ticket) -> tuple[str, int]:
        """As its gateway calls it."""
        taken, ask_id = self._of[ticket]
        return taken.reply_to, ask_id

    def _look_for_orphans(self) -> None:
        if monotonic() - self._looked_at < max(BLOCK_S, self._settings.beat_s):
            return
        self._looked_at = monotonic()
        self._mail.read_clock()
        self._take(self._mail.orphans())
        if not self._outbox and self._postman.idle:  # else some of its frames are finished, and not yet acknowledged
            self._take(self._mail.mislaid(self._in_hand))

    def _post(self, turn: Turn) -> None:
        """Put what a turn brought into the outbox; what is of one key goes together, with its load."""
        if turn.call is not None:
            self._recorder.call(turn.call)
        now = monotonic()
        replies: dict[tuple[str, Key], tuple[list[AnyReply], list[_Taken]]] = {}
        for ticket, preview in turn.previews:
            taken, ask_id = self._of[ticket]
            lines, _ = replies.setdefault((taken.reply_to, ticket.key), ([], []))
            lines.append(Previewed(ask_id, preview.arrays, preview.step, preview.steps))
        for ticket in turn.done:
            taken, ask_id = self._of.pop(ticket)
            del self._tickets[taken.reply_to, ask_id]
            self._recorder.ended(ticket, taken.sent_at, now, given_up=(taken.reply_to, ask_id) in self._gone)
            lines, finished = replies.setdefault((taken.reply_to, ticket.key), ([], []))
            lines.append(_reply(ask_id, ticket))
            taken.left -= 1
            if taken.left == 0:
                self._in_hand.pop((taken.entry.stream, taken.entry.id), None)
                finished.append(taken)
        for (reply_to, key), (lines, finished) in replies.items():
            load = self._engine.load(key, self.id)
            self.telemetry.backlog(load.backlog_ms)
            done = [(taken.entry, taken.payload_key) for taken in finished]
            self._outbox.append(Sending(reply_to, Replies(tuple(lines), load), done))

    def _refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        refused = list(tickets)
        for ticket in refused:
            ticket.error = error
        self._post(Turn(refused, [], None))

    def _abandon(self) -> None:
        self._engine.close()
        self._engine = Engine(self._model_cache, self._device)
        self._refuse(list(self._of), Failed("the worker failed on this question; its log tells why"))
        sleep(RETRY_S)

    def _work_on_during_outage(self, pause_s: float) -> None:
        """What is in hand can be computed without Redis; its replies wait. It pauses although it may be stopping."""
        give_up = monotonic() + pause_s
        while self._engine.ready and monotonic() < give_up:
            self._post(self._engine.turn())
            self._rounds += 1
            self._round_at = monotonic()
        sleep(max(0.0, give_up - monotonic()))

    def _leave(self, joined: bool) -> None:
        """Gateways hear in a beat that it leaves; what they sent till then is answered."""
        give_up = monotonic() + LEAVE_S
        gone = False
        while not gone and monotonic() < give_up:
            joined = self._go_round(joined)
            self._outbox += self._postman.finish()
            if joined and not self._engine.busy and not self._outbox:
                try:
                    gone = self._mail.leave()
                except redis.RedisError as error:
                    sleep(self._outage.failed(error))
        self._watchdog.stop()
        self._heart.stop()
        self._postman.stop()
        self._mail.close()
        self._engine.close()
        if self._compiler is not None:
            self._compiler.close()


def _reply(ask_id: int, ticket: Ticket) -> Answered | Refused:
    if ticket.error is not None:
        return Refused.of(ask_id, ticket.error)
    return Answered(ask_id, ticket.arrays, ticket.compute_ms, ticket.batch_rows, ticket.info)
