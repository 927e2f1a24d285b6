"""`service.runner.remaining_time`: how long a training will take."""

import pytest

from pushforward.service.domain.pace import duration_text
from pushforward.service.runner.watch.remaining_time import RemainingTime


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


def test_one_slow_step_counts_in_proportion() -> None:
    pace = paced(*range(101))
    before = pace.seconds_left(1_101)
    pace.advance(102, 150.0)  # 50 s
    assert before == pytest.approx(1_000)
    assert pace.seconds_left(1_102) == pytest.approx(1_000 * 150 / 101)


def test_a_checkpoint_is_a_share_of_the_time_and_no_slow_step() -> None:
    pace = paced(*range(101))
    pace.pause("checkpoint", 10.0)
    assert pace.seconds_left(1_101) == pytest.approx(1_000 * 1.1)
    pace.advance(102, 111.0)  # 1 s, beside the checkpoint
    assert pace.seconds_left(1_102) == pytest.approx(1_000 * (1 + 10 / 101))


def test_pictures_made_on_credit_count_as_no_more_than_they_may_take() -> None:
    pace = paced(0.0, 1.0, 2.0)
    pace.pause("pictures", 2.0)
    assert pace.seconds_left(103) == pytest.approx(100 * 1.02)


def test_the_points_of_the_held_out_curve_that_are_left_are_counted_each() -> None:
    pace = paced(*range(10))
    pace.advance(11, 15.0, with_point=True)  # a step of 1 s and a point of 5 s
    assert pace.seconds_left(111, points_left=10) == pytest.approx(100 + 10 * 5)
    for step in range(12, 21):
        pace.advance(step, 15.0 + step - 11)
    assert pace.seconds_left(120, points_left=10) == pytest.approx(100 + 10 * 5)


def test_a_point_at_the_second_step_is_taken_for_a_step() -> None:
    pace = paced(0.0)
    pace.advance(2, 3.0, with_point=True)
    assert pace.seconds_left(12) == pytest.approx(30)


def test_a_resumed_training_with_pauses_starts_from_its_own_pace() -> None:
    pace = RemainingTime()
    pace.advance(501, 100.0)
    pace.pause("checkpoint", 4.0)
    pace.advance(502, 106.0)
    pace.advance(503, 108.0)
    assert pace.seconds_left(513) == pytest.approx(10 * 2 * (1 + 4 / 4))


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
