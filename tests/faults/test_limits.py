"""Clients that are slow, send too much, too many or half: each at a real gateway, which goes on answering others."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.gateways import Gateway, answer, running

MIB = 2**20
POST = b"POST /sample HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
NPY = b"POST /encode?model=moons HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
BODY = b'{"model": "moons"}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Impatient, with small limits."""
    folder = tmp_path_factory.mktemp("gateway")
    limits = {"max_body_bytes": 8 * MIB, "max_bodies_bytes": 20 * MIB, "max_connections": 40}
    rows = {"max_rows": 10**6, "max_stream_rows": 10**6}
    with running(folder, header_timeout_s=0.5, body_timeout_s=1.0, **limits, **rows) as gateway:
        yield gateway


def trickle(connection: socket.socket, byte: bytes) -> None:
    for _ in range(400):
        connection.sendall(byte)
        time.sleep(0.02)


def is_well(gateway: Gateway) -> bool:
    return httpx.get(f"{gateway.url}/livez", timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 0),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 408),
        (POST + b"Content-Length: 18\r\n\r\n" + BODY[:-1], 408),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + BODY + b"\r\n", 408),
        (POST.replace(b"application/json", b"text/plain") + b"Content-Length: 18\r\n\r\n" + BODY[:-1], 415),
    ],
    ids=["nothing", "headers", "a body", "chunks without the last", "a body that is refused"],
)
def test_a_request_that_never_ends_is_let_go(gateway: Gateway, sent: bytes, status: int) -> None:
    with gateway.connect() as connection:
        connection.sendall(sent)
        told, headers, body = answer(connection)
    assert told == status
    assert status == 0 or headers["content-type"] == "application/problem+json"
    assert status != 408 or json.loads(body)["type"] == "/problems/too-slow"
    assert is_well(gateway)


@pytest.mark.parametrize(
    "begun",
    [b"GET /livez HTTP/1.1\r\n", POST + b"Content-Length: 9999\r\n\r\n", b"\r\n"],
    ids=["headers", "body", "none"],
)
def test_trickling_bytes_do_not_keep_a_connection(gateway: Gateway, begun: bytes) -> None:
    with gateway.connect() as connection:
        connection.sendall(begun)
        byte = begun[-1:] if begun == b"\r\n" else b"a"
        with pytest.raises(OSError, match=r"reset|Broken pipe|aborted"):
            trickle(connection, byte)


