"""`service.stores.redis_connection`: commands and answers over one connection to a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis

from pushforward.service.settings import Settings
from pushforward.service.stores.redis_connection import RedisConnection, open_connection


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[RedisConnection]:
    connection = await open_connection(Settings(redis_url=redis_url))
    yield connection
    connection.close()


async def test_answers_come_in_the_order_of_the_commands(connection: RedisConnection):
    answers = [connection.send("RPUSH", "list", i) for i in range(100)]
    assert await asyncio.gather(*answers) == list(range(1, 101))
    first, rest = connection.send_all(("BLPOP", "list", 1), ("LPOP", "list", 3))
    assert await first == [b"list", b"0"]
    assert await rest == [b"1", b"2", b"3"]


async def test_bytes_of_any_size_and_value_arrive(connection: RedisConnection):
    data = bytes(range(256)) * 20_000
    await connection.send("SET", "key", data)
    assert await connection.send("GET", "key") == data
    assert await connection.send("GET", "none") is None


async def test_a_refused_command_harms_no_other(connection: RedisConnection):
    good, bad, after = connection.send_all(("SET", "a", 1), ("LPOP", "a"), ("GET", "a"))
    await good
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await bad
    assert await after == b"1"


async def test_a_cancelled_command_does_not_shift_the_answers_of_the_others(connection: RedisConnection):
    first, second = connection.send_all(("SET", "a", 1), ("GET", "a"))
    first.cancel()
    assert await second == b"1"


async def test_when_the_connection_ends_all_waiting_commands_fail(connection: RedisConnection):
    waiting = connection.send("BLPOP", "nothing", 30)
    await asyncio.sleep(0.01)
    connection.close("enough")
    with pytest.raises(redis.ConnectionError, match="enough"):
        await waiting
    with pytest.raises(redis.ConnectionError):
        await connection.send("PING")


async def test_when_the_server_ends_the_connection_all_waiting_commands_fail(
    connection: RedisConnection, redis_url: str
):
    waiting = connection.send("BLPOP", "nothing", 30)
    other = await open_connection(Settings(redis_url=redis_url))
    await other.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(redis.ConnectionError):
        await waiting
    other.close()


async def test_without_a_server_no_connection_opens():
    with pytest.raises(redis.ConnectionError, match="cannot connect"):
        await open_connection(Settings(redis_url="unix:///nowhere/redis.sock"))


async def test_password_and_database_of_the_settings_are_used(redis_url: str):
    admin = await open_connection(Settings(redis_url=redis_url))
    await admin.send("CONFIG", "SET", "requirepass", "a secret")
    try:
        with pytest.raises(redis.ConnectionError, match="NOAUTH"):
            await open_connection(Settings(redis_url=redis_url))
        known = Settings.model_validate({"redis_url": f"{redis_url}?db=3", "redis_password": "a secret"})
        connection = await open_connection(known)
        await connection.send("SET", "here", 1)
        assert await admin.send("EXISTS", "here") == 0
        connection.close()
    finally:
        await admin.send("CONFIG", "SET", "requirepass", "")
        admin.close()
