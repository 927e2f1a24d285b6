"""The method HEAD: GET without the body, on every route."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pushforward.service.processes.background import begin


@final
class HeadMethod:
    """Answers HEAD as GET, and cancels the route when its headers are sent."""

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

        answering, waiting = begin(answer(), "HEAD"), begin(begun.wait(), "headers of HEAD")
        try:
            await asyncio.wait({answering, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            answering.cancel()
            if "route" in as_get:
                scope["route"] = as_get["route"]
        with suppress(asyncio.CancelledError):
            await answering
