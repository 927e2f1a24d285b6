"""The inference thread: takes frames from its stream, feeds the engine, replies. It owns the device.

A frame is acknowledged when its last request is answered. A frame that several workers have left behind is refused,
because it may have killed them. If the thread hangs in a call, a watchdog ends the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from time import monotonic, sleep, time
from typing import final

import torch

from pushforward.service.dispatch.consumer import Consumer, StreamLost
from pushforward.service.dispatch.frames import Replies
from pushforward.service.dispatch.reply_sender import ReplySender
from pushforward.service.dispatch.stream import ReplyBatch, StreamEntry
from pushforward.service.dispatch.workers import new_worker_id
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Failed, ServiceError, Unavailable
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
from pushforward.service.worker import entries
from pushforward.service.worker.heartbeat import HeartbeatThread
from pushforward.service.worker.in_flight import InFlight, Outgoing
from pushforward.service.worker.recorder import Recorder

log = logging.getLogger(__name__)

BLOCK_S = 1.0  # of one read, while there is nothing to do
LOADING_S = 0.005  # between two reads, while all requests wait for models to load
RETRY_S = 0.1
MAX_DELIVERIES = 3  # of one frame
LEAVE_S = 20.0  # to answer the requests it has taken, when the worker stops


@final
class InferenceThread(Thread):
    """Answers requests until it is stopped."""

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
        self._tracing = tracing.for_worker()
        self._recorder = Recorder(self.telemetry, self._tracing)
        self._settings = settings
        self._device = choose_device(settings.device)
        self._compiler = Compiler(self._device, settings.n_torch_threads) if settings.compile == "auto" else None
        self._models = ModelCache(settings.store, self._device, settings.memory_bytes, self.telemetry, self._compiler)
        self._engine = Engine(self._models, self._device)
        self._consumer = Consumer(settings, self.id, BLOCK_S)
        self._reply_sender = ReplySender(Consumer(settings, self.id, 0.0))
        self._trouble = trouble
        self._heartbeat = HeartbeatThread(settings, lambda: self._status(training(), untaken_s()))
        self._outage = Outage(log, "Redis")
        self._rounds, self._round_at = 0, monotonic()  # rounds of the loop, and when the latest one began
        self._watchdog = Watchdog("the thread that answers requests", settings.hang_s, lambda: self._rounds)
        self._in_flight = InFlight()
        self._outbox: list[ReplyBatch] = []
        self._looked_for_orphans_at = -float("inf")  # when orphans were last looked for

    def work(self) -> None:
        """Answer until `stop`."""
        torch.set_num_threads(self._settings.n_torch_threads)
        for thread in (self._watchdog, self._heartbeat, self._reply_sender):
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
        """Whether requests are in flight."""
        return bool(self._in_flight)

    def stop(self) -> None:
        """Take no more requests, reply to those taken, and leave. Returns when it is done."""
        self.stopping.set()
        if self.is_alive():
            self.join(LEAVE_S + 2 * BLOCK_S)

    def _go_round(self, joined: bool) -> bool:
        """Read, compute a turn, reply. Whether the stream is known to be there."""
        self._rounds += 1
        self._round_at = monotonic()
        try:
            if not joined:
                # First of all, or answered frames would be taken again.
                self._outbox += self._reply_sender.flush()
                self._consumer.send(self._outbox)
                self._outbox.clear()
                self._take(self._consumer.join())
            self._exchange()
            self._outage.over()
            self._look_for_orphans()
            self._post(self._engine.turn())
        except StreamLost:
            return False
        except Unavailable as error:
            self._consumer.reconnect()
            self._work_on_during_outage(self._outage.failed(error))
            return False
        except Exception:
            log.exception("the inference thread failed; its requests are refused")
            self._abandon()
            return False  # `join` reads the entries that were delivered and not taken
        return True

    def _status(self, training: tuple[str, ...], untaken_s: float) -> Worker:
        models, trouble = self._models.references, self._trouble()
        self.telemetry.trouble(present=trouble is not None)
        self.telemetry.residency(len(models), self._models.n_bytes)
        self.telemetry.dropped_in_all("wakeup", dropped_wakeups())
        return Worker(
            id=self.id,
            device=str(self._device),
            models=models,
            training=training,
            trouble=trouble,
            seen_at=time(),
            leaving=self.stopping.is_set(),
            stalled_s=monotonic() - self._round_at,
            untaken_s=untaken_s,
        )

    def _exchange(self) -> None:
        """Send the outbox, take new frames, and cancel requests."""
        wait_s = 0.0 if self._engine.busy else LOADING_S if self.stopping.is_set() else BLOCK_S
        if self._engine.busy and not self._engine.ready:
            self._engine.wait(LOADING_S)
        for batch in (batch for batch in self._outbox if batch.is_large):
            self._reply_sender.send(batch)
        self._outbox = [batch for batch in self._outbox if not batch.is_large]
        self._outbox += self._reply_sender.take_failed()
        poll = self._consumer.poll(self._outbox, wait_s=wait_s)
        self._outbox.clear()
        self._take(poll.entries)
        self.telemetry.dropped("word", poll.n_malformed)
        for request_id in poll.cancelled:
            if (ticket := self._in_flight.cancel(request_id)) is not None:
                self._engine.cancel([ticket])

    def _take(self, new: Iterable[StreamEntry]) -> None:
        for entry in new:
            if (entry.stream, entry.id) in self._in_flight.frames:
                continue
            held = entries.read(entry, self._consumer)
            if isinstance(held, ReplyBatch):
                self._outbox.append(held)
                continue
            if held is None:
                self.telemetry.dropped("frame")
                self._consumer.discard(entry)
                continue
            tickets = self._in_flight.take(entry, held, self._consumer.sent_at(entry))
            if entry.deliveries > MAX_DELIVERIES:
                log.error("refused a frame that %d workers left behind", entry.deliveries - 1)
                self._refuse(tickets, Failed("no worker survived this request"))
                continue
            self._engine.add(tickets)
            self._engine.cancel(self._in_flight.cancelled(tickets))

    def _look_for_orphans(self) -> None:
        if monotonic() - self._looked_for_orphans_at < max(BLOCK_S, self._settings.beat_s):
            return
        self._looked_for_orphans_at = monotonic()
        self._consumer.read_clock()
        self._take(self._consumer.claim_orphans())
        if (
            not self._outbox and self._reply_sender.idle
        ):  # else some of its frames are finished, and not yet acknowledged
            self._take(self._consumer.undelivered(self._in_flight.frames))

    def _post(self, turn: Turn) -> None:
        """Put the replies of a turn into the outbox; those of one key go together, with its load."""
        if turn.call is not None:
            self._recorder.call(turn.call)
        outgoing: dict[tuple[str, Key], Outgoing] = {}
        self._in_flight.preview_replies(turn, outgoing)
        for ended in self._in_flight.end(turn, outgoing):
            self._recorder.ended(ended.ticket, ended.frame.sent_at, monotonic(), was_cancelled=ended.was_cancelled)
        for (reply_to, key), out in outgoing.items():
            load = self._engine.load(key, self.id)
            self.telemetry.backlog(load.backlog_ms)
            done = [(taken.entry, taken.payload_key) for taken in out.finished]
            self._outbox.append(ReplyBatch(reply_to, Replies(tuple(out.replies), load), done))

    def _refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        refused = list(tickets)
        for ticket in refused:
            ticket.error = error
        self._post(Turn(refused, [], None))

    def _abandon(self) -> None:
        self._engine.close()
        self._engine = Engine(self._models, self._device)
        self._refuse(self._in_flight.tickets, Failed("the worker failed on this request; its log tells why"))
        sleep(RETRY_S)

    def _work_on_during_outage(self, pause_s: float) -> None:
        """Compute what is in flight without Redis, and keep the replies. It pauses even while it stops."""
        give_up = monotonic() + pause_s
        while self._engine.ready and monotonic() < give_up:
            self._post(self._engine.turn())
            self._rounds += 1
            self._round_at = monotonic()
        sleep(max(0.0, give_up - monotonic()))

    def _leave(self, joined: bool) -> None:
        """Leave: heartbeats say so, and requests that were sent until then are answered."""
        give_up = monotonic() + LEAVE_S
        left = False
        while not left and monotonic() < give_up:
            joined = self._go_round(joined)
            self._outbox += self._reply_sender.flush()
            if joined and not self._engine.busy and not self._outbox:
                try:
                    left = self._consumer.leave()
                except (Unavailable, StreamLost) as error:
                    sleep(self._outage.failed(error))
        for thread in (self._watchdog, self._heartbeat, self._reply_sender):
            thread.stop()
        self._consumer.close()
        self._engine.close()
        if self._compiler is not None:
            self._compiler.close()
