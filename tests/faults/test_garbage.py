"""Garbage under every key of Redis: it is dropped, and everything else goes on."""

import asyncio
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.workers import IDS, Announcement, beat_key
from pushforward.service.domain.errors import NotFound, Unavailable
from pushforward.service.domain.jobs import State
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from tests.faults.asking import until_alive, until_answered, until_reached, worker
from tests.faults.place import Place
from tests.service.models_on_disk import put_model

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


@pytest.fixture(scope="module")
def taking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, subprocess.Popen[bytes]]]:
    """One worker for both tests of its consumer; the second ends it."""
    place = Place(tmp_path_factory.mktemp("taking"))
    with place.worker() as process:
        yield place, process
    place.stop_redis()


async def test_what_is_no_message_on_the_queue_is_dropped_and_the_worker_goes_on(
    taking: tuple[Place, subprocess.Popen[bytes]],
) -> None:
    place, process = taking
    with redis.Redis.from_url(place.settings.redis_url) as client:
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


async def test_a_worker_that_cannot_go_on_does_not_end_with_exit_code_0(
    taking: tuple[Place, subprocess.Popen[bytes]],
) -> None:
    """Its parent would take that for a wish."""
    place, process = taking
    await until_alive(place.settings)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-brpop"])
    assert await asyncio.to_thread(process.wait, 60) != 0


def wrong_types(client: Any, key: str) -> Iterator[None]:
    """Under the key lie, in turn, values of all types; no writer comes between a value and the next."""
    writes: list[tuple[Any, ...]] = [
        ("SET", key, b"\xff"),
        ("RPUSH", key, b"\xff"),
        ("SADD", key, b"\xff"),
        ("HSET", key, b"\xff", b"\xff"),
        ("ZADD", key, 1, b"\xff"),
        ("XADD", key, "*", b"\xff", b"\xff"),
    ]
    for write in writes:
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(key).execute_command(*write)
            pipe.execute()
        yield


@pytest.mark.parametrize("name", ["workers", "beat", "foreign beat"])
async def test_a_key_of_any_type_in_the_way_of_requests_does_no_lasting_harm(place: Place, name: str) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        await until_answered(asks)
        keys = {"workers": IDS, "beat": beat_key(thread.id), "foreign beat": beat_key("another")}
        client.sadd(IDS, "another", b"\xff")
        for _ in wrong_types(client, keys[name]):
            await asyncio.sleep(0.15)
            await until_answered(asks)
            await until_reached(asks)
        await asks.close()
        await asyncio.to_thread(thread.stop)


@pytest.mark.parametrize("name", ["workers", "beat"])
async def test_a_gateway_that_starts_after_garbage_finds_the_worker(place: Place, name: str) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        for _ in wrong_types(client, IDS if name == "workers" else beat_key(thread.id)):
            asks = Dispatcher(settings)
            await until_answered(asks)
            await asks.close()
        assert client.type(IDS) == b"set"
        await asyncio.to_thread(thread.stop)


async def test_heartbeats_that_lead_nowhere_do_no_harm(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        good = Announcement.model_validate_json(str(client.get(beat_key(thread.id)).decode()))
        nowhere = [("", 0), ("127.0.0.1", 1), ("127.0.0.1", 70_000), ("127.0.0.1", -1), ("a" * 300, 5), ("..", 5)]
        for i, (host, port) in enumerate([*nowhere, (good.host, good.port)]):  # the last is another worker's address
            bad = good.model_copy(update={"id": f"bad-{i}", "host": host, "port": port})
            client.set(beat_key(bad.id), bad.model_dump_json())
            client.sadd(IDS, bad.id)
        await until_answered(asks)
        await asyncio.sleep(0.5)
        assert [each.id for each in await asks.reach()] == [thread.id]
        await asks.close()
        await asyncio.to_thread(thread.stop)
    assert "never retrieved" not in caplog.text


def damage(client: Any, job_id: str) -> Iterator[None]:
    """One thing after another is wrong with a record."""
    key, whole = f"pf:job:{job_id}", client.hgetall(f"pf:job:{job_id}")
    for field in ("state", "run", "epoch", "created_ms", "model", "preset"):
        for value in (b"\xff", b"[" * 5000, b"x", None):
            if value is None:
                client.hdel(key, field)
            else:
                client.hset(key, field, value)
            yield
            client.hset(key, mapping=whole)
    for _ in wrong_types(client, key):
        yield


async def test_a_damaged_record_is_told_and_no_other_job_suffers(place: Place) -> None:
    jobs, runs = RedisJobs(place.settings), RedisRuns(place.settings)
    good = await place.create(3)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        bad = await place.create(3)
        for _ in damage(client, bad.id):
            told = (await jobs.list(state=None, model=None, limit=9)).jobs
            assert good in told
            try:
                assert (await jobs.get(bad.id)).id == bad.id
            except (NotFound, Unavailable):
                assert [job.id for job in told] == [good.id]
        assert bad.id not in runs.unannounced(-1.0)
        client.zadd("pf:running", {bad.id: 0, "\xff": 0, good.id: 0})
        client.zadd("pf:queued", {"": 0})
        assert list(runs.expire()) == [good.id]
        assert list(runs.unannounced(-1.0)) == [good.id]
        assert client.zcard("pf:queued") == client.zcard("pf:jobs") == 1
        for name in (
            "pf:jobs",
            "pf:queued",
            "pf:running",
            "pf:paused",
            "pf:held",
            "pf:waiting:train",
            "pf:waiting:sample",
            "pf:waiting:evaluate",
            "pf:ranked:train",
            "pf:ranked:sample",
            "pf:ranked:evaluate",
        ):
            for _ in wrong_types(client, name):
                runs.expire()
                assert client.type(name) in (b"zset", b"none")
    another = await place.create(3)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.hset(f"pf:job:{another.id}", "run", "{")
        assert runs.claim("train", "w") is None
        client.hset(f"pf:job:{another.id}", "run", "{}")
        assert (await jobs.get(another.id)).state is State.FAILED
        third = await place.create(3)
        client.xadd(f"pf:job:{third.id}:events", {"kind": "state", "state": "?"})
        client.xadd(f"pf:job:{third.id}:events", {b"\xff": "?"})
        await jobs.cancel(third.id)
        kinds = [event.kind async for event in jobs.watch(third.id, after="0")]
        assert kinds == ["state", "log", "log", "state"]
        third = await place.create(3)
        for _ in wrong_types(client, f"pf:job:{third.id}:events"):
            assert runs.claim("train", "w") is not None
            runs.give_back(third.id, (await jobs.get(third.id)).epoch)
    runs.close()
    await jobs.close()
