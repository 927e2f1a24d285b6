"""Clients of Redis for asyncio and for threads, with our own timeouts.

By default redis-py 8 repeats a command ten times, also `XADD` and `INCR`, and ends a blocking read after 5 s. So every
client is made here: no command is repeated, and a blocking client waits longer than its longest `BLOCK`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import redis
import redis.asyncio

from pushforward.service.domain.errors import Unavailable
from pushforward.service.processes.outages import Outage
from pushforward.service.settings import Settings

log = logging.getLogger(__name__)
_OUTAGES = Outage(log, "Redis, for records,")  # one log line for each, whatever the number of callers

PREFIX = "pf:"  # of every key
CONNECT_S = 2.0
COMMAND_S = 3.0  # of a command that does not block
RETRY_AFTER_S = 2.0
CONNECTIONS = 1000  # of one process; each watch of a job holds one


def connect(settings: Settings, *, block_s: float = 0.0, decode: bool = True) -> redis.asyncio.Redis:
    """A client for asyncio, for commands that block for at most `block_s`."""
    return redis.asyncio.Redis.from_url(
        settings.redis_url, max_connections=CONNECTIONS, **_options(settings, block_s=block_s, decode=decode)
    )


def connect_sync(settings: Settings, *, decode: bool = True) -> redis.Redis:
    """A client for threads, for commands that do not block."""
    return redis.Redis.from_url(settings.redis_url, protocol=3, **_options(settings, block_s=0.0, decode=decode))


def _options(settings: Settings, *, block_s: float, decode: bool) -> dict[str, Any]:
    return {
        "password": settings.redis_secret(),
        "decode_responses": decode,
        "encoding_errors": "replace",  # data that is not ours may be any bytes
        "socket_timeout": COMMAND_S + block_s,
        "socket_connect_timeout": CONNECT_S,
        "retry": None,
    }


def broker_url(settings: Settings) -> str:
    """The URL of the same Redis for Celery, which wants `redis+socket:///path` for a unix socket."""
    url = urlsplit(settings.redis_url)
    secret = settings.redis_secret()
    user = url.netloc.rpartition("@")[0]
    credentials = f"{url.username or ''}:{quote(secret, safe='')}@" if secret else f"{user}@" if user else ""
    if url.scheme == "unix":
        return f"redis+socket://{credentials}{url.path}"
    host = url.netloc.rpartition("@")[2]
    return urlunsplit((url.scheme, credentials + host, url.path, url.query, ""))


@asynccontextmanager
async def guarded(client: redis.asyncio.Redis) -> AsyncIterator[None]:
    """An error of Redis becomes Unavailable; the log says whether it is down, loading, full or refuses us.

    Idle connections are closed: if one is dead, all are, and each would cost a caller a timeout.
    """
    try:
        yield
    except redis.RedisError as error:
        await client.connection_pool.disconnect(inuse_connections=False)
        raise _unavailable(error) from error
    _OUTAGES.over()


@contextmanager
def guarded_sync(client: redis.Redis) -> Iterator[None]:
    """`guarded` for threads."""
    try:
        yield
    except redis.RedisError as error:
        client.connection_pool.disconnect(inuse_connections=False)
        raise _unavailable(error) from error
    _OUTAGES.over()


def _unavailable(error: redis.RedisError) -> Unavailable:
    _OUTAGES.failed(error)
    return Unavailable("Redis does not answer; try again", retry_after_s=RETRY_AFTER_S)


def drop_wrong_type(client: redis.Redis, key: str, kind: str) -> None:
    """Delete a key of ours that has another type, because every command on it would fail."""
    found: Any = client.type(key)
    found = found.decode() if isinstance(found, bytes) else found
    if found not in (kind, "none"):
        log.error("dropped %s: it is a %s, and should be a %s", key, found, kind)
        client.delete(key)
