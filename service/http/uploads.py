"""Requests whose bodies are not read before the route: uploads, which are larger than memory.

Their routes read them piece by piece, and say how slow a client may be. Where a route answers before the body is there,
the connection ends with the answer.
"""

from __future__ import annotations

import re
from typing import final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH = re.compile(r"/datasets/[^/]+")


def is_upload(method: str, path: str) -> bool:
    """Whether the body of a request is an upload."""
    return method == "PUT" and _PATH.fullmatch(path) is not None


async def pass_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the app read the body itself."""
    body = _Body(receive, send)
    await app(scope, body.receive, body.send)


@final
class _Body:
    """A body that is read by the route, and whether it was read to its end."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_read = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._is_read:
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"connection"]
            message = {**message, "headers": [*kept, (b"connection", b"close")]}
        await self._send(message)
