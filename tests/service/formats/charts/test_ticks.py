"""Ticks are at nice numbers, within the axis, and written so that they differ."""

from math import inf

import numpy as np
import pytest

from pushforward.service.formats.charts.ticks import linear, logarithmic


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-0.04, 1.04, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-7.3, 2.1, ["-6", "-4", "-2", "0", "2"]),
        (0, 2000, ["0", "500", "1,000", "1,500", "2,000"]),
        (105, 543, ["200", "300", "400", "500"]),
        (0, 5e-7, ["0", "1e-7", "2e-7", "3e-7", "4e-7", "5e-7"]),
        (0, 5e8, ["0", "1e8", "2e8", "3e8", "4e8", "5e8"]),
        (1e8, 1e8 + 1, ["1.000000000e8", "1.000000002e8", "1.000000004e8", "1.000000006e8", "1.000000008e8",
                        "1.000000010e8"]),
    ],
)  # fmt: skip
def test_steps_are_one_two_or_five_times_a_power_of_ten(low: float, high: float, texts: list[str]) -> None:
    assert [tick.text for tick in linear(low, high)] == texts


def test_ticks_of_steps_are_whole() -> None:
    assert [tick.value for tick in linear(0.9, 3.1, whole=True)] == [1, 2, 3]
    assert [tick.text for tick in linear(0, 10_000, whole=True)][-1] == "10,000"


@pytest.mark.parametrize("seed", range(200))
def test_any_axis_has_some_ticks_within_that_all_differ(seed: int) -> None:
    random = np.random.default_rng(seed)
    low = random.normal() * 10.0 ** random.integers(-12, 12)
    high = low + abs(random.normal()) * abs(low) * 10.0 ** random.integers(-6, 6)
    ticks = linear(low, high)
    room = 1e-6 * (high - low)
    assert 3 <= len(ticks) <= 12
    assert all(low - room <= tick.value <= high + room for tick in ticks)
    assert len({tick.text for tick in ticks}) == len(ticks)
    step = ticks[1].value - ticks[0].value
    written = [float(tick.text.replace(",", "")) for tick in ticks]
    np.testing.assert_allclose(written, [tick.value for tick in ticks], atol=step / 10)


def test_a_range_of_nothing_has_no_ticks() -> None:
    assert linear(1, 1) == linear(0, 5e-324) == linear(-inf, 0) == []


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.9, 110, ["1", "10", "100"]),
        (0.01, 1000, ["0.01", "0.1", "1", "10", "100", "1,000"]),
        (3, 60, ["5", "10", "20", "50"]),
        (1e-9, 1e9, ["1e-9", "1e-6", "0.001", "1", "1,000", "1,000,000", "1e9"]),
    ],
)
def test_logarithmic_ticks_are_powers_of_ten_or_their_doubles_and_fives(
    low: float, high: float, texts: list[str]
) -> None:
    assert [tick.text for tick in logarithmic(low, high)] == texts
