"""Steps of a listener whose thread is that of the test."""

from __future__ import annotations

from pushforward.service.dispatch.messages import (
    Cancelled,
)
from pushforward.service.worker.listener import Listener, Received
from tests.service.conftest import until
from tests.service.worker.raw_gateway import RawGateway


def poll(listener: Listener, n: int) -> list[Received]:
    """The next n messages and ends."""
    received: list[Received] = []
    until(lambda: bool(received.extend(listener.poll(0.01)) or len(received) >= n))
    assert len(received) == n
    return received


def turn(listener: Listener, gateway: RawGateway) -> None:
    """Read all that the gateway has said."""
    gateway.say(Cancelled((-1,)))
    *before, (_, last) = poll(listener, 1)
    assert before == []
    assert last == Cancelled((-1,))


def meet(listener: Listener, gateway: RawGateway) -> None:
    name = gateway.sock.getsockname()
    until(lambda: listener.poll(0.01) == [] and any(p.sock.getpeername() == name for p in listener._peers))
    assert gateway.greet(listener.secret).worker == "w"
    turn(listener, gateway)
