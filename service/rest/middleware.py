"""Around the whole app: metrics and traces."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, final

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushforward.service.telemetry.gateway import Telemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing

UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})  # requested every few seconds, by machines


@final
class Measured:
    """Counts and times requests by route, so that the names in paths make no new time series."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        since, sent = perf_counter(), Sent(send)
        try:
            await self._app(scope, receive, sent)
        finally:
            seconds = perf_counter() - since
            self._telemetry.request(door="rest", route=_route(scope), status=str(sent.status), seconds=seconds)


@final
class Traced:
    """A span for each request, within the trace of its client."""

    def __init__(self, app: ASGIApp, tracing: GatewayTracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request, sent = self._tracing.begin(method, headers), Sent(send)
        try:
            await self._app(scope, receive, sent)
        finally:
            route = _route(scope)
            attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": sent.status}
            request.end(f"{method} {route}", attributes, failed=sent.status >= 500)


@final
class Sent:
    """Sends a response on and keeps its status, which is that of a defect until a response was sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
        await self._send(message)


def _route(scope: Scope) -> str:
    """The path with the names of its parameters, so that there are few different ones."""
    route = scope.get("route")
    return route.path if isinstance(route, Route) else "unmatched"
