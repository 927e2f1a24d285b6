"""`service.worker.listener`: frames that are cut, joined and broken off, and gateways that do not read."""

from __future__ import annotations

import numpy as np
import pytest

from pushforward.service.dispatch.messages import (
    Answered,
    Replies,
    Requests,
)
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.worker import listener as listeners
from pushforward.service.worker.listener import Listener, Received
from tests.service.worker.listening import meet, poll, turn
from tests.service.worker.raw_gateway import encoded, raw_gateway, requests


def test_a_connection_that_ends_at_any_byte_of_a_frame_brings_the_whole_ones_and_its_end(listener: Listener):
    x = np.ones((3, 2), np.float32)
    small = requests(1)
    framed = small.requests[0]
    with_array = type(framed)(2, InferenceRequest("moons@1", "encode", 3, 0, {}, {"x": x}), 1.0)
    first, second = encoded(small), encoded(Requests(0.0, (with_array,)))
    for cut in range(len(second)):
        with raw_gateway(listener.port) as gateway:
            meet(listener, gateway)
            gateway.say(first + second[:cut])
        (_, taken), (_, end) = poll(listener, 2)
        assert isinstance(taken, Requests)
        assert [each.id for each in taken.requests] == [1]
        assert end is None


def test_frames_cut_and_joined_in_any_way_arrive_once_and_in_order(listener: Listener):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(80_000, 2)).astype(np.float32)
    large = InferenceRequest("moons@1", "decode", len(z), 0, {}, {"z": z})
    sent = []
    for i in range(30):
        frame = requests(i)
        sent.append(frame if i % 7 else Requests(0.0, (type(frame.requests[0])(i, large, 1.0),)))
    stream = b"".join(map(encoded, sent))
    received: list[Received] = []
    with raw_gateway(listener.port) as gateway:
        meet(listener, gateway)
        while stream:
            n = int(rng.choice([1, 20, 3000, 300_000]))
            gateway.say(stream[:n])
            stream = stream[n:]
            received += listener.poll(0.0)
        received += poll(listener, len(sent) - len(received))
    ids = [each.id for _, message in received if isinstance(message, Requests) for each in message.requests]
    assert ids == list(range(30))
    for _, message in received[::7]:
        assert isinstance(message, Requests)
        np.testing.assert_array_equal(message.requests[0].request.arrays["z"], z)


def test_a_gateway_that_does_not_read_is_not_read_until_it_does(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listeners, "MAX_UNSENT_BYTES", 2**20)
    large = Replies((Answered(1, {"x": np.zeros(5 * 2**20, np.uint8)}, 1.0, 1),))
    with raw_gateway(listener.port, receives=2**16) as stuck, raw_gateway(listener.port) as other:
        meet(listener, stuck)
        meet(listener, other)
        stuck.say(requests(1))
        ((peer, _),) = poll(listener, 1)
        for _ in range(3):
            listener.send(peer, large)
        stuck.say(requests(2))
        ((_, taken),) = poll(listener, 1)  # this one was read, and after it nothing more
        stuck.say(requests(3))
        for _ in range(5):
            turn(listener, other)
        for _ in range(3):
            assert stuck.read_replies().replies[0].id == 1
        ((_, taken),) = poll(listener, 1)
        assert isinstance(taken, Requests)
        assert taken.requests[0].id == 3
