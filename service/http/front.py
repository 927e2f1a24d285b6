"""Before anything else: is the request for this service, may this page send it, and is it asked with HEAD?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import final

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushforward.service.domain.errors import ServiceError
from pushforward.service.http import problems
from pushforward.service.http.headers import Said, said
from pushforward.service.http.hosts import Hosts, Origins
from pushforward.service.processes.background import begin
from pushforward.service.settings import Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
METHODS = "GET, HEAD, POST, PUT, DELETE"
REQUEST_HEADERS = "Accept, Content-Type, Idempotency-Key, If-Range, Last-Event-ID, Prefer, Range, traceparent"
RESPONSE_HEADERS = (
    b"Accept-Ranges, Content-Disposition, Content-Range, ETag, Location, Pushforward-Kind, Pushforward-Model, "
    b"Pushforward-Seed, Repr-Digest, Retry-After, Server-Timing"
)
PREFLIGHT_S = "600"  # a browser need not ask again for so long


@final
class Front:
    """Refuses hosts that are not ours and pages of others; lets listed pages read the answers (CORS)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = Hosts(settings)
        self._origins = Origins(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            told = said(scope)
            self._check(scope, told)
        except ServiceError as error:
            response = problems.response(error, scope["path"])
            response.headers["Connection"] = "close"  # a body is not read
            await response(scope, receive, send)
            return
        scope["said"] = told
        if self._origins.has(told.origin):
            if scope["method"] == "OPTIONS":
                await _preflight(told.origin)(scope, receive, send)
                return
            send = _Readable(send, told.origin)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, told: Said) -> None:
        self._hosts.check(told.host)
        if scope["method"] not in SAFE:
            self._origins.check(told)


def _preflight(origin: str) -> Response:
    """To a browser that asks whether its page may send a request."""
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_S,
        "Vary": "Origin",
    }
    return Response(status_code=204, headers=headers)


@final
class _Readable:
    """An answer that a page of this origin may read."""

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


@final
class Head:
    """HEAD is GET without the body, on every route: what would write the body is given up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        as_get: Scope = {**scope, "method": "GET"}
        begun = asyncio.Event()

        async def head_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                begun.set()

        async def answer() -> None:
            await self._app(as_get, receive, head_only)

        answering, waiting = begin(answer(), "HEAD"), begin(begun.wait(), "HEAD's head")
        try:
            await asyncio.wait({answering, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            answering.cancel()
            if "route" in as_get:
                scope["route"] = as_get["route"]
        with suppress(asyncio.CancelledError):
            await answering
