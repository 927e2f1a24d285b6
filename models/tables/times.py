"""Dates, times and durations of Arrow, and texts that are dates, as whole numbers."""

from __future__ import annotations

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
FORMATS = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y %H:%M",
)
"""Of texts that are dates, the first that fits taken."""


def written_times(texts: Any) -> tuple[Any, str] | None:
    """Times that texts are, and the format of `FORMATS` that writes each as it stands; None where none does."""
    from pyarrow import compute

    for each in FORMATS:
        if compute.strptime(texts[:1], format=each, unit="s", error_is_null=True).null_count:
            continue
        times = compute.strptime(texts, format=each, unit="s", error_is_null=True)
        if times.null_count == 0 and compute.strftime(times, format=each).equals(texts.cast("string")):
            return times, each
    return None


def ticks_ns(array: Any) -> NDArray[np.int64]:
    """Dates, times and durations as nanoseconds."""
    import pyarrow as pa

    small = pa.int32() if array.type.bit_width == 32 else pa.int64()
    ticks: NDArray[np.int64] = array.cast(small).to_numpy(zero_copy_only=False).astype(np.int64)
    return ticks * tick_ns(array.type)


def tick_ns(kind: Any) -> int:
    """How long a tick of an Arrow type is."""
    import pyarrow as pa

    if pa.types.is_date32(kind):
        return UNIT_NS["day"]
    return 10**6 if pa.types.is_date64(kind) else {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
