"""What calls cost and how many rows they may have, from calls of known cost."""

import pytest

from pushforward.service.engine.costs import CALL_MS, FIRST_CAP, RETRY_AFTER, Costs, LinearFit


def learned(a: float, b: float, calls: int = 60, limit: int = 2**20) -> Costs:
    """After so many calls, each as full as the cap allows."""
    costs = Costs()
    costs.limit = limit
    for _ in range(calls):
        costs.see(costs.cap, a * costs.cap + b)
    return costs


def test_the_line_finds_slope_and_intercept():
    line = LinearFit()
    for rows in (3, 40, 17, 64, 1, 22, 9, 50):
        line.see(rows, 0.25 * rows + 2)
    assert line.a == pytest.approx(0.25)
    assert line.b == pytest.approx(2)
    assert line.ms(100) == pytest.approx(27)


def test_the_line_follows_a_cost_that_changes():
    line = LinearFit()
    for call in range(400):
        rows = 1 + call % 7
        line.see(rows, (0.5 if call < 200 else 1.5) * rows + 1)
    assert line.a == pytest.approx(1.5, rel=0.01)


def test_calls_of_one_size_cost_by_the_row():
    line = LinearFit()
    for _ in range(10):
        line.see(8, 4.0)
    assert line.ms(8) == pytest.approx(4)
    assert line.ms(16) == pytest.approx(8)


def test_a_first_call_that_allocates_is_soon_forgotten():
    line = LinearFit()
    line.see(1, 500.0)
    for _ in range(3):
        line.see(1, 1.0)
    assert line.ms(1) < 12


def test_an_accident_counts_little():
    line = LinearFit()
    for rows in (1, 2, 3, 4) * 5:
        line.see(rows, rows)
    line.see(2, 1000.0)
    assert line.ms(2) < 3


def test_the_cap_starts_small_and_grows_while_calls_are_short():
    assert Costs().cap == FIRST_CAP
    costs = learned(a=0.01, b=1)
    assert CALL_MS / 2 < costs.fit.ms(costs.cap) <= CALL_MS


def test_where_a_call_costs_much_by_itself_the_cap_grows_until_rows_outweigh_it():
    costs = learned(a=0.1, b=50)
    assert 200 < costs.fit.ms(costs.cap) <= 400


def test_the_cap_shrinks_when_full_calls_are_long():
    assert learned(a=10, b=0).cap <= 5
    assert learned(a=1000, b=0).cap == 1


def test_a_call_of_a_long_answer_is_the_shorter_but_not_of_too_few_rows():
    for a, b, most in ((0.01, 0.1, 0.8), (1.0, 0.0, 8.0), (10.0, 0.0, CALL_MS)):
        costs = Costs()
        costs.limit, costs.steps = 2**20, 50
        for _ in range(60):
            costs.see(costs.cap, a * costs.cap + b)
        assert costs.fit.ms(costs.cap) <= 2 * most
        assert costs.fit.ms(2 * costs.cap) > most


def test_the_cap_falls_below_a_long_call_though_it_was_not_full():
    costs = Costs()
    for _ in range(2):
        costs.see(FIRST_CAP // 2, 4000.0)
    assert costs.cap == FIRST_CAP // 4


def test_a_first_call_that_allocates_leaves_the_cap():
    costs = Costs()
    costs.see(10, 500.0)
    assert costs.cap == FIRST_CAP


def test_rows_of_many_numbers_are_limited():
    assert learned(a=1e-6, b=0, limit=100).cap == 100


def test_what_did_not_fit_is_tried_again_after_a_while():
    costs = learned(a=0.001, b=0.1)
    assert costs.cap > 1000
    costs.overflow(1000)
    assert costs.cap == 500
    for _ in range(RETRY_AFTER - 1):
        costs.see(500, 0.6)
    assert costs.cap == 500
    costs.see(500, 0.6)
    assert costs.cap == 1000
    costs.overflow(1000)
    assert costs.cap == 500


def test_a_backlog_is_foreseen_by_rows_and_calls():
    costs = Costs()
    assert costs.ms(100, 10) == costs.row_ms == 0
    costs.limit = 64
    for rows in (3, 40, 17, 63, 1, 22, 9, 50):
        costs.see(rows, 0.25 * rows + 2)
    costs.steps = 10
    assert costs.row_ms == pytest.approx(10 * (0.25 + 2 / 64))
    assert costs.ms(20, 10) == pytest.approx(0.25 * 20 + 2 * 10)
    assert costs.ms(640, 1) == pytest.approx(0.25 * 640 + 2 * 10)
    assert costs.ms(0, 0) == 0


def test_calls_of_one_row_do_not_foretell_that_many_cost_as_much_each():
    costs = Costs()
    for _ in range(10):
        costs.see(1, 8.0)
    assert costs.row_ms == pytest.approx(8 / 64)
    assert costs.ms(64, 1) == pytest.approx(8)


@pytest.mark.parametrize("rows", [10, 1000])
def test_sizes_that_differ_by_two_percent_tell_a_row_s_cost_from_a_call_s_whatever_their_size(rows: int):
    line = LinearFit()
    for n in (rows, rows + rows // 50 + 1) * 20:
        line.see(n, 0.1 * n + 5.0)
    assert line.is_split
    assert (line.a, line.b) == pytest.approx((0.1, 5.0), rel=1e-6)
