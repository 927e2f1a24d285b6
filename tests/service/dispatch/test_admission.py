"""`service.dispatch.admission`: the expected latency of requests. Times are those of a clock of the test."""

import pytest

from pushforward.service.dispatch.admission import FORGET_S, KEYS, SAFETY_FACTOR, LatencyModel
from pushforward.service.domain.inference import Load

SLOW, QUICK = ("steps@1", "sample", "{}"), ("moons@1", "likelihood", "{}")


@pytest.fixture
def latency() -> LatencyModel:
    """One worker: 100 ms of work in two keys, 80 of them of SLOW."""
    latency = LatencyModel()
    latency.observe(QUICK, Load("w", 100.0, 20.0, 2, 0.5, 0.5), now=0.0)
    latency.observe(SLOW, Load("w", 100.0, 80.0, 2, 10.0, 15.0), now=0.0)
    return latency


def test_of_an_unknown_worker_or_key_nothing_bad_is_expected(latency: LatencyModel):
    assert latency.load_ms("other", 0.0) == 0.0
    assert latency.latency_ms("other", SLOW, 5, 0.0) == 0.0
    assert latency.latency_ms("w", ("new@1", "sample", "{}"), 5, 0.0) == 0.0


def test_an_answer_waits_for_the_work_before_it_and_takes_its_own_time(latency: LatencyModel):
    assert latency.latency_ms("w", SLOW, 3, 0.0) == pytest.approx(SAFETY_FACTOR * 100 + 3 * 10)


def test_a_key_waits_for_no_more_than_equal_shares_of_the_others(latency: LatencyModel):
    assert latency.latency_ms("w", QUICK, 2, 0.0) == pytest.approx(1.0 + SAFETY_FACTOR * (2 * 20 + 1.0))


def test_work_is_done_as_time_passes(latency: LatencyModel):
    assert latency.load_ms("w", 0.06) == pytest.approx(40)
    assert latency.load_ms("w", 1.0) == 0.0
    assert latency.latency_ms("w", SLOW, 3, 1.0) == pytest.approx(30)


def test_rows_sent_since_count_until_the_worker_is_observed_again(latency: LatencyModel):
    latency.send("w", SLOW, 4, 0.0)
    assert latency.load_ms("w", 0.0) == pytest.approx(140)
    assert latency.latency_ms("w", SLOW, 1, 0.0) == pytest.approx(15 + SAFETY_FACTOR * 140)
    latency.observe(SLOW, Load("w", 120.0, 100.0, 2, 10.0, 15.0), now=0.02)
    assert latency.load_ms("w", 0.02) == pytest.approx(120)


def test_a_cost_not_observed_for_long_is_forgotten_so_that_it_can_be_measured_again(latency: LatencyModel):
    latency.observe(SLOW, Load("w", 0.0, 0.0, 1, 1e9, 1.0), now=0.0)
    assert latency.latency_ms("w", SLOW, 1, FORGET_S - 0.1) > 1e8
    assert latency.latency_ms("w", SLOW, 1, FORGET_S + 0.1) == 0.0


def test_a_worker_with_much_to_do_is_not_forgotten_while_it_does_it(latency: LatencyModel):
    latency.observe(SLOW, Load("w", 60_000.0, 60_000.0, 1, 10.0, 15.0), now=0.0)
    assert latency.load_ms("w", 20.0) == pytest.approx(40_000)


def test_workers_that_are_gone_are_forgotten(latency: LatencyModel):
    latency.retain({"other"})
    assert latency.load_ms("w", 0.0) == latency.latency_ms("w", SLOW, 1, 0.0) == 0.0


def test_no_more_than_so_many_keys_are_remembered(latency: LatencyModel):
    for i in range(KEYS):
        latency.observe((f"m{i}@1", "sample", "{}"), Load("w", 100.0, 80.0, 2, 10.0, 15.0), now=0.0)
    assert latency.latency_ms("w", SLOW, 1, 0.0) == 0.0
    assert latency.latency_ms("w", ("m5@1", "sample", "{}"), 1, 0.0) > 0.0
