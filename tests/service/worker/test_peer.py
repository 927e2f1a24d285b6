"""`service.worker.peer`: what a gateway is owed, and when its frames were sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from time import monotonic

import numpy as np
import pytest

from pushforward.service.worker import peer as peers
from pushforward.service.worker.peer import Peer


@pytest.fixture
def pair() -> Iterator[tuple[Peer, socket.socket]]:
    """A peer, and the gateway's end."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        theirs.connect(server.getsockname())
        theirs.settimeout(20)
        peer = Peer(server.accept()[0])
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        yield peer, theirs
        peer.close()


def read(sock: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        data += sock.recv(n - len(data))
    return data


def test_what_is_written_at_once_arrives_at_once(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    assert not peer.write([b"one", memoryview(b" two")], at_once=True)
    assert read(theirs, 7) == b"one two"
    assert peer.unsent_bytes == 0


def test_what_is_not_urgent_waits(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    assert peer.write([b"large"], at_once=False)
    assert peer.write([b" small"], at_once=True)  # else it would overtake
    assert peer.unsent_bytes == 11
    assert not peer.write_more()
    assert read(theirs, 11) == b"large small"
    assert peer.unsent_bytes == 0


def test_what_a_full_socket_leaves_over_arrives_in_order_once_it_is_read(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    rng = np.random.default_rng(0)
    sent = [rng.bytes(int(n)) for n in rng.integers(1, 100_000, 60)]
    for data in sent:
        peer.write([data[:7], memoryview(data)[7:]], at_once=True)
    whole = b"".join(sent)
    assert 0 < peer.unsent_bytes < len(whole)
    arrived = b""
    while len(arrived) < len(whole):
        arrived += theirs.recv(2**20)
        left = peer.write_more()
        assert left == (peer.unsent_bytes > 0)
    assert arrived == whole
    assert peer.unsent_bytes == 0


def test_it_is_known_since_when_a_gateway_has_taken_nothing(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    began = monotonic()
    while not peer.write([bytes(2**20)], at_once=True):
        pass
    full = peer.moved_at
    assert full >= began
    assert peer.write_more()
    assert peer.moved_at == full
    theirs.recv(2**20)
    while peer.moved_at == full:
        peer.write_more()
        theirs.recv(2**20)
    assert peer.moved_at > full


def test_after_the_end_nothing_is_owed(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    peer.write([b"x"], at_once=False)
    peer.close()
    assert not peer.write([b"y"], at_once=True)
    assert not peer.write_more()
    assert peer.unsent_bytes == 0
    assert theirs.recv(1) == b""


def test_a_broken_connection_is_an_error(pair: tuple[Peer, socket.socket]):
    peer, theirs = pair
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    theirs.close()
    with pytest.raises(ConnectionError):
        any(peer.write([bytes(2**10)], at_once=True) for _ in range(10**6))


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        monkeypatch.setattr(peers, "monotonic", lambda: self.now)


AHEAD_S = 1234.5  # of the worker's clock before the gateway's


def test_the_fastest_frame_tells_the_difference_of_the_clocks(
    pair: tuple[Peer, socket.socket], monkeypatch: pytest.MonkeyPatch
):
    peer, clock = pair[0], Clock(monkeypatch)
    rng = np.random.default_rng(0)
    for i in range(200):
        clock.now += 0.1
        took_s = 0.0002 if i % 20 == 3 else float(rng.uniform(0.001, 3.0))  # most waited while the worker computed
        told = peer.sent_at(clock.now - AHEAD_S - took_s)
        late_s = told - (clock.now - took_s)  # for how much later than it was it is taken
        assert late_s >= 0
        if i >= 3:
            assert late_s < 0.003


def test_a_first_frame_counts_as_sent_when_it_came(pair: tuple[Peer, socket.socket], monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    assert pair[0].sent_at(17.0) == clock.now


def test_clocks_that_drift_apart_are_followed(pair: tuple[Peer, socket.socket], monkeypatch: pytest.MonkeyPatch):
    """Where ours runs faster by 50 millionths, an hour makes 180 ms."""
    peer, clock = pair[0], Clock(monkeypatch)
    for second in range(3600):
        clock.now = 5000.0 + second * (1 + 5e-5)
        told = peer.sent_at(float(second))
    assert abs(told - clock.now) < 0.001
