"""`service.worker.in_flight`: whose request is which."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from pushforward.service.dispatch.messages import Answered, Previewed, Refusal
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import Preview
from pushforward.service.engine.tickets import Ticket, Turn
from pushforward.service.worker.in_flight import InFlight, Outgoing
from pushforward.service.worker.peer import Peer
from tests.service.worker.raw_gateway import requests


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    """Two gateways."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = [socket.create_connection(server.getsockname()) for _ in range(2)]
        peers = [Peer(server.accept()[0]) for _ in theirs]
        yield peers
        for sock in (*theirs, *peers):
            sock.close()


def ids(tickets: list[Ticket]) -> list[int]:
    """Requests have their ids as seeds."""
    return [ticket.request.seed for ticket in tickets]


def test_requests_of_two_gateways_may_have_one_id(peers: list[Peer]):
    one, other = peers
    flight = InFlight()
    mine, theirs = flight.take(one, requests(1, 2)), flight.take(other, requests(1, 2))
    assert flight.cancel(other, [1]) == [theirs[0]]
    outgoing: Outgoing = {}
    ended = list(flight.end(Turn([mine[0], theirs[0]]), outgoing))
    assert [(each.taken.peer, each.taken.id, each.taken.was_cancelled) for each in ended] == [
        (one, 1, False),
        (other, 1, True),
    ]
    assert {peer: [reply.id for reply in replies] for (peer, _), replies in outgoing.items()} == {one: [1], other: [1]}
    assert ids(flight.tickets) == [2, 2]


def test_a_deadline_is_counted_from_when_the_frame_was_sent(peers: list[Peer]):
    (ticket,) = InFlight().take(peers[0], requests(1, sent_at=10.0))
    assert ticket.deadline == pytest.approx(peers[0].sent_at(10.0) + 60.0, abs=0.5)


def test_an_id_that_is_in_hand_is_not_taken_twice(peers: list[Peer]):
    flight = InFlight()
    flight.take(peers[0], requests(1, 2))
    assert ids(flight.take(peers[0], requests(2, 3, 3))) == [3]


def test_cancelled_are_those_that_are_in_hand_and_no_others(peers: list[Peer]):
    flight = InFlight()
    tickets = flight.take(peers[0], requests(1, 2, 3))
    list(flight.end(Turn([tickets[1]]), {}))
    assert ids(flight.cancel(peers[0], [1, 2, 99, -1])) == [1]
    assert flight.cancel(peers[1], [1]) == []


def test_with_a_gateway_all_its_requests_are_lost_and_no_others(peers: list[Peer]):
    flight = InFlight()
    flight.take(peers[0], requests(1, 2))
    flight.take(peers[1], requests(3))
    assert ids(flight.lose(peers[0])) == [1, 2]
    list(flight.end(Turn(flight.lose(peers[0])), {}))
    assert ids(flight.tickets) == [3]
    assert flight.lose(peers[0]) == []


def test_nothing_is_left_of_what_ended(peers: list[Peer]):
    flight = InFlight()
    assert not flight
    tickets = flight.take(peers[0], requests(1, 2))
    assert flight
    list(flight.end(Turn(tickets), {}))
    assert not flight
    assert flight._tickets == {}


def test_answers_previews_and_refusals_go_out_by_gateway_and_key_in_order(peers: list[Peer]):
    flight = InFlight()
    answered, refused = flight.take(peers[0], requests(1, 2))
    answered.arrays, answered.compute_ms, answered.batch_rows = {"samples": np.ones((1, 2))}, 2.5, 7
    refused.error = Failed("no")
    (other,) = flight.take(peers[0], requests(3))
    other.key = ("another", "sample", "{}")
    outgoing: Outgoing = {}
    preview = Preview(5, 20, {"samples": np.zeros((1, 2))})
    list(flight.end(Turn([answered, refused], [(answered, preview), (other, preview)]), outgoing))
    assert list(outgoing) == [(peers[0], answered.key), (peers[0], other.key)]
    first, second, third = outgoing[peers[0], answered.key]
    assert isinstance(first, Previewed)
    assert (first.id, first.step, first.steps) == (1, 5, 20)
    assert isinstance(second, Answered)
    assert (second.id, second.compute_ms, second.batch_rows) == (1, 2.5, 7)
    assert isinstance(third, Refusal)
    assert third.detail == "no"
