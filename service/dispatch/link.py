"""A gateway's two connections to Redis: one for commands that do not block, one for reading replies.

They live and die together. If one ends, or owes an answer for longer than Redis may take, the other is closed too, so
that all callers learn at once that both must be opened again. Silence is counted in checks, not in seconds: a gateway
that was suspended and goes on has lost nothing.

Each link has its own list of replies. Redis may hold an old connection open that nobody reads, and it may still take
replies from the old list; those requests are sent again. A link also reads the list of the link before it, so that
replies that were sent there are not lost.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, final

from pushforward.service.dispatch.keys import REPLIES
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import COMMAND_S
from pushforward.service.stores.redis_connection import Argument, RedisConnection, open_connection

BLOCK_S = 1.0  # of one read of the replies
DRAIN = 64  # replies of one further read
CHECK_S = 0.25  # between two checks for silence


@final
class Link:
    """Made by `open_link`."""

    def __init__(self, commands: RedisConnection, replies: RedisConnection, before: str | None) -> None:
        self.reply_to = f"{REPLIES}{secrets.token_hex(8)}"
        self._commands, self._replies = commands, replies
        self._before = before
        commands.lost.add_done_callback(lambda _: replies.close("the other connection ended"))
        replies.lost.add_done_callback(lambda _: commands.close("the other connection ended"))
        self._check(_Silence(commands, COMMAND_S), _Silence(replies, BLOCK_S + COMMAND_S))

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists that may hold replies to this gateway."""
        return (self.reply_to,) if self._before is None else (self.reply_to, self._before)

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """The answer to a command that does not block. Raises redis.RedisError when awaited."""
        return self._commands.send_all(command)[0]

    def send_all(self, *commands: tuple[Argument, ...]) -> list[asyncio.Future[Any]]:
        """Answers to several commands, which are sent at once."""
        return self._commands.send_all(*commands)

    async def read(self, *, drain: bool) -> list[bytes]:
        """The next replies, none after `BLOCK_S` without any. Raises redis.RedisError where the link is lost."""
        commands: list[tuple[Argument, ...]] = [("BLPOP", *self.lists, BLOCK_S)]
        if drain:
            commands.append(("LPOP", self.reply_to, DRAIN))
        taken, *more = [await answer for answer in self._replies.send_all(*commands)]
        return [*(taken[1:] if taken else ()), *((more and more[0]) or ())]

    def close(self, why: str = "closed") -> None:
        """Close both connections."""
        self._commands.close(why)
        self._replies.close(why)

    def _check(self, *silences: _Silence) -> None:
        for silence in silences:
            silence.check()
        if not self._commands.lost.done():
            asyncio.get_running_loop().call_later(CHECK_S, self._check, *silences)


@final
class _Silence:
    """Closes a connection that owes an answer and stays silent."""

    def __init__(self, connection: RedisConnection, longest_s: float) -> None:
        self._connection, self._longest_s = connection, longest_s
        self._n_received, self._lasts_s = 0, 0.0

    def check(self) -> None:
        connection = self._connection
        silent = connection.awaits_answer and connection.n_received == self._n_received
        self._lasts_s = self._lasts_s + CHECK_S if silent else 0.0
        self._n_received = connection.n_received
        if self._lasts_s >= self._longest_s:
            connection.close(f"Redis said nothing for {self._lasts_s:g} s")


async def open_link(settings: Settings, before: Link | None = None) -> Link:
    """Two connections. Raises redis.RedisError."""
    commands = await open_connection(settings)
    try:
        replies = await open_connection(settings)
    except BaseException:
        commands.close()
        raise
    return Link(commands, replies, None if before is None else before.reply_to)
