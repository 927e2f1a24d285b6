"""`service.domain.pace`: seconds of the steps that remain."""

import pytest

from pushforward.service.domain.pace import MeanPace


def test_nothing_is_known_before_the_first_steps() -> None:
    assert MeanPace().seconds_for(10) is None


def test_without_a_memory_all_steps_count_alike() -> None:
    pace = MeanPace()
    pace.add(1, 1.0)
    pace.add(3, 1.0)
    assert pace.seconds_for(8) == pytest.approx(4.0)


def test_with_a_memory_the_pace_of_long_ago_is_forgotten() -> None:
    pace = MeanPace(memory_s=10.0)
    pace.add(1000, 1.0)
    pace.add(100, 100.0)
    assert pace.seconds_for(1) == pytest.approx(1.0, rel=0.05)
