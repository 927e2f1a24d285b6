"""A whole service for each test module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushforward.service.client import Client
from tests.e2e.running import Up, start_up, stop_up


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = start_up(Path(tmp_path_factory.mktemp("up")))
    yield running
    stop_up(running)


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[Client]:
    with Client(up.place.url) as connected:
        yield connected
