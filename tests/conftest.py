"""What all tests share: one real Redis for each test process, a fresh key space for each test."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import shapes

shapes.install()  # before anything of ours is loaded

from pushforward.service.local import redis_server  # noqa: E402


def pytest_configure() -> None:
    """A suite that a shell runs in the background ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis on a private unix socket."""
    folder = Path(tmp_path_factory.mktemp("redis"))
    server, url = redis_server.start(folder)
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def redis_url(redis_process: str) -> str:
    """The same Redis, emptied."""
    client = redis.Redis.from_url(redis_process)
    client.flushall()
    client.close()
    return redis_process
