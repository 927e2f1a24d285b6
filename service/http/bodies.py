"""The body of a request, whole or not at all.

A body is read before the route is called, so a request that was cut short has no effect, even where its route ignores
the body. While it arrives it is checked against the limit of its media type and the budget of the process. Uploads are
another matter: see `uploads`.
"""

from __future__ import annotations

from typing import final

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushforward.service.domain.errors import RequestTooLarge, ServiceError
from pushforward.service.http import problems
from pushforward.service.http.headers import RequestHeaders, headers_of
from pushforward.service.http.uploads import is_upload, pass_on
from pushforward.service.processes.intake import Intake, Lease
from pushforward.service.settings import Settings

CLIENT_CLOSED_REQUEST = 499  # nginx's number, for the metrics: the client is not there to read it
JSON = "application/json"
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})  # methods without a body, unless one is announced


@final
class BodyLimits:
    """Reads bodies within their limits, and passes each on as one message."""

    def __init__(self, app: ASGIApp, settings: Settings, intake: Intake) -> None:
        self._app = app
        self._intake = intake
        self._max_bytes = settings.max_body_bytes
        self._max_json_bytes = min(settings.max_json_bytes, settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        if scope["method"] in BODILESS and not headers.has_body:
            await self._app(scope, receive, send)
            return
        if is_upload(scope["method"], scope["path"]):
            await pass_on(self._app, scope, receive, send)
            return
        with self._intake.lease() as lease:
            try:
                body = await self._read(headers, receive, lease)
            except ServiceError as error:
                await problems.unread(error, scope["path"])(scope, receive, send)
            except ClientDisconnect:
                await Response(status_code=CLIENT_CLOSED_REQUEST)(scope, receive, send)
            else:
                await self._app(scope, _WholeBody(body, receive), send)

    async def _read(self, headers: RequestHeaders, receive: Receive, lease: Lease) -> bytes:
        """Raises RequestTooLarge, Overloaded, ClientDisconnect."""
        is_json = headers.content_type == JSON
        max_bytes = self._max_json_bytes if is_json else self._max_bytes
        if headers.announced_bytes > max_bytes:
            raise _too_large(max_bytes, is_json)
        self._intake.check(headers.announced_bytes)
        pieces: list[bytes] = []
        n_bytes = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece: bytes = message.get("body", b"")
            n_bytes += len(piece)
            if n_bytes > max_bytes:
                raise _too_large(max_bytes, is_json)
            lease.grow(n_bytes)
            if not message.get("more_body", False):
                return b"".join([*pieces, piece]) if pieces else piece
            pieces.append(piece)


@final
class _WholeBody:
    """Receives a body as one message, and then the messages after it."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _too_large(max_bytes: int, is_json: bool) -> RequestTooLarge:
    if is_json:
        return RequestTooLarge(f"the JSON body holds more than {max_bytes} bytes; send arrays as npy, or ask in parts")
    return RequestTooLarge(f"the body holds more than {max_bytes} bytes; ask in parts")
