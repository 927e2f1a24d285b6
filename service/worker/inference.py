"""The inference thread: reads requests from its gateways, feeds the engine, replies. It owns the device.

If the thread hangs in a call, a watchdog ends the process. Then, as when the process dies in any other way, gateways
find their connections broken and send their requests to other workers.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic, sleep, time
from typing import final

import torch

from pushforward.service.dispatch.messages import Cancelled, Replies, Requests
from pushforward.service.dispatch.workers import Announcement, new_worker_id
from pushforward.service.domain.errors import Failed, ServiceError
from pushforward.service.engine.compile.compiler import Compiler
from pushforward.service.engine.devices import device as choose_device
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from pushforward.service.engine.tickets import Ticket, Turn
from pushforward.service.jobs.celery_transport import dropped_wakeups
from pushforward.service.processes.background import Thread
from pushforward.service.processes.watchdog import Watchdog
from pushforward.service.settings import Settings
from pushforward.service.telemetry import tracing
from pushforward.service.telemetry.worker import WorkerTelemetry
from pushforward.service.worker.forecasts import ForecastThread
from pushforward.service.worker.heartbeat import HeartbeatThread
from pushforward.service.worker.in_flight import InFlight, Outgoing
from pushforward.service.worker.listener import Listener, Received
from pushforward.service.worker.recorder import Recorder
from pushforward.service.worker.sender import Sender

log = logging.getLogger(__name__)

WAIT_S = 1.0  # of one look at the sockets, while there is nothing to do
LOADING_S = 0.005  # between two looks, while all requests wait for models to load
RETRY_S = 0.1
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
        self._sender = Sender(settings.beat_s, lambda: self._stalled_s)
        self._listener = Listener(settings, self.id, self._sender)
        self._forecasts = ForecastThread(settings, lambda peer, reply: self._listener.send(peer, Replies((reply,))))
        self._trouble = trouble
        self._heartbeat = HeartbeatThread(settings, lambda: self._status(training(), untaken_s()))
        self._rounds, self._round_at = 0, monotonic()  # rounds of the loop, and when the latest one began
        self._watchdog = Watchdog("the thread that answers requests", settings.hang_s, lambda: self._rounds)
        self._in_flight = InFlight()
        self._received: deque[Received] = deque()  # a defect in the midst of them loses none

    def work(self) -> None:
        """Answer until `stop`."""
        torch.set_num_threads(self._settings.n_torch_threads)
        for thread in (self._watchdog, self._sender, self._heartbeat, self._forecasts):
            if thread.ident is None:
                thread.start()
        while not self.stopping.is_set():
            self._go_round()
        self._leave()
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
            self._listener.wake()
            self.join(LEAVE_S + 2 * WAIT_S)

    @property
    def _stalled_s(self) -> float:
        return monotonic() - self._round_at

    def _go_round(self) -> None:
        """Read, compute a turn, reply."""
        self._rounds += 1
        self._round_at = monotonic()
        try:
            self._take_requests()
            self._reply(self._engine.turn())
        except Exception:
            log.exception("the inference thread failed; its requests are refused")
            self._abandon()

    def _status(self, training: tuple[str, ...], untaken_s: float) -> Announcement:
        models, trouble = self._models.references, self._trouble()
        self.telemetry.trouble(present=trouble is not None)
        self.telemetry.residency(len(models), self._models.n_bytes)
        self.telemetry.dropped_in_all("wakeup", dropped_wakeups())
        return Announcement(
            id=self.id,
            device=str(self._device),
            models=models,
            training=training,
            trouble=trouble,
            seen_at=time(),
            leaving=self.stopping.is_set(),
            stalled_s=self._stalled_s,
            untaken_s=untaken_s,
            host=self._listener.host,
            port=self._listener.port,
            secret=self._listener.secret,
        )

    def _take_requests(self) -> None:
        """Read what has come: requests, cancellations, the ends of gateways."""
        wait_s = 0.0 if self._engine.busy else LOADING_S if self.stopping.is_set() else WAIT_S
        if self._engine.busy and not self._engine.ready:
            self._engine.wait(LOADING_S)
        self._received += self._listener.poll(0.0 if self._received else wait_s)
        while self._received:
            peer, message = self._received.popleft()
            match message:
                case Requests() if message.requests[0].request.op == "forecast":
                    self._forecasts.take(peer, message)
                case Requests():
                    self._engine.add(self._in_flight.take(peer, message))
                case Cancelled(ids):
                    self._engine.cancel(self._in_flight.cancel(peer, ids))
                    self._forecasts.cancel(peer, ids)
                case None:
                    self._engine.cancel(self._in_flight.lose(peer))
                    self._forecasts.lose(peer)

    def _reply(self, turn: Turn) -> None:
        """Send the replies of a turn; those of one key go together, with its load."""
        if turn.call is not None:
            self._recorder.call(turn.call)
        outgoing: Outgoing = {}
        for ticket, taken in self._in_flight.end(turn, outgoing):
            self._recorder.ended(ticket, taken.sent_at, monotonic(), was_cancelled=taken.was_cancelled)
        for (peer, key), replies in outgoing.items():
            load = self._engine.load(key, self.id)
            self.telemetry.backlog(load.backlog_ms)
            self._listener.send(peer, Replies(tuple(replies), load))

    def _refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        refused = list(tickets)
        for ticket in refused:
            ticket.error = error
        self._reply(Turn(refused, [], None))

    def _abandon(self) -> None:
        self._engine.close()
        self._engine = Engine(self._models, self._device)
        self._refuse(self._in_flight.tickets, Failed("the worker failed on this request; its log tells why"))
        sleep(RETRY_S)

    def _leave(self) -> None:
        """Leave: gateways are told, and requests that they sent until then are answered."""
        give_up = monotonic() + LEAVE_S
        self._listener.leave()
        self._forecasts.stop()
        while monotonic() < give_up and not self._is_done:
            self._go_round()
        self._listener.close()
        for thread in (self._watchdog, self._sender, self._heartbeat):
            thread.stop()
        self._engine.close()
        if self._compiler is not None:
            self._compiler.close()

    @property
    def _is_done(self) -> bool:
        return self._listener.is_left and not self._engine.busy and self._sender.is_done
