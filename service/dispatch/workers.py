"""The live workers, and where they listen.

Each worker writes `pf:worker:{id}` at every heartbeat; Redis deletes a key that is not renewed.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Sequence
from typing import Any, final

import redis
from pydantic import Field, ValidationError

from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, connect, connect_sync, drop_wrong_type, guarded

IDS = f"{PREFIX}workers"  # ids of workers, some of them dead
BEATS = 5  # missed heartbeats after which a worker is dead


@final
class Announcement(Worker):
    """A heartbeat: what gateways need to reach the worker, too."""

    host: str = ""
    """Address at which it listens for gateways."""
    port: int = 0
    """Port at which it listens for gateways."""
    secret: str = Field("", repr=False)
    """What a gateway must know to be listened to."""

    @property
    def worker(self) -> Worker:
        """What everybody may know."""
        return Worker(**self.model_dump(include=set(Worker.model_fields)))


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
        return [each.worker for each in await self.announced() if not each.leaving]

    async def announced(self) -> Sequence[Announcement]:
        """The live workers, leaving ones too. Raises Unavailable where Redis does not answer."""
        async with guarded(self._redis):
            ids = sorted(await self._ids())
            keys = [beat_key(each.decode(errors="replace")) for each in ids]
            answers = await self._execute([(name, key) for key in keys for name in ("GET", "PTTL")])
            beats, left_ms = answers[::2], answers[1::2]
            dead_ids = [each for each, beat in zip(ids, beats, strict=True) if beat is None]
            if dead_ids:
                await self._redis.srem(IDS, *dead_ids)
        return list(_announcements(beats, left_ms, _ttl_ms(self._settings)))

    async def _ids(self) -> set[bytes]:
        try:
            ids: Any = await self._redis.smembers(IDS)
        except redis.ResponseError:
            return set()  # another type of key; the next heartbeat drops it
        return set(ids)

    async def _execute(self, commands: Sequence[tuple[str, str]]) -> Sequence[Any]:
        """Answers, among them errors about single keys."""
        if not commands:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            answers: Sequence[Any] = await pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, redis.ConnectionError):
                raise answer
        return answers


@final
class Heartbeats:
    """The heartbeats of one worker. Methods raise Unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect_sync(settings)
        self._ttl_ms = _ttl_ms(settings)

    def beat(self, worker: Announcement) -> None:
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


def _announcements(beats: Sequence[Any], left_ms: Sequence[Any], ttl_ms: int) -> Iterator[Announcement]:
    """Workers from their heartbeats and the time these have left; malformed ones are left out."""
    for beat, left in zip(beats, left_ms, strict=True):
        if isinstance(beat, str | bytes) and isinstance(left, int):
            announcement = _parse(beat, max(0.0, (ttl_ms - left) / 1000))
            if announcement is not None:
                yield announcement


def _parse(beat: str | bytes, silent_s: float) -> Announcement | None:
    """None for the heartbeat of another release."""
    try:
        return Announcement.model_validate_json(beat).model_copy(update={"silent_s": silent_s})
    except ValidationError:
        return None


def _ttl_ms(settings: Settings) -> int:
    """How long a heartbeat counts."""
    return max(1, round(1000 * BEATS * settings.beat_s))
