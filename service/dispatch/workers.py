"""Who is alive: every worker writes `pf:worker:{id}` at each beat, and a key that is not renewed goes by itself."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterator, Sequence
from typing import Any, final

import redis
from pydantic import ValidationError

from pushforward.service.dispatch.link import Link
from pushforward.service.domain.catalog import Worker
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, connect, connect_sync, drop_foreign, guarded

IDS = f"{PREFIX}workers"  # ids that have beaten, some of them dead
BEATS = 5  # missed beats that make a worker dead


def new_worker_id() -> str:
    """Tells the host, so that whoever looks after a container knows its worker among all."""
    return worker_id_prefix() + secrets.token_hex(8)


def worker_id_prefix() -> str:
    """What the ids of this host's workers begin with."""
    return f"{socket.gethostname()}-"


def beat_key(worker_id: str) -> str:
    """The key that is there while a worker lives."""
    return f"{PREFIX}worker:{worker_id}"


def ttl_ms(settings: Settings) -> int:
    """How long a beat is heard."""
    return max(1, round(1000 * BEATS * settings.beat_s))


@final
class RedisWorkers:
    """`ports.Workers`."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings, decode=False)
        self._ttl_ms = ttl_ms(settings)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def live(self) -> Sequence[Worker]:
        """Raises Unavailable where Redis does not answer."""
        async with guarded(self._redis):
            ids: Any = sorted(await self._redis.smembers(IDS))
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in ids:
                    pipe.get(beat_key(each.decode(errors="replace")))
                    pipe.pttl(beat_key(each.decode(errors="replace")))
                told: Any = await pipe.execute(raise_on_error=False)
            beats = told[::2]
            if dead := [each for each, beat in zip(ids, beats, strict=True) if beat is None]:
                await self._redis.srem(IDS, *dead)
        return [worker for worker in heard(beats, told[1::2], self._ttl_ms) if not worker.leaving]


async def live_workers(link: Link, settings: Settings) -> list[Worker]:
    """The same by the link of a gateway, with those that leave. Raises redis.ConnectionError."""
    try:
        ids = sorted(each.decode(errors="replace") for each in await link.send("SMEMBERS", IDS))
    except redis.ResponseError:
        return []  # the key is of another type; the next beat drops it
    commands = [(name, beat_key(each)) for each in ids for name in ("GET", "PTTL")]
    told = await asyncio.gather(*link.send_all(*commands), return_exceptions=True)
    if broken := [answer for answer in told if isinstance(answer, redis.ConnectionError)]:
        raise broken[0]
    return list(heard(told[::2], told[1::2], ttl_ms(settings)))


@final
class Beats:
    """A worker's own side."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect_sync(settings)
        self._ttl_ms = ttl_ms(settings)

    def beat(self, worker: Worker) -> None:
        """Say that it lives. Raises redis.RedisError."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(beat_key(worker.id), worker.model_dump_json(), px=self._ttl_ms)
            pipe.sadd(IDS, worker.id)
            try:
                pipe.execute()
            except redis.ResponseError:
                drop_foreign(self._redis, IDS, "set")
                raise

    def reconnect(self) -> None:
        """Use no connection again."""
        self._redis.connection_pool.disconnect()

    def leave(self, worker_id: str) -> None:
        """Say that it goes; where Redis is away, the key goes by itself."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.delete(beat_key(worker_id))
                pipe.srem(IDS, worker_id)
                pipe.execute()
        except redis.RedisError:
            return
        finally:
            self._redis.close()


def heard(beats: Sequence[Any], left_ms: Sequence[Any], ttl_ms: int) -> Iterator[Worker]:
    """The workers that live, from their beats and how long each will still be heard; what is no beat is passed over."""
    for beat, left in zip(beats, left_ms, strict=True):
        if isinstance(beat, str | bytes) and isinstance(left, int):
            worker = _read(beat, max(0.0, (ttl_ms - left) / 1000))
            if worker is not None:
                yield worker


def _read(beat: str | bytes, silent_s: float) -> Worker | None:
    """None for what another release wrote."""
    try:
        return Worker.model_validate_json(beat).model_copy(update={"silent_s": silent_s})
    except ValidationError:
        return None
