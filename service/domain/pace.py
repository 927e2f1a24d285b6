"""How long the remaining steps will take, from the mean pace of those that were done."""

from __future__ import annotations

from math import exp, inf
from typing import final


@final
class MeanPace:
    """Seconds per step, over all steps or over about the last `memory_s` seconds.

    The sums of steps and of seconds forget by exp(-dt / memory_s), so their ratio is the mean over about memory_s.
    """

    def __init__(self, memory_s: float = inf) -> None:
        self._memory_s = memory_s
        self._steps = self._seconds = 0.0

    def add(self, steps: int, seconds: float) -> None:
        """Count some steps and how long they took."""
        kept = exp(-seconds / self._memory_s)
        self._steps, self._seconds = kept * self._steps + steps, kept * self._seconds + seconds

    def seconds_for(self, steps: int) -> float | None:
        """How long so many steps take; None before the first were added."""
        return steps * self._seconds / self._steps if self._steps else None


def duration_text(seconds: float) -> str:
    """`40 seconds`, `51 minutes`, `3.2 hours`."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 3600:.1f} hours" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} minutes"
