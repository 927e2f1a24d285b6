"""Deficit round robin, by members of known cost."""

from dataclasses import dataclass

import pytest

from pushforward.service.engine.scheduler import PRIORITY_ENTRIES, QUANTUM_MS, DeficitRoundRobin


@dataclass(eq=False)
class Member:
    key: str
    call_ms: float
    ready: bool = True
    deficit_ms: float = 0.0


def taken(ring: DeficitRoundRobin[Member], calls: int) -> list[str]:
    """Who took the next calls, in order."""
    order = []
    for _ in range(calls):
        member = ring.next()
        assert member is not None
        member.deficit_ms -= member.call_ms
        order.append(member.key)
    return order


def ring_of(*members: Member) -> DeficitRoundRobin[Member]:
    ring: DeficitRoundRobin[Member] = DeficitRoundRobin()
    for member in members:
        ring.enter(member)
    return ring


def ms_of(members: list[Member], order: list[str]) -> dict[str, float]:
    return {member.key: order.count(member.key) * member.call_ms for member in members}


@pytest.mark.parametrize("calls_ms", [(1.0, 20.0), (0.1, 3.0, 50.0), (7.0, 7.0, 7.0)])
def test_members_get_the_same_time_whatever_their_calls_cost(calls_ms: tuple[float, ...]):
    members = [Member(str(i), ms) for i, ms in enumerate(calls_ms)]
    shares = ms_of(members, taken(ring_of(*members), 4000))
    assert max(shares.values()) - min(shares.values()) <= max(calls_ms) + 2 * QUANTUM_MS


def test_a_newcomer_is_next():
    ring = ring_of(Member("sampler", 20), Member("other sampler", 20))
    taken(ring, 5)
    ring.enter(Member("likelihood", 2))
    assert taken(ring, 1) == ["likelihood"]


def test_newcomers_without_end_starve_nobody():
    sampler = Member("sampler", 20)
    ring = ring_of(sampler)
    order: list[str] = []
    for i in range(1000):
        newcomer = Member(f"new {i}", 2)
        ring.enter(newcomer)
        while newcomer.key not in order[-30:]:
            order += taken(ring, 1)
        ring.leave(newcomer)
    steps = order.count("sampler")
    assert 20 * steps > 0.2 * (20 * steps + 2 * 1000)


@pytest.mark.parametrize(("stays_ms", "comes_ms"), [(10, 100), (20, 2), (3, 3)])
def test_coming_and_going_after_each_call_does_not_pay(stays_ms: float, comes_ms: float):
    stays, comes = Member("stays", stays_ms), Member("comes", comes_ms)
    ring = ring_of(stays, comes)
    ms = {"stays": 0.0, "comes": 0.0}
    for _ in range(5000):
        (key,) = taken(ring, 1)
        if key == "comes":
            ms[key] += comes_ms
            ring.leave(comes)
            comes = Member("comes", comes_ms)
            ring.enter(comes)
        else:
            ms[key] += stays_ms
    assert ms["comes"] == pytest.approx(ms["stays"], rel=0.05)


def test_only_so_many_jump_the_queue_in_a_round():
    waits = Member("waits", 1)
    ring = ring_of(waits)
    for i in range(2 * PRIORITY_ENTRIES):
        ring.enter(Member(f"new {i}", 1))
    assert "waits" in taken(ring, PRIORITY_ENTRIES + 1)


def test_who_is_not_ready_is_passed_over():
    loading, ready = Member("loading", 1, ready=False), Member("ready", 1)
    ring = ring_of(loading, ready)
    assert set(taken(ring, 50)) == {"ready"}
    loading.ready = True
    assert taken(ring, 1) == ["loading"]
    ready.ready = loading.ready = False
    assert ring.next() is None


def test_a_debt_is_paid_by_who_leaves_with_it_and_returns_in_the_next_round():
    """20 quanta of debt are 20 rounds to sit out, wherever its owner was meanwhile."""
    stays, owes = Member("stays", QUANTUM_MS), Member("owes", 21 * QUANTUM_MS)
    ring = ring_of(stays, owes)
    while "owes" not in taken(ring, 1):
        pass
    assert owes.deficit_ms == -20 * QUANTUM_MS
    ring.leave(owes)
    taken(ring, 3)
    returned = Member("owes", QUANTUM_MS)
    ring.enter(returned)
    assert -20 * QUANTUM_MS < returned.deficit_ms <= -16 * QUANTUM_MS
    assert set(taken(ring, 12)) == {"stays"}


@pytest.mark.parametrize("away", [0, 1, 5, 19])
def test_rounds_that_its_owner_was_away_count_towards_a_debt_and_no_further(away: int):
    stays, owes = Member("stays", QUANTUM_MS), Member("owes", 11 * QUANTUM_MS)
    ring = ring_of(owes, stays)
    while "owes" not in taken(ring, 1):
        pass
    ring.leave(owes)
    stays.deficit_ms = 0.0  # so that each call of it is a round
    taken(ring, away)
    returned = Member("owes", QUANTUM_MS)
    ring.enter(returned)
    left_ms = -10 * QUANTUM_MS + away * QUANTUM_MS
    assert returned.deficit_ms == (QUANTUM_MS if left_ms >= 0 else left_ms)
    assert taken(ring, 1) == (["owes"] if left_ms >= 0 else ["stays"])


def test_coming_and_going_with_a_debt_gets_no_more_than_staying():
    """Who leaves after each long call and returns two rounds later takes its share and no more."""
    stays, long_ms = Member("stays", 1.0), 8 * QUANTUM_MS
    ring = ring_of(stays)
    ms = {"stays": 0.0, "comes": 0.0}
    comes: Member | None = None
    idle = 0
    for _ in range(20_000):
        if comes is None:
            idle += 1
            if idle > 2 * QUANTUM_MS:
                comes, idle = Member("comes", long_ms), 0
                ring.enter(comes)
        (key,) = taken(ring, 1)
        ms[key] += long_ms if key == "comes" else 1.0
        if key == "comes" and comes is not None:
            ring.leave(comes)
            comes = None
    assert ms["comes"] <= 1.1 * ms["stays"]


@pytest.mark.parametrize("deficit_ms", [0.0, -0.5])
def test_a_turn_is_had_only_for_what_is_left_of_a_quantum(deficit_ms: float):
    """Also where the debt is less than a millisecond: the other one is next, first in the ring or not."""
    owes, pays = Member("owes", 1), Member("pays", 1)
    ring = ring_of(pays, owes)
    owes.deficit_ms, pays.deficit_ms = deficit_ms, 0.1
    assert taken(ring, 1) == ["pays"]


@pytest.mark.parametrize("debt_ms", [0.0, 0.5])
def test_who_returns_in_the_same_round_with_nothing_left_goes_to_the_back(debt_ms: float):
    stays, comes = Member("stays", 1), Member("comes", QUANTUM_MS + debt_ms)
    ring = ring_of(stays, comes)
    assert taken(ring, 1) == ["comes"]
    ring.leave(comes)
    ring.enter(comes)
    assert [member.key for member in ring] == ["stays", "comes"]
