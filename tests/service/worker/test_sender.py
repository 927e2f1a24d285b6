"""`service.worker.sender`: beats and large replies go on, and a gateway that does not read holds up nobody."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np
import pytest

from pushforward.service.dispatch.messages import Answered, Beat, Replies
from pushforward.service.settings import Settings
from pushforward.service.worker import sender as senders
from pushforward.service.worker.listener import Listener
from pushforward.service.worker.peer import Peer
from pushforward.service.worker.sender import LARGE_BYTES, Sender
from tests.service.conftest import until
from tests.service.worker.raw_gateway import RawGateway, raw_gateway

BEAT_S = 0.02
SMALL, LARGE = 10, LARGE_BYTES


def reply(id: int, values: int) -> Replies:
    return Replies((Answered(id, {"x": np.full(values, id, np.float32)}, 1.0, 1),))


class Worker:
    """A sender and a listener whose thread is that of the test."""

    def __init__(self) -> None:
        self.stalled_s = 0.0
        self.sender = Sender(BEAT_S, lambda: self.stalled_s)
        self.listener = Listener(Settings(), "w", self.sender)
        self.sender.start()

    def meet(self, gateway: RawGateway) -> Peer:
        """Read the proof of a gateway that has connected."""
        name = gateway.sock.getsockname()
        until(lambda: self.listener.poll(0.01) == [] and any(p.sock.getpeername() == name for p in self.peers))
        gateway.greet(self.listener.secret)
        (peer,) = (each for each in self.peers if each.sock.getpeername() == name)
        until(lambda: self.listener.poll(0.01) == [] and peer.is_proven)
        return peer

    @property
    def peers(self) -> list[Peer]:
        return self.listener._peers

    def close(self) -> None:
        self.listener.close()
        self.sender.stop()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def test_beats_go_on_and_tell_for_how_long_the_inference_thread_has_been_in_a_call(worker: Worker):
    with raw_gateway(worker.listener.port) as one, raw_gateway(worker.listener.port) as other:
        worker.meet(one)
        worker.meet(other)
        for gateway in (one, other):
            assert gateway.read() == Beat(0.0)
        worker.stalled_s = 7.5
        for gateway in (one, other):
            while gateway.read() != Beat(7.5):
                pass
            assert gateway.read() == Beat(7.5)


def test_a_stranger_gets_no_beats(worker: Worker):
    with raw_gateway(worker.listener.port) as stranger, raw_gateway(worker.listener.port) as gateway:
        worker.meet(gateway)
        for _ in range(5):
            gateway.read()
        stranger.read()  # the hello
        stranger.sock.settimeout(3 * BEAT_S)
        with pytest.raises(TimeoutError):
            stranger.read()


def test_small_and_large_replies_arrive_in_the_order_given(worker: Worker):
    sizes = [SMALL, LARGE, SMALL, 5 * LARGE, SMALL, SMALL, LARGE] * 4
    with raw_gateway(worker.listener.port) as gateway:
        peer = worker.meet(gateway)
        for i, n in enumerate(sizes):
            worker.listener.send(peer, reply(i, n))
        for i, n in enumerate(sizes):
            (answered,) = gateway.read_replies().replies
            assert isinstance(answered, Answered)
            assert answered.id == i
            np.testing.assert_array_equal(answered.arrays["x"], np.full(n, i))
    until(lambda: worker.sender.is_done)


def test_a_gateway_that_does_not_read_holds_up_nobody(worker: Worker):
    with raw_gateway(worker.listener.port, receives=2**14) as stuck, raw_gateway(worker.listener.port) as other:
        theirs, mine = worker.meet(stuck), worker.meet(other)
        for i in range(8):
            worker.listener.send(theirs, reply(i, 20 * LARGE))
        for i in range(50):
            worker.listener.send(mine, reply(i, SMALL if i % 2 else LARGE))
        assert [other.read_replies().replies[0].id for _ in range(50)] == list(range(50))
        while not isinstance(other.read(), Beat):
            pass
        assert theirs.unsent_bytes > 0
        assert not worker.sender.is_done
        assert [stuck.read_replies().replies[0].id for _ in range(8)] == list(range(8))  # it goes on


def test_a_gateway_that_takes_nothing_for_too_long_is_cut_off(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(senders, "STUCK_S", 0.3)
    with raw_gateway(worker.listener.port, receives=2**14) as stuck, raw_gateway(worker.listener.port) as other:
        theirs, mine = worker.meet(stuck), worker.meet(other)
        began = monotonic()
        worker.listener.send(theirs, reply(1, 100 * LARGE))
        received: list[object] = []
        until(lambda: bool(received.extend(worker.listener.poll(0.01)) or received))
        assert received == [(theirs, None)]
        assert monotonic() - began >= 0.3
        assert theirs.is_closed
        assert stuck.is_cut_off
        worker.listener.send(mine, reply(2, SMALL))
        assert other.read_replies().replies[0].id == 2
    assert worker.sender.is_done


def test_a_gateway_that_reads_slowly_is_not_cut_off(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    """Each read is well within the time, and all of them take longer."""
    monkeypatch.setattr(senders, "STUCK_S", 0.5)
    with raw_gateway(worker.listener.port, receives=2**16) as slow:
        peer = worker.meet(slow)
        began = monotonic()
        worker.listener.send(peer, reply(1, 100 * LARGE))
        data = b""
        while monotonic() < began + 1.2:
            data += slow.sock.recv(2**20)
            assert worker.listener.poll(0.02) == []
        rest = slow.read_all(100 * LARGE * 4 - len(data))
        assert len(data + rest) >= 100 * LARGE * 4


def test_a_gateway_that_is_gone_costs_the_others_nothing(worker: Worker):
    with raw_gateway(worker.listener.port) as other:
        mine = worker.meet(other)
        with raw_gateway(worker.listener.port) as gone:
            theirs = worker.meet(gone)
        worker.listener.send(theirs, reply(1, 20 * LARGE))
        worker.listener.send(mine, reply(2, LARGE))
        assert other.read_replies().replies[0].id == 2
        received: list[object] = []
        until(lambda: bool(received.extend(worker.listener.poll(0.01)) or received))
        assert received == [(theirs, None)]
        worker.listener.send(theirs, reply(3, SMALL))  # without effect
    until(lambda: worker.sender.is_done)
