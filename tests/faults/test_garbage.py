"""Garbage under every key of Redis: it is dropped, and everything else goes on."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from service.adapters.ask_streams import GONE, WORKERS, stream_of
from service.adapters.celery_wakeups import CeleryWakeups
from service.adapters.redis_asks import RedisAsks
from service.adapters.redis_workers import IDS, beat_key
from service.domain import State
from service.wire import Asked, Frame, encode_frame
from tests.faults.place import Place
from tests.faults.test_links import ONE, until_alive, until_answered, until_reached, worker
from tests.service.worker.models_on_disk import put_model

NO_MESSAGES = (
    b"x",
    b"\xff\xfe",
    b"",
    b"5",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b"[" * 100_000,
    b'{"body": 5, "properties": []}',
    b'{"body": "!", "headers": {}, "properties": {"body_encoding": "base64", "delivery_tag": "a"}}',
    b'{"body": "e30=", "headers": {}, "properties": {"body_encoding": "none", "delivery_tag": "a"}}',
    b'{"body": "e30=", "headers": 5, "properties": {"delivery_tag": {}, "delivery_info": 3}}',
    b'{"body": "e30=", "headers": {"task": 7, "id": 3}, "content-type": "application/json",'
    b' "content-encoding": "utf-8",'
    b' "properties": {"body_encoding": "base64", "delivery_tag": "b", "delivery_info": {}}}',
    b'{"body": "W1tdLCB7fSwge31d", "headers": {"task": "pushforward.train", "id": "q", "eta": "x", "timelimit": 3},'
    b' "content-type": "application/json", "content-encoding": "utf-8",'
    b' "properties": {"body_encoding": "base64", "delivery_tag": "c", "delivery_info": {}}}',
    b'{"body": "gAR9lC4=", "headers": {"task": "pushforward.train", "id": "p"}, "content-encoding": "binary",'
    b' "content-type": "application/x-python-serialize",'
    b' "properties": {"body_encoding": "base64", "delivery_tag": "d", "delivery_info": {}}}',
)


async def test_what_is_no_message_on_the_queue_is_dropped_and_the_worker_goes_on(place: Place) -> None:
    with place.worker() as process, redis.Redis.from_url(place.settings.redis_url) as client:
        for item in NO_MESSAGES:
            client.lpush("pf:train", item)
        await place.until_all_told()
        job = await place.create(3)
        await CeleryWakeups(place.settings).wake(job.id)
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
        assert done.state is State.SUCCEEDED
        assert process.poll() is None
        assert client.llen("pf:train") == 0
        assert client.hlen("pf:unacked") == 0
        client.set("pf:train", "of another type")
        another = await place.create(3)
        done = await place.until(another, State.SUCCEEDED, State.FAILED)
        assert done.state is State.SUCCEEDED
        assert process.poll() is None


async def test_a_worker_that_cannot_go_on_does_not_end_with_exit_code_0(place: Place) -> None:
    """Its parent would take that for a wish."""
    with place.worker() as process:
        await until_alive(place.settings)
        with redis.Redis.from_url(place.settings.redis_url) as client:
            client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-brpop"])
        assert await asyncio.to_thread(process.wait, 60) != 0


def wrong_types(client: Any, key: str) -> Iterator[None]:
    """Under the key lie, in turn, values of all types."""
    writes: list[tuple[Any, ...]] = [
        ("SET", key, b"\xff"),
        ("RPUSH", key, b"\xff"),
        ("SADD", key, b"\xff"),
        ("HSET", key, b"\xff", b"\xff"),
        ("ZADD", key, 1, b"\xff"),
        ("XADD", key, "*", b"\xff", b"\xff"),
    ]
    for write in writes:
        client.delete(key)
        client.execute_command(*write)
        yield


@pytest.mark.parametrize("name", ["stream", "gone", "streams", "workers", "beat", "foreign beat", "replies"])
async def test_a_key_of_any_type_in_the_way_of_questions_does_no_lasting_harm(place: Place, name: str) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = RedisAsks(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        await until_answered(asks)
        keys = {
            "stream": stream_of(thread.id),
            "gone": GONE,
            "streams": WORKERS,
            "workers": IDS,
            "beat": beat_key(thread.id),
            "foreign beat": beat_key("another"),
            "replies": asks.reply_to,
        }
        client.sadd(IDS, "another", b"\xff")
        for _ in wrong_types(client, keys[name]):
            await asyncio.sleep(0.15)
            await until_answered(asks)
            await until_reached(asks)
        await asks.close()
        await asyncio.to_thread(thread.stop)


async def test_frames_with_a_foreign_list_of_replies_are_dropped_and_counted(place: Place) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = RedisAsks(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        client.xadd(stream_of(thread.id), {"frame": encode_frame(Frame(IDS, (Asked(1, ONE, 1e5),)))})
        client.xadd(stream_of(thread.id), {"frame": b"PFW"})
        client.xadd(stream_of(thread.id), {"probe": "x", "to": IDS})
        client.sadd("pf:replies:set", "x")
        client.xadd(stream_of(thread.id), {"frame": encode_frame(Frame("pf:replies:set", (Asked(1, ONE, 1e5),)))})
        await until_answered(asks)
        told = thread.telemetry.metrics.exposition().decode()
        assert re.search(r'^pushforward_worker_dropped_total{kind="frame"} 3\.0$', told, re.MULTILINE)
        assert client.xlen(stream_of(thread.id)) == 0
        assert client.type(IDS) == b"set"
        await asks.close()
        await asyncio.to_thread(thread.stop)
