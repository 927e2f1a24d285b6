"""Forecasts of trainings: requests that no model answers, but a child process, one after another.

They come on the connections of the gateways as requests to models do, so that they have deadlines, can be cancelled,
and are sent to another worker where this one dies.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Empty, Full, Queue
from time import monotonic
from typing import NamedTuple, final

from pushforward.models.errors import in_words
from pushforward.service.dispatch.messages import Answered, AnyReply, Refusal, Requests
from pushforward.service.domain.errors import Failed, Invalid, Overloaded, ServiceError, TimedOut, Unavailable
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.processes.background import Thread
from pushforward.service.runner.child_process import JobProcess
from pushforward.service.runner.messages import BlockedMessage, ForecastOrder, Foreseen, RefusalMessage
from pushforward.service.settings import Settings
from pushforward.service.worker.peer import Peer

log = logging.getLogger(__name__)

MAX_WAITING = 8
GLANCE_S = 0.1
RETRY_S = 5.0  # what a refused client is told to wait

Reply = Callable[[Peer, AnyReply], None]


@final
class _Asked(NamedTuple):
    peer: Peer
    id: int  # the gateway's own
    run: dict[str, object]
    deadline: float  # of time.monotonic()
    cancelled: threading.Event


@final
class ForecastThread(Thread):
    """`take`, `cancel` and `lose` are for the inference thread."""

    def __init__(self, settings: Settings, reply: Reply) -> None:
        super().__init__("forecasts")
        self._settings = settings
        self._reply = reply
        self._waiting: Queue[_Asked] = Queue(MAX_WAITING)
        self._in_hand: dict[tuple[Peer, int], _Asked] = {}

    def take(self, peer: Peer, frame: Requests) -> None:
        """Take requests in; they are answered later, or refused now."""
        sent_at = peer.sent_at(frame.sent_at)
        for framed in frame.requests:
            run = dict(framed.request.options.get("run", {}))
            asked = _Asked(peer, framed.id, run, sent_at + framed.left_ms / 1000, threading.Event())
            self._in_hand[peer, framed.id] = asked
            try:
                self._waiting.put_nowait(asked)
            except Full:
                full = Overloaded("many trainings are being foreseen; try again later", retry_after_s=RETRY_S)
                self._end(asked, full)

    def cancel(self, peer: Peer, ids: Iterable[int]) -> None:
        """Nobody waits for these any more."""
        for each in ids:
            if (asked := self._in_hand.get((peer, each))) is not None:
                asked.cancelled.set()

    def lose(self, peer: Peer) -> None:
        """A gateway is gone."""
        self.cancel(peer, [each for other, each in list(self._in_hand) if other is peer])

    def work(self) -> None:
        """Answer until `stop`."""
        while not self.stopping.is_set():
            try:
                asked = self._waiting.get(timeout=GLANCE_S)
            except Empty:
                continue
            try:
                self._end(asked, self._foreseen(asked))
            except ServiceError as error:
                self._end(asked, error)
            except OSError as error:
                self._end(asked, Unavailable(in_words(error), retry_after_s=RETRY_S))
            except Exception:
                log.exception("a forecast failed")
                self._end(asked, Failed("the forecast failed; the worker's log tells why"))

    def stop(self) -> None:
        """End the thread; what waits is refused, and asked again elsewhere."""
        self.stopping.set()
        if self.is_alive():
            self.join()
        for asked in list(self._in_hand.values()):
            self._end(asked, Unavailable("the worker stops; try again", retry_after_s=RETRY_S))

    def _end(self, asked: _Asked, end: Forecast | ServiceError) -> None:
        self._in_hand.pop((asked.peer, asked.id), None)
        if isinstance(end, ServiceError):
            self._reply(asked.peer, Refusal.of(asked.id, end))
        else:
            self._reply(asked.peer, Answered(asked.id, {}, 1000 * end.seconds, 0, end.model_dump(mode="json")))

    def _foreseen(self, asked: _Asked) -> Forecast:
        """What the child says. Raises ServiceError, OSError."""
        folder = Path(tempfile.mkdtemp(prefix="forecast-"))
        try:
            order_file = folder / "order.json"
            order_file.write_text(self._order(asked, folder / "scratch").model_dump_json())
            with JobProcess(order_file) as child:
                return self._said(child, asked)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _order(self, asked: _Asked, scratch: Path) -> ForecastOrder:
        return ForecastOrder(
            run=asked.run,
            data_root=self._settings.data_root.resolve(),
            scratch=scratch,
            device=self._settings.device,
            torch_threads=self._settings.n_torch_threads,
            memory_bytes=self._settings.job_memory_bytes,
        )

    def _said(self, child: JobProcess, asked: _Asked) -> Forecast:
        while not child.ended:
            if asked.cancelled.is_set() or self.stopping.is_set():
                raise Unavailable("the forecast was given up; try again", retry_after_s=RETRY_S)
            if monotonic() >= asked.deadline:
                raise TimedOut("no forecast in time: the data take long to read, or a step takes long")
            for message in child.read(GLANCE_S):
                match message:
                    case Foreseen():
                        return message.forecast
                    case RefusalMessage():
                        field = message.field or "run"
                        raise Invalid.field(field, message.fault.detail.removeprefix(f"{field}: "))
                    case BlockedMessage():
                        raise Unavailable(message.reason, retry_after_s=RETRY_S)
        log.warning("a forecast: %s: %s", child.ending, child.stderr_end)
        raise Failed(f"the forecast failed: {child.ending}; the worker's log has its last words")
