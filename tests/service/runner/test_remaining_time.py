"""`service.runner.remaining_time`: how long a training will take."""

import pytest

from pushforward.service.runner.remaining_time import RemainingTime, duration_text


def paced(*times: float) -> RemainingTime:
    pace = RemainingTime()
    for step, now in enumerate(times, 1):
        pace.advance(step, now)
    return pace


def test_the_first_step_warms_up_and_foresees_nothing() -> None:
    assert paced(30.0).seconds_left(100) is None


def test_the_rest_goes_at_the_mean_pace_of_the_steps_after_the_first() -> None:
    assert paced(30.0, 31.0, 34.0).seconds_left(103) == pytest.approx(200)


def test_a_resumed_training_counts_from_where_it_resumed() -> None:
    pace = RemainingTime()
    pace.advance(501, 0.0)
    pace.advance(511, 5.0)
    assert pace.seconds_left(611) == pytest.approx(50)


def test_a_long_training_is_foreseen_once_as_soon_as_its_pace_is_known() -> None:
    pace = paced(0.0, 1.0)
    assert pace.announcement(2_000) is None  # too early
    pace.advance(3, 3.0)
    assert (
        pace.announcement(2_000)
        == "2,000 steps will take about 50 minutes; a smaller budget, width or batch takes less"
    )
    assert pace.announcement(2_000) is None


def test_a_short_training_is_not_announced() -> None:
    assert paced(0.0, 1.5, 3.0).announcement(10) is None


def test_hours_are_written_as_hours() -> None:
    assert duration_text(3 * 3600) == "3.0 hours"