def test_a_connection_that_served_is_held_to_the_same_deadlines(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /livez HTT")
        assert answer(connection)[0] == 408


@pytest.mark.parametrize("line", [b"X-Long: " + b"a" * 50_000_000, b"x: y\r\n" * 200_000], ids=["long", "many"])
def test_headers_beyond_their_limit_are_refused_before_they_are_all_there(gateway: Gateway, line: bytes) -> None:
    before = gateway.memory_bytes
    with gateway.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(line)
        assert answer(connection)[0] in (0, 431)  # the answer is lost where the client still sends
    assert gateway.memory_bytes - before < 8 * MIB
    assert is_well(gateway)


@pytest.mark.parametrize("surplus", [0, 1])
def test_headers_are_counted_to_the_last_byte(gateway: Gateway, surplus: int) -> None:
    fixed = b"/livez" + b"Host" + b"localhost" + b"Connection" + b"close" + b"X-Long" + b"____" * 3
    value = b"a" * (64 * 2**10 - len(fixed) + surplus)
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: " + value
    with gateway.connect() as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert answer(connection)[0] == (431 if surplus else 200)


def test_trailers_of_a_body_have_a_limit_too_and_are_no_headers(gateway: Gateway) -> None:
    head = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n" + BODY + b"\r\n0\r\n"
    with gateway.connect() as connection:
        connection.sendall(head + b"Accept: text/html\r\n\r\n")
        assert answer(connection)[0] == 200
    with gateway.connect() as connection:
        connection.sendall(head)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(b"X-Long: " + b"a" * 10_000_000)
        assert answer(connection)[0] in (0, 431)


def test_bodies_under_way_share_a_budget_and_it_is_given_back(gateway: Gateway) -> None:
    before = gateway.memory_bytes
    half = bytes(7 * MIB)
    with ExitStack() as stack:
        slow = [stack.enter_context(gateway.connect()) for _ in range(12)]
        for connection in slow:
            connection.sendall(NPY + b"Content-Length: %d\r\n\r\n" % (8 * MIB))
        for connection in slow:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(half)
        assert gateway.memory_bytes - before < 80 * MIB
        assert httpx.post(f"{gateway.url}/sample", json={"model": "moons"}, timeout=10).status_code == 200
        told = [answer(connection)[0] for connection in slow]
    assert set(told) <= {0, 408, 503}
    assert 503 in told or 0 in told
    ended = time.monotonic() + 20
    while gateway.memory_bytes - before > 16 * MIB and time.monotonic() < ended:
        time.sleep(0.1)
    assert gateway.memory_bytes - before <= 16 * MIB


def test_a_body_beyond_the_budget_is_refused_by_its_announcement(tmp_path: Path) -> None:
    with running(tmp_path, max_bodies_bytes=MIB) as gateway, gateway.connect() as connection:
        connection.sendall(NPY + b"Content-Length: %d\r\n\r\n" % (MIB + 1))
        status, headers, body = answer(connection)
    assert (status, headers["retry-after"], json.loads(body)["type"]) == (503, "1", "/problems/overloaded")


def test_connections_beyond_their_limit_are_told_and_leave_others_alone(gateway: Gateway) -> None:
    with ExitStack() as stack, httpx.Client(base_url=gateway.url) as client:
        assert client.get("/livez").status_code == 200
        held = [stack.enter_context(gateway.connect()) for _ in range(60)]
        assert client.get("/livez").status_code == 200
        held[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, headers, body = answer(held[-1])
        assert (status, json.loads(body)["type"]) == (503, "/problems/overloaded")
        assert headers["retry-after"] == "1"
    ended = time.monotonic() + 10
    while time.monotonic() < ended:
        try:
            assert is_well(gateway)
            return
        except AssertionError:
            time.sleep(0.1)
    raise AssertionError("connections that were closed still count")


@pytest.mark.parametrize(
    ("head", "cut"),
    [
        (b"POST /train HTTP/1.1\r\n", b"Content-Length: 5000\r\n\r\n%s"),
        (b"POST /train HTTP/1.1\r\n", b"Transfer-Encoding: chunked\r\n\r\n2e\r\n%s\r\n"),
        (b"POST /jobs/%s/cancel HTTP/1.1\r\n", b"Content-Length: 5000\r\n\r\n{}"),
        (b"DELETE /models/moons HTTP/1.1\r\n", b"Content-Length: 5000\r\n\r\n{}"),
    ],
    ids=["by its length", "by its chunks", "of a cancel", "of a deletion"],
)
def test_a_request_that_was_cut_short_is_nobodys(gateway: Gateway, head: bytes, cut: bytes) -> None:
    train = json.dumps({"model": "cut-short", "preset": "vae-digits"}).encode().ljust(46)
    with httpx.Client(base_url=gateway.url) as client:
        job = client.post("/train", json={"model": "whole", "preset": "vae-digits"}).json()["id"]
        before = client.get("/jobs").json()["jobs"]
        with gateway.connect() as connection:
            first = head % job.encode() if b"%s" in head else head
            rest = cut % train if b"%s" in cut else cut
            connection.sendall(first + b"Host: localhost\r\nContent-Type: application/json\r\n" + rest)
            connection.shutdown(socket.SHUT_WR)
            assert answer(connection)[0] in (0, 408)
        assert client.get("/jobs").json()["jobs"] == before
        assert client.get("/models/moons").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"Content-Length: x\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=range(12),
)
def test_what_is_no_request_is_refused_with_a_problem(gateway: Gateway, sent: bytes) -> None:
    with gateway.connect() as connection:
        connection.sendall(sent)
        status, headers, _ = answer(connection)
    assert (status, headers["content-type"]) == (400, "application/problem+json")


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(gateway: Gateway) -> None:
    body = b'{"model": "moons", "n": 800000}'
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", gateway.http_port))
        connection.settimeout(30)
        asked = POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        connection.sendall(asked)
        ended = time.monotonic() + 30
        assert connection.recv(12) == b"HTTP/1.1 200"
        while gateway.holds(connection) and time.monotonic() < ended:
            time.sleep(0.1)
        assert not gateway.holds(connection)
