"""`service.processes.outages`: pauses double, and an outage is logged once."""

import logging

import pytest

from pushforward.service.processes.outages import Backoff, Outage


def test_pauses_double_up_to_the_longest_and_never_vanish() -> None:
    pauses = Backoff(0.1, 2.0)
    for whole_s in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        assert whole_s / 2 <= pauses.next_s() <= whole_s
    pauses.reset()
    assert pauses.next_s() <= 0.1


def test_an_outage_is_one_line_and_its_end_another(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("service.test"), "Redis")
    assert outage.lasts_s is None
    pauses = [outage.failed("refused") for _ in range(100)]
    assert outage.lasts_s is not None
    outage.over()
    outage.over()
    assert outage.lasts_s is None
    first, second = (record.message for record in caplog.records)
    assert first == "Redis does not answer: refused"
    assert second.startswith("Redis answers again, after ")
    assert min(pauses) > 0
    assert outage.failed("again") <= 0.1
