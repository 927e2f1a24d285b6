"""`service.worker.address`: where a worker listens, and what gateways are told."""

from __future__ import annotations

import socket

import pytest

from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings
from pushforward.service.worker.address import listen, reachable


@pytest.mark.parametrize(
    ("host", "redis_url", "told"),
    [
        ("127.0.0.1", "redis://10.1.2.3:6379/0", "127.0.0.1"),
        ("0.0.0.0", "redis://127.0.0.1:6379/0", "127.0.0.1"),
        ("0.0.0.0", "redis://no-such-host.invalid:6379/0", None),
        ("0.0.0.0", "unix:///tmp/redis.sock", socket.gethostname()),
    ],
)
def test_gateways_are_told_an_address_that_reaches_the_worker(host: str, redis_url: str, told: str | None):
    assert reachable(Settings(worker_host=host, redis_url=redis_url)) == told


def test_a_port_that_is_taken_is_an_error_that_names_the_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port}.*PUSHFORWARD_WORKER_PORT"):
            listen("127.0.0.1", port)
