"""A client that disconnects cancels the work that it waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, final

from fastapi import Request
from starlette.types import Receive

from pushforward.service.http.whole_responses import WholeResponses
from pushforward.service.processes.background import begin

PATIENCE_S = 0.02  # shorter work is not worth a task that watches the client

Result = TypeVar("Result")


async def unless_disconnected(request: Request, work: Awaitable[Result]) -> Result | None:
    """`until_disconnected` without a timer, where the connection itself tells that the client has left."""
    connection = request.scope.get("connection")
    if not isinstance(connection, WholeResponses) or not connection.interrupt_on_disconnect(request.scope):
        return await until_disconnected(request.receive, work)
    try:
        return await work
    except asyncio.CancelledError:
        if not connection.interrupt_no_more():
            raise
        _this_task().uncancel()
        return None
    finally:
        connection.interrupt_no_more()


async def until_disconnected(receive: Receive, work: Awaitable[Result]) -> Result | None:
    """The result of the work; None where the client disconnects first, which cancels the work."""
    watch = _Watch(receive)
    timer = asyncio.get_running_loop().call_later(PATIENCE_S, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.client_left:
            raise
        watch.worker.uncancel()
        return None
    finally:
        timer.cancel()
        watch.end()


@final
class _Watch:
    """Cancels the current task when the client disconnects."""

    def __init__(self, receive: Receive) -> None:
        self.worker = _this_task()
        self.client_left = False
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start watching."""
        self._watching = begin(self._watch(), "watch of a client")

    def end(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        self.worker.cancel()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("outside of any task")
    return task
