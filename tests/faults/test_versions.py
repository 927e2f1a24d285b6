"""Gateways and workers of different releases: refused at once, in words that name both versions."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

import pytest
import redis

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.frames import encode_message
from pushforward.service.dispatch.messages import Hello, Proof
from pushforward.service.dispatch.workers import IDS, Announcement, beat_key
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL
from tests.faults.asking import ONE, until_alive, until_answered, worker
from tests.faults.place import Place
from tests.service.models_on_disk import put_model

OTHERS = [PROTOCOL - 1, PROTOCOL + 1]


def of_version(frame: bytes, version: int) -> bytes:
    return frame[:3] + bytes([version]) + frame[4:]


def announce(client: Any, worker_id: str, port: int, protocol: int = PROTOCOL) -> None:
    told = Announcement(
        id=worker_id,
        device="cpu",
        models=(),
        training=(),
        seen_at=0.0,
        protocol=protocol,
        host="127.0.0.1",
        port=port,
        secret="s",
    )
    client.set(beat_key(worker_id), told.model_dump_json(), px=60_000)
    client.sadd(IDS, worker_id)


@pytest.mark.parametrize("version", OTHERS)
async def test_a_worker_turns_a_gateway_of_another_version_away_and_says_why(
    place: Place, caplog: pytest.LogCaptureFixture, version: int
) -> None:
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    with worker(settings) as thread:
        await until_alive(settings)
        reader, writer = await asyncio.open_connection("127.0.0.1", thread._listener.port)
        writer.write(of_version(b"".join(encode_message(Proof(bytes(32)))), version))
        async with asyncio.timeout(10):
            assert (await reader.read())[3] == PROTOCOL  # its hello, and the end
        writer.close()
        await asyncio.to_thread(thread.stop)
    assert f"version {version} of the protocol, and this process speaks {PROTOCOL}" in caplog.text


@pytest.mark.parametrize("version", OTHERS)
async def test_a_gateway_refuses_at_once_what_only_a_worker_of_another_version_could_answer(
    place: Place, version: int
) -> None:
    asks = Dispatcher(place.settings.model_copy(update={"beat_s": 0.1}))
    with redis.Redis.from_url(place.settings.redis_url) as client, socket.create_server(("127.0.0.1", 0)) as listening:
        announce(client, "other", listening.getsockname()[1], version)
        async with asyncio.timeout(10):
            for attempt in (asks.ask(ONE, timeout_s=60), asks.reach()):
                with pytest.raises(Unavailable, match=f"version {PROTOCOL} .*speak {version}"):
                    await attempt
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            listening.accept()
    await asks.close()


async def test_a_gateway_chooses_workers_of_its_version(place: Place) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        announce(client, "newer", 1, PROTOCOL + 1)
        await until_alive(settings, 2)
        for _ in range(5):
            await until_answered(asks)
        assert [each.id for each in await asks.reach()] == [thread.id]
        await asks.close()
        await asyncio.to_thread(thread.stop)


@pytest.mark.parametrize("version", OTHERS)
async def test_a_gateway_hears_the_version_of_a_worker_that_greets_it_in_another(
    place: Place, caplog: pytest.LogCaptureFixture, version: int
) -> None:
    """Its heartbeat says that it is of this one."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(of_version(b"".join(encode_message(Hello("mixed", bytes(16)))), version))
        with suppress(ConnectionError):
            await reader.read()  # until the gateway has closed the connection
        writer.close()

    caplog.set_level(logging.WARNING)
    asks = Dispatcher(place.settings.model_copy(update={"beat_s": 0.1}))
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        announce(client, "mixed", server.sockets[0].getsockname()[1])
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable):
                await asks.ask(ONE, timeout_s=5)
    assert f"version {version} of the protocol, and this process speaks {PROTOCOL}" in caplog.text
    await asks.close()
    server.close()
