"""How long a training will still take, with an announcement in the log if that is long.

A mean over all that happened so far would jump at each rare thing that takes long. So what happens is told apart, and
counted as often as it will still happen:

    steps       each as long as the mean of all but the first, which warms up
    points      of the held-out curve, at so many of the steps that are left: each as long as their mean
    pauses      for checkpoints and pictures: the share of time that they took, of pictures at most what they may take

    seconds left = (steps left x mean step + points left x mean point) (1 + share of pauses)
"""

from __future__ import annotations

from time import monotonic
from typing import Literal, final

from pushforward.service.domain.pace import MeanPace, duration_text

ANNOUNCE_AFTER_S = 2.0  # of steps
LONG_S = 60.0  # a training that takes longer is announced
MOST_SHARE = {"checkpoint": 1.0, "pictures": 0.02}  # of the time, beside steps

Pause = Literal["checkpoint", "pictures"]


@final
class RemainingTime:
    """The remaining time of one attempt."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None  # step, and the time it was done
        self._last = 0, 0.0
        self._steps, self._points = MeanPace(), MeanPace()
        self._working_s = 0.0  # in steps and points
        self._paused_s = dict.fromkeys(MOST_SHARE, 0.0)
        self._paused_since_s = 0.0  # the last step
        self._is_announced = False

    def advance(self, step: int, now: float | None = None, *, with_point: bool = False) -> None:
        """Count a step that is done; `with_point` where it ended with a point of the held-out curve."""
        before, self._last = self._last, (step, monotonic() if now is None else now)
        took_s, self._paused_since_s = self._last[1] - before[1] - self._paused_since_s, 0.0
        if self._first is None:
            self._first = self._last
            return
        self._working_s += took_s
        plain_s = self._steps.seconds_for(step - before[0]) if with_point else None
        if plain_s is None:
            self._steps.add(step - before[0], took_s)
        else:
            self._points.add(1, max(0.0, took_s - plain_s))

    def pause(self, what: Pause, seconds: float) -> None:
        """Count time between the last step and the next."""
        self._paused_s[what] += seconds
        self._paused_since_s += seconds

    def seconds_left(self, total_steps: int, points_left: int = 0) -> float | None:
        """The time to the last step; None before the second step."""
        steps_s = self._steps.seconds_for(total_steps - self._last[0])
        if steps_s is None:
            return None
        return (steps_s + (self._points.seconds_for(points_left) or 0.0)) * (1 + self._pauses())

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

    def _pauses(self) -> float:
        """Their share, of the time of steps and points."""
        if self._working_s <= 0:
            return 0.0
        return sum(min(most, self._paused_s[what] / self._working_s) for what, most in MOST_SHARE.items())
