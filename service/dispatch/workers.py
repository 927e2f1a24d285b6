"""The live workers. Each writes `pf:worker:{id}` at every heartbeat; Redis deletes a key that is not renewed."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, final

import redis
from pydantic import ValidationError

from pushforward.service.dispatch.link import Link
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, connect, connect_sync, drop_wrong_type, guarded

IDS = f"{PREFIX}workers"  # ids of workers, some of them dead
BEATS = 5  # missed heartbeats after which a worker is dead

Execute = Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[Any]]]


def new_worker_id() -> str:
    """It begins with the host, so that a container finds its own worker among all."""
    return worker_id_prefix() + secrets.token_hex(8)


def worker_id_prefix() -> str:
    """What the ids of this host's workers begin with."""
    return f"{socket.gethostname()}-"


def beat_key(worker_id: str) -> str:
    """The key that exists while a worker lives."""
    return f"{PREFIX}worker:{worker_id}"


@final
class RedisWorkers:
    """`ports.Workers`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = connect(settings, decode=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def live(self) -> Sequence[Worker]:
        """Raises Unavailable where Redis does not answer."""
        async with guarded(self._redis):
            workers, dead_ids = await _read_beats(self._execute, self._settings)
            if dead_ids:
                await self._redis.srem(IDS, *dead_ids)
        return [worker for worker in workers if not worker.leaving]

    async def _execute(self, commands: Sequence[tuple[str, str]]) -> Sequence[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: Sequence[Any] = await pipe.execute(raise_on_error=False)
        return answers


async def live_workers(link: Link, settings: Settings) -> list[Worker]:
    """The live workers by a gateway's link, leaving ones too. Raises redis.ConnectionError."""

    async def execute(commands: Sequence[tuple[str, str]]) -> Sequence[Any]:
        return await asyncio.gather(*link.send_all(*commands), return_exceptions=True)

    try:
        workers, _ = await _read_beats(execute, settings)
    except redis.ResponseError:
        return []  # another type of key; the next heartbeat drops it
    return workers


@final
class Heartbeats:
    """The heartbeats of one worker. Methods raise Unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect_sync(settings)
        self._ttl_ms = _ttl_ms(settings)

    def beat(self, worker: Worker) -> None:
        """Say that the worker lives."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(beat_key(worker.id), worker.model_dump_json(), px=self._ttl_ms)
                pipe.sadd(IDS, worker.id)
                try:
                    pipe.execute()
                except redis.ResponseError:
                    drop_wrong_type(self._redis, IDS, "set")
                    raise
        except redis.RedisError as error:
            self._redis.connection_pool.disconnect()
            raise Unavailable(str(error)) from error

    def leave(self, worker_id: str) -> None:
        """Say that the worker leaves; where Redis does not answer, its key expires."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.delete(beat_key(worker_id))
                pipe.srem(IDS, worker_id)
                pipe.execute()
        except redis.RedisError:
            return
        finally:
            self._redis.close()


async def _read_beats(execute: Execute, settings: Settings) -> tuple[list[Worker], list[bytes]]:
    """The live workers, and the ids of dead ones. Raises redis.RedisError."""
    (ids,) = _checked(await execute([("SMEMBERS", IDS)]), redis.RedisError)
    ids = sorted(ids)
    keys = [beat_key(each.decode(errors="replace")) for each in ids]
    answers = await execute([(name, key) for key in keys for name in ("GET", "PTTL")]) if keys else []
    _checked(answers, redis.ConnectionError)
    beats, left_ms = answers[::2], answers[1::2]
    dead_ids = [each for each, beat in zip(ids, beats, strict=True) if beat is None]
    return list(_workers(beats, left_ms, _ttl_ms(settings))), dead_ids


def _checked(answers: Sequence[Any], kind: type[redis.RedisError]) -> Sequence[Any]:
    """The same answers. Raises the first error of a kind among them."""
    for answer in answers:
        if isinstance(answer, kind):
            raise answer
    return answers


def _workers(beats: Sequence[Any], left_ms: Sequence[Any], ttl_ms: int) -> Iterator[Worker]:
    """Workers from their heartbeats and the time these have left; malformed ones are left out."""
    for beat, left in zip(beats, left_ms, strict=True):
        if isinstance(beat, str | bytes) and isinstance(left, int):
            worker = _parse(beat, max(0.0, (ttl_ms - left) / 1000))
            if worker is not None:
                yield worker


def _parse(beat: str | bytes, silent_s: float) -> Worker | None:
    """None for the heartbeat of another release."""
    try:
        return Worker.model_validate_json(beat).model_copy(update={"silent_s": silent_s})
    except ValidationError:
        return None


def _ttl_ms(settings: Settings) -> int:
    """How long a heartbeat counts."""
    return max(1, round(1000 * BEATS * settings.beat_s))
