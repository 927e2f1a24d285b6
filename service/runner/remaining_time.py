"""How long a training will still take, with an announcement in the log if that is long."""

from __future__ import annotations

from time import monotonic
from typing import final

from pushforward.service.domain.pace import MeanPace, duration_text

ANNOUNCE_AFTER_S = 2.0  # of steps
LONG_S = 60.0  # a training that takes longer is announced


@final
class RemainingTime:
    """The remaining time of one attempt. Its first step warms up and does not count."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None  # step, and the time it was done
        self._last = 0, 0.0
        self._mean = MeanPace()
        self._is_announced = False

    def advance(self, step: int, now: float | None = None) -> None:
        """Count a step that is done."""
        before, self._last = self._last, (step, monotonic() if now is None else now)
        if self._first is None:
            self._first = self._last
        else:
            self._mean.add(step - before[0], self._last[1] - before[1])

    def seconds_left(self, total_steps: int) -> float | None:
        """The time to the last step, at the mean pace so far; None before the second step."""
        return self._mean.seconds_for(total_steps - self._last[0])

    def announcement(self, total_steps: int) -> str | None:
        """A sentence on how long a long training will take, once it is known; None at any other time."""
        left_s = self.seconds_left(total_steps)
        if self._is_announced or left_s is None or self._first is None:
            return None
        if self._last[1] - self._first[1] < ANNOUNCE_AFTER_S:
            return None
        self._is_announced = True
        if left_s < LONG_S:
            return None
        takes = duration_text(left_s)
        return f"{total_steps:,} steps will take about {takes}; a smaller budget, width or batch takes less"
