"""Before any route: whether a request is for this service, and whether the page that sends it may (CORS)."""

from __future__ import annotations

from typing import final

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushforward.service.domain.errors import ServiceError
from pushforward.service.http import problems
from pushforward.service.http.headers import RequestHeaders, read_headers
from pushforward.service.http.hosts import Hosts, Origins
from pushforward.service.settings import Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
METHODS = "GET, HEAD, POST, PUT, DELETE"
REQUEST_HEADERS = (
    "Accept, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Range, Last-Event-ID, Prefer, Range, "
    "traceparent"
)
RESPONSE_HEADERS = (
    b"Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, Pushforward-Kind, Pushforward-Model, "
    b"Pushforward-Seed, Repr-Digest, Retry-After, Server-Timing"
)
PREFLIGHT_S = "600"  # how long a browser keeps the answer


@final
class AccessGuard:
    """Refuses other hosts and pages of other sites; lets pages of listed origins read the responses (CORS)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = Hosts(settings)
        self._origins = Origins(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = read_headers(scope)
            self._check(scope, headers)
        except ServiceError as error:
            await problems.unread(error, scope["path"])(scope, receive, send)
            return
        scope["read_headers"] = headers
        if self._origins.has(headers.origin):
            if scope["method"] == "OPTIONS":
                await _preflight(headers.origin)(scope, receive, send)
                return
            send = _ReadableResponse(send, headers.origin)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: RequestHeaders) -> None:
        self._hosts.check(headers.host)
        if scope["method"] not in SAFE:
            self._origins.check(headers)


def _preflight(origin: str) -> Response:
    """The answer to a browser's preflight request."""
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_S,
        "Vary": "Origin",
    }
    return Response(status_code=204, headers=headers)


@final
class _ReadableResponse:
    """Adds the headers by which a page of this origin may read the response."""

    def __init__(self, send: Send, origin: str) -> None:
        self._send = send
        self._headers = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", RESPONSE_HEADERS),
            (b"vary", b"Origin"),
        ]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)
