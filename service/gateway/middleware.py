"""Around the whole app: how much a body may hold, and what is counted."""

from __future__ import annotations

from time import perf_counter
from typing import final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooLarge
from service.gateway import problems
from service.telemetry import Telemetry


@final
class BodyLimit:
    """Refuses a body beyond the limit, announced by Content-Length or not."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = TooLarge(f"the body holds more than {self._max_bytes} bytes; ask in parts")
        if _announced_bytes(scope) > self._max_bytes:
            await problems.response(refusal, scope["path"])(scope, receive, send)
            return
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise refusal
            return message

        await self._app(scope, count, send)


@final
class Measured:
    """Counts requests and times them, by route, so that names in paths make no new series."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        since = perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._telemetry.request(door="rest", route=route, status=str(status), seconds=perf_counter() - since)


def _announced_bytes(scope: Scope) -> int:
    """Content-Length, 0 where it is not told or not a number."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
