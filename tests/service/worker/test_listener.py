"""`service.worker.listener`: who is listened to, and what comes of what they say."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import numpy as np
import pytest

from pushforward.service.dispatch.frames import encode_message
from pushforward.service.dispatch.handshake import HANDSHAKE_BYTES
from pushforward.service.dispatch.messages import (
    Answered,
    Beat,
    Cancelled,
    Farewell,
    Hello,
    Leaving,
    Proof,
    Replies,
    Requests,
)
from pushforward.service.worker import listener as listeners
from pushforward.service.worker.listener import Listener
from tests.service.conftest import until
from tests.service.worker.listening import meet, poll, turn
from tests.service.worker.raw_gateway import RawGateway, Said, encoded, raw_gateway, requests


def test_who_knows_the_secret_is_listened_to_and_answered(listener: Listener):
    with raw_gateway(listener.port) as gateway:
        meet(listener, gateway)
        gateway.say(requests(1, 2), Cancelled((2,)))
        (peer, taken), (other, cancelled) = poll(listener, 2)
        assert peer is other
        assert isinstance(taken, Requests)
        assert [each.id for each in taken.requests] == [1, 2]
        assert cancelled == Cancelled((2,))
        listener.send(peer, Replies((Answered(1, {"x": np.ones(2)}, 1.0, 1),)))
        assert gateway.read_replies().replies[0].id == 1


STRANGE: dict[str, Said] = {
    "a wrong secret": Proof(bytes(32)),
    "an empty proof": Proof(b""),
    "no proof": requests(1),
    "a farewell": Farewell(),
    "a web browser": b"GET / HTTP/1.1\r\n\r\n",
    "another release": b"PFW\x02" + bytes(60),
    "too much": encoded(Proof(bytes(HANDSHAKE_BYTES))),
    "an endless frame": b"PFW\x03" + bytes(4) + (2**30).to_bytes(8, "little"),
}


@pytest.mark.parametrize("said", STRANGE.values(), ids=STRANGE)
def test_who_does_not_is_turned_away_and_the_others_are_answered(listener: Listener, said: Said):
    with raw_gateway(listener.port) as gateway, raw_gateway(listener.port) as stranger:
        meet(listener, gateway)
        assert isinstance(stranger.read(), Hello)
        stranger.say(said, requests(7))
        ((_, end),) = poll(listener, 1)
        assert end is None
        assert stranger.is_cut_off
        gateway.say(requests(1))
        ((_, taken),) = poll(listener, 1)
        assert isinstance(taken, Requests)


def test_each_connection_is_asked_something_else(listener: Listener):
    """So a proof that was overheard is of no use."""
    with raw_gateway(listener.port) as one, raw_gateway(listener.port) as other:
        until(lambda: listener.poll(0.01) == [] and len(listener._peers) == 2)
        hellos = [one.read(), other.read()]
        assert hellos[0] != hellos[1]


def test_a_stranger_that_says_nothing_is_turned_away(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listeners, "HANDSHAKE_S", 0.1)
    with raw_gateway(listener.port) as stranger:
        ((_, end),) = poll(listener, 1)
        assert end is None
        assert stranger.is_cut_off
    assert listener._peers == []


def test_strangers_are_limited_and_a_gateway_is_not_one(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listeners, "MAX_STRANGERS", 3)
    with ExitStack() as stack:
        gateways = [stack.enter_context(raw_gateway(listener.port)) for _ in range(2)]
        for gateway in gateways:
            meet(listener, gateway)
        strangers = [stack.enter_context(raw_gateway(listener.port)) for _ in range(3)]
        until(lambda: listener.poll(0.01) == [] and len(listener._peers) == 5)
        one_too_many = stack.enter_context(raw_gateway(listener.port))
        until(lambda: listener.poll(0.01) == [] and _has_ended(one_too_many))
        for stranger in strangers:
            assert isinstance(stranger.read(), Hello)
        for gateway in gateways:
            turn(listener, gateway)


def _has_ended(gateway: RawGateway) -> bool:
    gateway.sock.settimeout(0.01)
    try:
        return gateway.is_cut_off
    except TimeoutError:
        return False


@pytest.mark.parametrize(
    "said",
    [b"garbage" * 9, encoded(requests(1))[:-8] + b"PFW\x03" + bytes(60), Proof(b"again"), requests(1, model="../etc")],
    ids=["garbage", "a torn frame", "a second proof", "no model"],
)
def test_garbage_of_a_gateway_ends_only_its_own_connection(listener: Listener, said: Said):
    with raw_gateway(listener.port) as liar, raw_gateway(listener.port) as other:
        meet(listener, liar)
        meet(listener, other)
        liar.say(requests(1), said, requests(2))
        (_, taken), (_, end) = poll(listener, 2)
        assert isinstance(taken, Requests)
        assert end is None
        assert liar.is_cut_off
        turn(listener, other)


def test_a_poll_that_waits_can_be_woken(listener: Listener):
    woken = threading.Timer(0.05, listener.wake)
    woken.start()
    assert listener.poll(60.0) == []
    woken.join()


def test_a_listener_that_leaves_says_so_and_waits_for_the_farewells(listener: Listener):
    with raw_gateway(listener.port) as one, raw_gateway(listener.port) as other:
        meet(listener, one)
        meet(listener, other)
        listener.leave()
        listener.leave()
        for gateway in (one, other):
            assert gateway.read_other() == Leaving()
        one.say(requests(1), Farewell())
        ((_, taken),) = poll(listener, 1)
        assert isinstance(taken, Requests)  # it was on its way
        assert not listener.is_left
        other.say(Farewell())
        until(lambda: listener.poll(0.01) == [] and listener.is_left)
    with pytest.raises(ConnectionRefusedError), raw_gateway(listener.port):
        pass


def test_who_proves_itself_to_a_listener_that_leaves_is_told(listener: Listener):
    with raw_gateway(listener.port) as late:
        until(lambda: listener.poll(0.01) == [] and bool(listener._peers))
        listener.leave()
        assert listener.is_left
        late.greet(listener.secret)
        until(lambda: listener.poll(0.01) == [] and not listener.is_left)
        assert late.read_other() == Leaving()


def test_a_listener_that_nobody_knows_of_may_go(listener: Listener):
    assert not listener.is_left
    listener.leave()
    assert listener.is_left


def test_a_beat_is_no_message_of_a_gateway(listener: Listener):
    with raw_gateway(listener.port) as gateway:
        meet(listener, gateway)
        gateway.say(b"".join(encode_message(Beat(1.0))))
        ((_, end),) = poll(listener, 1)
        assert end is None


def test_gateways_are_told_where_it_listens_as_soon_as_redis_has_an_address(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    found = iter([None, "10.1.2.3", "10.9.9.9"])
    monkeypatch.setattr("pushforward.service.worker.listener.reachable", lambda _: next(found))
    assert [listener.host, listener.host, listener.host] == [socket.gethostname(), "10.1.2.3", "10.1.2.3"]
