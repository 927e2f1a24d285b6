"""A gateway's way to Redis and back: one connection for what does not block, one for the replies.

They have one owner and one life. A connection that ends, or that owes an answer and is silent for longer than Redis may
be, takes the other along, so whoever depends on either learns at once that both must be made anew. Silence is counted
in looks, not in seconds: a gateway that was stopped itself, and goes on, has lost nothing.

Every link has a list of replies of its own. A connection that Redis still holds open, though nobody reads it any more,
may go on taking what comes into the old list; what it takes is asked again. The list of the link before is read too:
answers that were on their way to it are not computed in vain.
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
LOOK_S = 0.25  # between two looks at whether a connection is silent


@final
class Link:
    """Made by `open_link`."""

    def __init__(self, commands: RedisConnection, replies: RedisConnection, before: str | None) -> None:
        self.reply_to = f"{REPLIES}{secrets.token_hex(8)}"
        self._commands, self._replies = commands, replies
        self._before = before
        commands.lost.add_done_callback(lambda _: replies.close("the other connection ended"))
        replies.lost.add_done_callback(lambda _: commands.close("the other connection ended"))
        self._look(_Silence(commands, COMMAND_S), _Silence(replies, BLOCK_S + COMMAND_S))

    @property
    def lists(self) -> tuple[str, ...]:
        """Where replies to this gateway may lie."""
        return (self.reply_to,) if self._before is None else (self.reply_to, self._before)

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """The answer to what does not block. Raises redis.RedisError when awaited."""
        return self._commands.send_all(command)[0]

    def send_all(self, *commands: tuple[Argument, ...]) -> list[asyncio.Future[Any]]:
        """Several at once."""
        return self._commands.send_all(*commands)

    async def read(self, *, drain: bool) -> list[bytes]:
        """The next replies, none after `BLOCK_S` without any. Raises redis.RedisError where the link is lost."""
        commands: list[tuple[Argument, ...]] = [("BLPOP", *self.lists, BLOCK_S)]
        if drain:
            commands.append(("LPOP", self.reply_to, DRAIN))
        taken, *more = [await answer for answer in self._replies.send_all(*commands)]
        return [*(taken[1:] if taken else ()), *((more and more[0]) or ())]

    def close(self, why: str = "closed") -> None:
        """Both connections."""
        self._commands.close(why)
        self._replies.close(why)

    def _look(self, *silences: _Silence) -> None:
        for silence in silences:
            silence.look()
        if not self._commands.lost.done():
            asyncio.get_running_loop().call_later(LOOK_S, self._look, *silences)


@final
class _Silence:
    """Ends a connection that owes an answer and says nothing."""

    def __init__(self, connection: RedisConnection, longest_s: float) -> None:
        self._connection, self._longest_s = connection, longest_s
        self._n_received, self._lasts_s = 0, 0.0

    def look(self) -> None:
        connection = self._connection
        silent = connection.awaits_answer and connection.n_received == self._n_received
        self._lasts_s = self._lasts_s + LOOK_S if silent else 0.0
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
