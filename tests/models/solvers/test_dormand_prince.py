"""The adaptive solver against matrix exponentials, in float64."""

from math import log2

import pytest
import torch
from torch import Tensor

from pushforward.models.solvers.dormand_prince import ERROR, A, Attempt, C, advance

M = torch.tensor([[0.3, -1.0, 0.2], [0.7, -0.4, 0.1], [0.0, 0.5, 0.2]], dtype=torch.float64)


def linear(x: Tensor, at: Tensor) -> Tensor:
    return x @ M.T


def uneven(x: Tensor, at: Tensor) -> Tensor:
    """x' = x cos t, so x(t) = x(0) e^{sin t}."""
    return x * at.cos()[:, None]


def rows(n: int) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def column(n: int, value: float) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


def walk(x: Tensor, start: Tensor, end: Tensor, tolerance: float, attempts: int = 200) -> tuple[Attempt, int]:
    """Until all have arrived, and how many attempts that took."""
    at = Attempt(x, start, column(len(x), 0.1), start == end)
    for n in range(attempts):
        if (at.t == end).all():
            return at, n
        at = advance(uneven, at.x, at.t, at.h, end, tolerance)
    raise AssertionError("some row never arrived")


def test_the_table_is_consistent() -> None:
    assert [sum(a) for a in A] == pytest.approx(C, abs=1e-14)
    assert sum(ERROR) == pytest.approx(0, abs=1e-15)


def test_a_step_is_of_fifth_order() -> None:
    x = rows(4)
    errors = []
    for h in (0.4, 0.2):
        there = advance(linear, x, column(4, 0), column(4, h), column(4, 1), 1e9).x
        errors.append(float((there - x @ torch.linalg.matrix_exp(h * M).T).norm()))
    assert 5.7 < log2(errors[0] / errors[1]) < 6.3  # of one step: h^6


def test_the_tolerance_is_met_and_a_smaller_one_costs_more() -> None:
    """T27: the map of x' = A x is e^{tA}."""
    counts = []
    for tolerance in (1e-4, 1e-8):
        at, attempts = Attempt(rows(4), column(4, 0), column(4, 0.1), column(4, 0) > 0), 0
        while (at.t < 2).any():
            at, attempts = advance(linear, at.x, at.t, at.h, column(4, 2), tolerance), attempts + 1
        exact = rows(4) @ torch.linalg.matrix_exp(2 * M).T
        assert (at.x - exact).abs().max() < 20 * tolerance
        counts.append(attempts)
    assert counts[0] < counts[1] < 100


def test_a_row_does_not_feel_its_batch_mates() -> None:
    x, start, end = rows(3), torch.tensor([0.0, 2.0, 1.0]).double(), torch.tensor([9.0, -3.0, 1.0]).double()
    together, _ = walk(x, start, end, 1e-6)
    for i in range(3):
        alone, _ = walk(x[i : i + 1], start[i : i + 1], end[i : i + 1], 1e-6)
        torch.testing.assert_close(together.x[i : i + 1], alone.x)
    torch.testing.assert_close(together.x, x * (end.sin() - start.sin()).exp()[:, None], rtol=1e-4, atol=1e-4)


def test_a_row_at_its_end_stands_still_even_where_the_field_is_not_finite() -> None:
    def pole(x: Tensor, at: Tensor) -> Tensor:
        return x / (1 - at)[:, None]

    x = rows(2)
    at = advance(pole, x, column(2, 1), column(2, 0.1), column(2, 1), 1e-6)
    assert torch.equal(at.x, x)
    assert torch.equal(at.t, column(2, 1))


def test_a_step_too_long_is_refused_and_the_next_is_shorter() -> None:
    def fast(x: Tensor, at: Tensor) -> Tensor:
        return -50 * x

    x = rows(1)
    at = advance(fast, x, column(1, 0), column(1, 1), column(1, 1), 1e-6)
    assert not at.accepted.any()
    assert torch.equal(at.x, x)
    assert at.t.item() == 0
    assert at.h.item() == pytest.approx(0.2)


def test_a_step_that_is_no_number_is_refused() -> None:
    x = rows(2)
    at = advance(lambda x, _: x / 0 - x / 0, x, column(2, 0), column(2, 1), column(2, 1), 1e-6)
    assert torch.equal(at.x, x)
    assert at.h.tolist() == pytest.approx([0.2, 0.2])


def test_a_row_that_runs_low_on_attempts_arrives_all_the_same() -> None:
    x, end, budget = rows(2), column(2, 9), 6
    at = Attempt(x, column(2, 0), column(2, 0.1), column(2, 0) > 0)
    for used in range(budget):
        at = advance(uneven, at.x, at.t, at.h, end, 1e-12, least=(end - at.t).abs() / (budget - used))
    assert torch.equal(at.t, end)
    assert at.x.isfinite().all()


def test_the_error_is_the_difference_from_the_embedded_rule_of_fourth_order() -> None:
    """Dormand & Prince (1980), table 2: b^ itself, which integrates t^0 to t^3 exactly and t^4 not."""
    embedded = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
    b = (*A[6], 0.0)
    assert [one - other for one, other in zip(b, embedded, strict=True)] == pytest.approx(ERROR, abs=1e-15)
    for power in range(5):
        fifth, fourth = (sum(w * c**power for w, c in zip(rule, C, strict=True)) for rule in (b, embedded))
        assert fifth == pytest.approx(1 / (power + 1), abs=1e-14)
        assert (abs(fourth - 1 / (power + 1)) < 1e-14) == (power < 4)


def test_the_next_size_is_what_the_error_allows_short_of_a_tenth() -> None:
    """h' = 0.9 h E^{-1/5}: for x' = t^4, E is h^5 times a constant of the rule, over tau (1 + max |x|)."""
    tau, zero = 1e-4, torch.zeros(1, 1).double()
    constant = abs(sum(w * c**4 for w, c in zip(ERROR, C, strict=True)))
    for h in (0.1, 0.3):
        at = advance(lambda x, t: t[:, None] ** 4, zero, column(1, 0), column(1, h), column(1, 5), tau)
        E = constant * h**5 / (tau * (1 + h**5 / 5))
        assert at.h.item() == pytest.approx(h * min(5.0, max(0.2, 0.9 * E**-0.2)), rel=1e-6)
        assert at.accepted.item() == (E <= 1)
