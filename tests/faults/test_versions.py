"""Gateways and workers of different releases: refused at once, in words, both ways."""

import asyncio
import json
from typing import Any

import pytest
import redis

from pushforward.service.dispatch.dispatcher import RedisAsks
from pushforward.service.dispatch.frames import (
    Answered,
    Frame,
    FramedRequest,
    Replies,
    decode_frame,
    decode_replies,
    encode_frame,
    encode_replies,
)
from pushforward.service.dispatch.keys import GROUP, WORKERS, stream_of
from pushforward.service.dispatch.workers import IDS, beat_key
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL
from tests.faults.place import Place
from tests.faults.test_links import ONE, until_alive, until_answered, worker
from tests.service.models_on_disk import put_model


def of_version(data: bytes, version: int) -> bytes:
    return data[:3] + bytes([version]) + data[4:]


def beat(client: Any, worker_id: str, **told: Any) -> None:
    record = Worker(id=worker_id, device="cpu", models=(), training=(), seen_at=0.0).model_dump() | told
    client.set(beat_key(worker_id), json.dumps(record), px=60_000)
    client.sadd(IDS, worker_id)
    client.sadd(WORKERS, worker_id)
    client.xgroup_create(stream_of(worker_id), GROUP, id="0", mkstream=True)


@pytest.mark.parametrize("version", [PROTOCOL - 1, PROTOCOL + 1])
async def test_a_worker_refuses_a_frame_of_another_version_at_once(place: Place, version: int) -> None:
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        frame = encode_frame(Frame("pf:replies:foreign", (FramedRequest(4, ONE, 60_000.0),)))
        client.xadd(stream_of(thread.id), {"frame": of_version(frame, version)})
        _, data = await asyncio.to_thread(client.blpop, ["pf:replies:foreign"], 10)
        assert data[3] == version
        [refused] = decode_replies(of_version(data, PROTOCOL)).replies
        assert (refused.id, refused.slug) == (4, "unavailable")
        await asyncio.to_thread(thread.stop)
        assert client.xlen(stream_of(thread.id)) == 0


async def test_a_gateway_refuses_at_once_what_only_a_worker_of_another_version_could_answer(place: Place) -> None:
    asks = RedisAsks(place.settings.model_copy(update={"beat_s": 0.1}))
    with redis.Redis.from_url(place.settings.redis_url) as client:
        beat(client, "newer", protocol=PROTOCOL + 1)
        async with asyncio.timeout(10):
            for attempt in (asks.ask(ONE, timeout_s=60), asks.reach()):
                with pytest.raises(Unavailable, match=f"version {PROTOCOL} .*speak {PROTOCOL + 1}"):
                    await attempt
        assert client.xlen(stream_of("newer")) == 0
    await asks.close()


async def test_a_gateway_chooses_workers_of_its_version(place: Place) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = RedisAsks(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        beat(client, "newer", protocol=PROTOCOL + 1)
        await until_alive(settings)
        for _ in range(5):
            await until_answered(asks)
        assert client.xlen(stream_of("newer")) == 0
        await asks.close()
        await asyncio.to_thread(thread.stop)


async def test_a_reply_of_another_version_refuses_its_request_at_once(place: Place) -> None:
    asks = RedisAsks(place.settings.model_copy(update={"beat_s": 0.1}))
    with redis.Redis.from_url(place.settings.redis_url) as client:
        beat(client, "mixed")
        asking = asyncio.create_task(asks.ask(ONE, timeout_s=60))
        async with asyncio.timeout(10):
            while not client.xlen(stream_of("mixed")):
                await asyncio.sleep(0.02)
            [(_, fields)] = client.xrange(stream_of("mixed"))
            frame = decode_frame(fields[b"frame"])
            reply = encode_replies(Replies((Answered(frame.requests[0].id, {}, 0.0, 1),)))
            client.rpush(frame.reply_to, of_version(reply, PROTOCOL + 1))
            with pytest.raises(Unavailable, match="different versions"):
                await asking
    await asks.close()
