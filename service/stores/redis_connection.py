"""One pipelined connection to Redis on asyncio, for the path of a request.

For every command redis-py takes a connection from a pool, locks it, waits for the answer and puts it back. That costs
0.1 ms, two thirds of it bookkeeping. Here a command is bytes written to a socket and its answer is a future; many
commands may be in flight.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Any, cast, final

import hiredis
import redis
from redis.asyncio.connection import parse_url

from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import COMMAND_S, CONNECT_S

Argument = bytes | str | int | float


@final
class RedisConnection(asyncio.Protocol):
    """Opened by `open_connection`. Answers come in the order of the commands."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None
        self._broken: redis.ConnectionError | None = None
        self.lost = asyncio.get_running_loop().create_future()  # done once the connection has ended
        self.n_received = 0  # pieces of data

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """The answer: bytes, an integer, a list of them, or None. Raises redis.RedisError when awaited."""
        return self.send_all(command)[0]

    def send_all(self, *commands: tuple[Argument, ...]) -> list[asyncio.Future[Any]]:
        """Several commands at once."""
        loop = asyncio.get_running_loop()
        answers = [loop.create_future() for _ in commands]
        if self._transport is None or self._broken is not None:
            for answer in answers:
                answer.set_exception(self._broken or redis.ConnectionError("not connected"))
            return answers
        self._waiting.extend(answers)
        self._transport.write(b"".join(_packed(command) for command in commands))
        return answers

    @property
    def awaits_answer(self) -> bool:
        """Whether an answer is missing."""
        return bool(self._waiting)

    def close(self, reason: str = "closed") -> None:
        """Close it; callers that wait get a ConnectionError."""
        self.connection_lost(redis.ConnectionError(reason))

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self.n_received += 1
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False and self._waiting:
                waiting = self._waiting.popleft()
                if waiting.done():
                    continue
                if isinstance(answer, Exception):
                    waiting.set_exception(redis.ResponseError(str(answer)))
                else:
                    waiting.set_result(answer)
        except hiredis.HiredisError as error:
            self.close(f"not an answer of Redis: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        if self._broken is None:
            self._broken = redis.ConnectionError(f"the connection ended: {error}")
        if not self.lost.done():
            self.lost.set_result(None)
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(self._broken)
                waiting.exception()  # retrieved, in case nobody awaits it


def _packed(command: tuple[Argument, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub means a tuple of one
    return packed


async def open_connection(settings: Settings) -> RedisConnection:
    """Connected, authenticated, at its database. Raises redis.RedisError."""
    place: Any = parse_url(settings.redis_url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            if "path" in place:
                _, connection = await loop.create_unix_connection(RedisConnection, place["path"])
            else:
                secure = ssl.create_default_context() if settings.redis_url.startswith("rediss:") else None
                host, port = place.get("host", "localhost"), place.get("port", 6379)
                _, connection = await loop.create_connection(RedisConnection, host, port, ssl=secure)
    except OSError as error:  # TimeoutError is one
        raise redis.ConnectionError(f"cannot connect: {error}") from error
    try:
        async with asyncio.timeout(COMMAND_S):
            secret = settings.redis_secret() or place.get("password")
            if secret:
                user = [place["username"]] if place.get("username") else []
                await connection.send("AUTH", *user, secret)
            if place.get("db"):
                await connection.send("SELECT", place["db"])
            await connection.send("PING")  # Redis may still be loading its data
    except (redis.RedisError, TimeoutError) as error:
        connection.close()
        raise redis.ConnectionError(f"cannot connect: {error or 'no answer in time'}") from error
    except asyncio.CancelledError:
        connection.close()
        raise
    return connection
