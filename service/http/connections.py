"""Limits for connections that uvicorn does not have: slow clients, large headers, too many connections.

Until a request is complete it is in one of two phases: its headers, its body. Each phase has a deadline, so that the
connection of a client that trickles bytes is closed, and the headers have a maximum size. A request that arrives in
one piece sets no timer.

    idle --first byte--> headers --blank line--> body --last byte--> idle

A response has no deadline, because a slow reader delays only itself; the connection of a client that reads nothing at
all is closed.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, final

import uvicorn

from pushforward.service.domain.errors import HeadersTooLarge, Malformed, Overloaded, ServiceError, TooSlow
from pushforward.service.http import problems
from pushforward.service.http.shedding import Shedding, overload
from pushforward.service.http.uploads import is_upload
from pushforward.service.http.whole_responses import WholeResponses
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

SEPARATORS_BYTES = 4  # of a header: colon, space and the end of its line
REQUEST_LINE_BYTES = 64  # around the address: method and version
CHUNK_BYTES = 16  # around one byte of a chunked body, at most
SPARE_CONNECTIONS = 100  # beyond the limit, which get a refusal; further ones are closed at once


@final
class UvicornConfig(uvicorn.Config):
    """Uvicorn's configuration with our limits."""

    def __init__(
        self, app: Any, settings: Settings, telemetry: Telemetry, hot_paths: frozenset[bytes], **rest: Any
    ) -> None:
        super().__init__(app, http=HttpConnection, **rest)
        self.settings = settings
        self.telemetry = telemetry
        self.hot_paths = hot_paths
        self.shedding = Shedding()


class Phase(Enum):
    """The part of a request that is awaited."""

    IDLE = "idle"
    HEADERS = "headers"
    BODY = "body"


@final
class HttpConnection(WholeResponses):
    """The connection of one client."""

    def __init__(self, config: UvicornConfig, *arguments: Any, **rest: Any) -> None:
        super().__init__(config, *arguments, **rest)
        self._limits, self._telemetry = config.settings, config.telemetry
        self._hot_paths, self._shedding = config.hot_paths, config.shedding
        self._is_shed = False  # the request that comes
        self._has_shed = False  # in this piece of data
        self._phase = Phase.HEADERS  # a client that connects must send a request
        self._deadline: asyncio.TimerHandle | None = None
        self._deadline_phase = Phase.IDLE
        self._phase_bytes = 0  # received since the phase began, at least
        self._header_bytes = self._body_bytes = 0
        self._refusal: ServiceError | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0

    # --- called by the transport ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio's own protocols narrow it so
        super().connection_made(transport)
        surplus = len(self.connections) - self._limits.max_connections
        if surplus > SPARE_CONNECTIONS:
            transport.abort()
        elif surplus > 0:
            n = self._limits.max_connections
            self._refusal = Overloaded(f"{n} connections are open, as many as may be; try again", retry_after_s=1.0)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._clear_stalled()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._phase_bytes += len(data)
        self._has_shed = False
        super().data_received(data)
        if self._phase is Phase.IDLE and (self._has_shed or self.cycle is None or not self.cycle.response_complete):
            self._clear_deadline()
        elif not self.transport.is_closing():
            self._check_unfinished()
            self._set_deadline()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stalled()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._clear_stalled()

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]
        self._phase, self._header_bytes, self._body_bytes = Phase.HEADERS, 0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is Phase.HEADERS:  # trailers after a body are not checked, so they are ignored
            self._header_bytes += len(name) + len(value) + SEPARATORS_BYTES
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + self._header_bytes > self._limits.max_header_bytes:
            self._refusal = self._too_large()
        if self._refusal is not None:
            raise self._refusal  # the parser stops, and uvicorn calls send_400_response
        self._phase, self._phase_bytes = Phase.BODY, 0
        self._is_shed = self._is_hot and not self._is_answering() and self._shedding.refuses()
        if not self._is_shed:
            super().on_headers_complete()

    @property
    def _is_hot(self) -> bool:
        return self.url.partition(b"?")[0] in self._hot_paths

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if not self._is_shed:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase, self._phase_bytes = Phase.IDLE, 0
        if self._is_shed:
            self._shed()
        else:
            super().on_message_complete()

    def _shed(self) -> None:
        """Refuse a request that has come as a whole; the connection stays."""
        self._has_shed = True
        self._telemetry.request(
            door="rest", route=self.url.partition(b"?")[0].decode(), status=SHED_STATUS, seconds=0.0
        )
        if self.transport.is_closing():
            return
        self.transport.write(SHED)
        if self.parser.should_keep_alive():
            self.rest()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, or that exceeds a limit."""
        self._refuse(self._refusal or Malformed(f"this is no HTTP request: {msg}"))

    # --- our limits ---

    def _check_unfinished(self) -> None:
        """Refuse headers that grow without end, and excessive chunk headers of a body."""
        most = self._limits.max_header_bytes + REQUEST_LINE_BYTES
        if self._phase is Phase.BODY:
            most += (1 + CHUNK_BYTES) * self._body_bytes
        if self._phase_bytes > most:
            self._refuse(self._too_large())

    def _too_large(self) -> HeadersTooLarge:
        most = self._limits.max_header_bytes
        return HeadersTooLarge(f"address and headers hold more than {most} bytes; send fewer, and arrays in a body")

    def _set_deadline(self) -> None:
        if self._phase is Phase.BODY and not self._is_shed and is_upload(self.scope["method"], self.scope["path"]):
            self._clear_deadline()  # its route has one
            return
        if self._deadline is not None:
            if self._deadline_phase is self._phase:
                return
            self._deadline.cancel()
        limits = self._limits
        timeout_s = limits.body_timeout_s if self._phase is Phase.BODY else limits.header_timeout_s
        self._deadline_phase = self._phase
        self._deadline = self.loop.call_later(timeout_s, self._expire, timeout_s)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self, timeout_s: float) -> None:
        self._deadline = None
        if self.pipeline or (self._phase is Phase.HEADERS and self._is_answering()):
            self._set_deadline()  # the response to an earlier request is not complete
        else:
            what = "body" if self._phase is Phase.BODY else "request's headers"
            self._refuse(TooSlow(f"the {what} did not come within {timeout_s:g} s; send it again, faster"))

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: ServiceError) -> None:
        """Close the connection, with a response where none has begun."""
        self._clear_deadline()
        if self.transport.is_closing():
            return
        is_silent = self.headers is None  # a client that sent nothing gets no response
        earlier = self._phase is not Phase.BODY and self._is_answering()
        if not (is_silent or self.pipeline or earlier or (self._is_answering() and self.cycle.response_started)):
            self.transport.write(problems.raw(error))
            status = str(problems.STATUS[error.kind].value)
            self._telemetry.request(door="rest", route="unmatched", status=status, seconds=0.0)
        self.transport.close()

    def _watch_stalled(self) -> None:
        """Watch for a client that reads nothing of its response for as long as a body may take."""
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self._limits.body_timeout_s, self._check_stalled)

    def _check_stalled(self) -> None:
        if self.transport.get_write_buffer_size() >= self._unsent_bytes:
            self.transport.abort()
        else:
            self._watch_stalled()

    def _clear_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


SHED = problems.raw(overload(), connection="keep-alive")
SHED_STATUS = str(problems.STATUS[overload().kind].value)
