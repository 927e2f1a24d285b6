"""Three things that cost uvicorn's connection much, of every request, done for less.

- Head and body of a whole response leave in one write; uvicorn writes each on its own, and checks every header.
- The task of a request is cancelled when its client disconnects; with ASGI another task must wait for a message.
- One timer for each connection closes it when it is idle; uvicorn sets and cancels one for each request.
"""

from __future__ import annotations

import asyncio
from abc import ABC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pushforward.service.processes.background import begin

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

LAST_CALL_S = 0.05  # between finding a connection idle and closing it
WHOLE_BYTES = 2**18  # of a body; a larger one waits until the client reads

Headers = list[tuple[bytes, bytes]]


class WholeResponses(HttpToolsProtocol, ABC):
    """A connection that can write a whole response, and say when its client disconnects."""

    def __init__(self, *arguments: Any, **rest: Any) -> None:
        super().__init__(*arguments, **rest)
        self._task: asyncio.Task[None] | None = None  # that answers the latest request
        self._interrupts = False  # whether it is cancelled when the client disconnects
        self._idle_since: float | None = None
        self._found_idle: float | None = None  # the `_idle_since` of a check that found it idle for long
        self._idle_timer: asyncio.TimerHandle | None = None

    def respond(self, scope: Scope, status: int, headers: Headers, body: bytes) -> bool:
        """Write a response; False where it must take the usual way."""
        cycle = self.cycle
        usual = cycle.scope is not scope or cycle.response_started or cycle.more_body or self.flow.write_paused
        if usual or len(body) > WHOLE_BYTES:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.disconnected:
            head = [STATUS_LINE[status], _defaults(tuple(cycle.default_headers))]
            for name, value in headers:
                head += (name, b": ", value, b"\r\n")
            head.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
            head.append(body)
            self.transport.write(b"".join(head))
            if not cycle.keep_alive:
                self.transport.close()
        cycle.on_response()
        return True

    def interrupt_on_disconnect(self, scope: Scope) -> bool:
        """Cancel the task of this request when its client disconnects; False where ASGI must tell."""
        if self.cycle.scope is not scope or self.cycle.disconnected:
            return False
        self._interrupts = True
        self.flow.resume_reading()  # else the end of the connection would not be read
        return True

    def interrupt_no_more(self) -> bool:
        """Whether the task was interrupted until now; it will not be from now on."""
        was_interrupted = self._interrupts and self.cycle.disconnected
        self._interrupts = False
        return was_interrupted

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._task = begin(cycle.run_asgi(app), "request")
        self.tasks.add(self._task)
        self._task.add_done_callback(self.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._interrupts and self._task is not None:
            self._task.cancel()

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self.rest()

    def rest(self) -> None:
        """Nothing is under way; the connection is closed if it stays so for long."""
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def _unset_keepalive_if_required(self) -> None:
        super()._unset_keepalive_if_required()
        self._idle_since = None

    def _check_idle(self) -> None:
        """Close the connection if it has been idle for long; the next response sets the timer again."""
        self._idle_timer = None
        if self._idle_since is None:
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._check_idle)
        elif self._found_idle != self._idle_since:
            # Of a process that was held up: a request may have come meanwhile, and sockets are read after timers.
            self._found_idle = self._idle_since
            self._idle_timer = self.loop.call_later(LAST_CALL_S, self._check_idle)
        else:
            self.timeout_keep_alive_handler()


@lru_cache(maxsize=16)
def _defaults(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The lines of uvicorn's own headers, such as the date."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
