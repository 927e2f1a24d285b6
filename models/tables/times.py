"""Dates, times and durations of Arrow, and texts that are dates, as whole numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.tables.columns import Unit

UNIT_NS: dict[Unit, int] = {
    "day": 86_400 * 10**9,
    "second": 10**9,
    "millisecond": 10**6,
    "microsecond": 10**3,
    "nanosecond": 1,
}
DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m/%d/%y",
    "%d.%m.%y",
)
CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p")
PADDED = tuple(date + clock for clock in CLOCKS for date in DATES)
FORMATS = PADDED + tuple(re.sub("%([dmHI])", r"%-\1", each) for each in PADDED)
"""Of texts that are dates, the first that fits taken; %-d is a day without a leading zero."""
DIRECTIVE = re.compile("%-[a-zA-Z]|(?:%[a-zA-Z]|[^%])+")  # one without zeros, or a run of what strftime writes


def written_times(texts: Any) -> tuple[Any, str] | None:
    """Times that texts are, and the format of `FORMATS` that writes each as it stands; None where none does."""
    for each in FORMATS:
        if read_times(texts[:1], each).null_count:
            continue
        times = read_times(texts, each)
        if times.null_count == 0 and write_times(times, each).equals(texts.cast("string")):
            return times, each
    return None


def read_times(texts: Any, form: str) -> Any:
    """Times in seconds, null where a text has another format."""
    from pyarrow import compute

    return compute.strptime(texts, format=form.replace("%-", "%"), unit="s", error_is_null=True)


def stand_as_written(texts: Any, times: Any, form: str) -> NDArray[np.bool_]:
    """Which texts are the times read of them, but for zeros and case: 2/30/2024 is read as 3/1/2024."""
    from pyarrow import compute

    return np.array(compute.equal(_plain(texts), _plain(write_times(times, form))).fill_null(False))


def _plain(texts: Any) -> Any:
    from pyarrow import compute

    return compute.utf8_lower(compute.replace_substring_regex(texts.cast("string"), r"\b0([0-9])", r"\1"))


def write_times(times: Any, form: str) -> Any:
    """Texts of times."""
    from pyarrow import compute

    return compute.binary_join_element_wise(*(_piece(times, each) for each in DIRECTIVE.findall(form)), "")


def _piece(times: Any, directive: str) -> Any:
    from pyarrow import compute

    if not directive.startswith("%-"):
        return compute.strftime(times, format=directive)
    padded = compute.strftime(times, format=directive.replace("-", ""))
    return compute.replace_substring_regex(padded, "^0([0-9])", r"\1")


def whole_units(array: Any) -> tuple[Unit, NDArray[np.int64]]:
    """The coarsest unit that holds all dates, times or durations, and how many of it each is."""
    ticks, tick = ticks_of(array), tick_ns(array.type)
    unit = next(each for each, ns in UNIT_NS.items() if ns >= tick and not (ticks % (ns // tick)).any())
    return unit, ticks // (UNIT_NS[unit] // tick)


def units_since(array: Any, unit: Unit, start: int) -> NDArray[np.float64]:
    """How many units each is after `start` of them; a fraction where it lies between two."""
    ticks, per_unit = ticks_of(array), UNIT_NS[unit] // tick_ns(array.type)
    return (ticks // per_unit - start) + (ticks % per_unit) / per_unit


def ticks_of(array: Any) -> NDArray[np.int64]:
    """Dates, times and durations in ticks of their type: nanoseconds of 64 bits hold the years 1678 to 2261 alone."""
    import pyarrow as pa

    small = pa.int32() if array.type.bit_width == 32 else pa.int64()
    ticks: NDArray[np.int64] = array.cast(small).to_numpy(zero_copy_only=False).astype(np.int64)
    return ticks


def tick_ns(kind: Any) -> int:
    """How long a tick of an Arrow type is."""
    import pyarrow as pa

    if pa.types.is_date32(kind):
        return UNIT_NS["day"]
    return 10**6 if pa.types.is_date64(kind) else {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
