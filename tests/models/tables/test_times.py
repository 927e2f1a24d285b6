"""`models.tables.times`: texts that are dates are written again as they stand."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from pushforward.models.errors import InvalidInput
from pushforward.models.tables.arrow import column_cells
from pushforward.models.tables.columns import Time
from pushforward.models.tables.times import (
    FORMATS,
    read_times,
    stand_as_written,
    units_since,
    whole_units,
    write_times,
    written_times,
)
from tests.models.tables.small_tables import STRETCHED

TIMES = [datetime.datetime(2024, 1, 1, 0, 5) + i * datetime.timedelta(days=13, hours=5) for i in range(40)]


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_found_and_written_as_it_was(form: str) -> None:
    texts = write_times(pa.array(TIMES, pa.timestamp("s")), form)
    found = written_times(texts)
    assert found is not None
    assert write_times(read_times(texts, found[1]), found[1]).equals(texts)
    assert found[1].replace("-", "").replace("%d/%m", "%m/%d") == form.replace("-", "").replace("%d/%m", "%m/%d")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
        pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)], pa.date64()),
        pa.array([datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)], pa.timestamp("us")),
    ],
)
def test_units_of_years_that_nanoseconds_do_not_hold(times: pa.Array) -> None:
    unit, units = whole_units(times)
    assert (unit, units.tolist()) == ("day", [-719162, 2932896])
    assert units_since(times, "day", -719162).tolist() == [0.0, 3652058.0]


def test_a_time_between_two_units_is_a_fraction_of_one_and_nanoseconds_are_exact() -> None:
    assert units_since(pa.array([-43_200], pa.timestamp("s")), "day", -1).tolist() == [0.5]
    start = 1_700_000_000_000_000_001
    assert units_since(pa.array([start + 5], pa.timestamp("ns")), "nanosecond", start).tolist() == [5.0]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2010/01/01 00:00:00", "%Y/%m/%d %H:%M:%S"),
        ("Jan 1 2000", "%b %-d %Y"),
        ("1/5/2012", "%-m/%-d/%Y"),
        ("1/5/2012 0:05", "%-m/%-d/%Y %-H:%M"),
        ("31.12.1999 23:59", "%d.%m.%Y %H:%M"),
        ("12/31/1999 11:59 PM", "%m/%d/%Y %I:%M %p"),
        ("2024-01-05T10:00:00", "%Y-%m-%dT%H:%M:%S"),
    ],
)
def test_the_format_of_a_text(text: str, form: str) -> None:
    found = written_times(pa.array([text]))
    assert found is not None
    assert found[1] == form


@pytest.mark.parametrize("texts", [["2024-13-01"], ["01/05/2012", "1/5/2012"], ["Jan 1 2000", "oak"], ["12"], ["a 1"]])
def test_texts_of_two_forms_or_of_none_are_no_times(texts: list[str]) -> None:
    assert written_times(pa.array(texts)) is None


def test_a_text_that_is_no_time_is_refused_beside_one_that_is() -> None:
    column = Time(
        name="day",
        arrow_type="string",
        transform=STRETCHED,
        low=-3.0,
        high=4.0,
        unit="day",
        start=0,
        format="%-m/%-d/%Y",
    )
    assert column_cells(column, pa.array(["1/5/2024", None, "01/05/2024", "1/05/2024"]))[[0, 2, 3]].tolist() == 3 * [
        19727
    ]
    with pytest.raises(InvalidInput, match=r"^holds '2/30/2024' in row 0, and its times are written like 2/29/2024$"):
        column_cells(column, pa.array(["2/30/2024"]))
    with pytest.raises(InvalidInput, match=r"^holds '2024-01-05' in row 1, and its times are written like 2/29/2024$"):
        column_cells(column, pa.array(["1/5/2024", "2024-01-05"]))


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_stands_as_written(form: str) -> None:
    times = pa.array(TIMES, pa.timestamp("s"))
    texts = write_times(times, form)
    assert stand_as_written(texts, read_times(texts, form), form).all()
