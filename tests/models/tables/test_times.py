"""`models.tables.times`: texts that are dates are written again as they stand."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from pushforward.models.tables.times import FORMATS, read_times, write_times, written_times

TIMES = [datetime.datetime(2024, 1, 1, 0, 5) + i * datetime.timedelta(days=13, hours=5) for i in range(40)]


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_found_and_written_as_it_was(form: str) -> None:
    texts = write_times(pa.array(TIMES, pa.timestamp("s")), form)
    found = written_times(texts)
    assert found is not None
    assert write_times(read_times(texts, found[1]), found[1]).equals(texts)
    assert found[1].replace("-", "").replace("%d/%m", "%m/%d") == form.replace("-", "").replace("%d/%m", "%m/%d")


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
