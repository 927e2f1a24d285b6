"""A gateway that gets too little of the processor refuses a share of the requests at once; the connections stay."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

from tests.faults.gateways import Gateway, running

BODY = b'{"model": "moons"}'
PATIENCE_S = 30.0
KEEP_ALIVE_S = 5.0  # of an idle connection


@contextmanager
def mostly_stopped(gateway: Gateway) -> Iterator[None]:
    """The process runs for 5 ms of each 65, as beside others that take the processor."""
    done = threading.Event()

    def hinder() -> None:
        while not done.is_set():
            gateway.process.send_signal(signal.SIGSTOP)
            done.wait(0.06)
            gateway.process.send_signal(signal.SIGCONT)
            done.wait(0.005)

    hindering = threading.Thread(target=hinder)
    hindering.start()
    try:
        yield
    finally:
        done.set()
        hindering.join()


def asked(connection: HTTPConnection, method: str = "POST", path: str = "/sample") -> tuple[int, str | None]:
    """The status, and `Retry-After`."""
    body, headers = (BODY, {"Content-Type": "application/json"}) if method == "POST" else (None, {})
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers["Retry-After"]


@contextmanager
def connected(folder: Path) -> Iterator[tuple[Gateway, HTTPConnection]]:
    with running(folder) as gateway, closing(HTTPConnection("127.0.0.1", gateway.http_port, timeout=30)) as connection:
        connection.connect()
        connection.auto_open = 0  # once closed it stays so, and the next request fails
        yield gateway, connection


def test_past_its_capacity_a_gateway_refuses_some_requests_and_answers_others(tmp_path: Path) -> None:
    with connected(tmp_path) as (gateway, connection):
        assert asked(connection) == (200, None)
        seen: Counter[tuple[int, str | None]] = Counter()
        give_up = monotonic() + PATIENCE_S
        with mostly_stopped(gateway):
            while not (seen[503, "1"] >= 3 and seen[200, None] >= 3) and monotonic() < give_up:
                seen[asked(connection)] += 1
        assert set(seen) == {(200, None), (503, "1")}
        answered = 0  # in a row
        while answered < 50 and monotonic() < give_up:
            answered = answered + 1 if asked(connection)[0] == 200 else 0
        assert answered == 50


def test_other_routes_are_answered_meanwhile(tmp_path: Path) -> None:
    with connected(tmp_path) as (gateway, connection), mostly_stopped(gateway):
        assert [asked(connection, "GET", "/livez")[0] for _ in range(20)] == [200] * 20


def test_a_request_that_came_while_the_gateway_was_held_up_is_answered(tmp_path: Path) -> None:
    """For longer than an idle connection stays open."""
    with connected(tmp_path) as (gateway, connection):
        assert asked(connection) == (200, None)
        gateway.process.send_signal(signal.SIGSTOP)
        connection.request("POST", "/sample", BODY, {"Content-Type": "application/json"})
        sleep(KEEP_ALIVE_S + 0.5)
        gateway.process.send_signal(signal.SIGCONT)
        assert connection.getresponse().status == 200


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    with connected(tmp_path) as (_, connection):
        assert asked(connection) == (200, None)
        connection.sock.settimeout(KEEP_ALIVE_S + 5)
        assert connection.sock.recv(1) == b""
