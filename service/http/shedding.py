"""A gateway refuses requests that its event loop has no time for, before it parses them.

A loop that is past its capacity comes to everything late, so every answer would miss its deadline. How late it runs is
measured by a timer; the least of the latest measurements counts, because one long call is no overload. From `CALM_S` on
a share of the requests is refused that grows with the lag, to all of them at `FULL_S`: the lag settles where what is
let in is what can be done. A refusal costs a prepared response.

References:
    | Random Early Detection Gateways for Congestion Avoidance (Floyd & Jacobson, 1993), doi:10.1109/90.251892: a share
    that grows linearly between two thresholds
    | Controlling Queue Delay (Nichols & Jacobson, 2012), doi:10.1145/2208917.2209336: the least delay of a while
"""

from __future__ import annotations

from collections import deque
from typing import final

from pushforward.service.domain.errors import Overloaded
from pushforward.service.processes.lag import lags_s

LOOK_S = 0.01  # between two measurements
LOOKS = 3  # of which the least counts
CALM_S, FULL_S = 0.03, 0.15
RETRY_AFTER_S = 1.0


@final
class Shedding:
    """How late one event loop runs, and which requests it refuses therefore."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        self._lags_s = deque([0.0] * LOOKS, LOOKS)
        self._owed = 0.0  # refusals

    async def measure(self) -> None:
        """Measure the running loop for ever; where nothing is measured any more, nothing is refused."""
        try:
            async for late_s in lags_s(LOOK_S):
                self._lags_s.append(late_s)
                self.lag_s = min(self._lags_s)
        finally:
            self.lag_s = 0.0

    def refuses(self) -> bool:
        """Whether to refuse the request that has come."""
        if self.lag_s <= CALM_S:
            return False
        self._owed += min(1.0, (self.lag_s - CALM_S) / (FULL_S - CALM_S))
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True


def overload() -> Overloaded:
    """The refusal."""
    return Overloaded("this gateway has more requests than it can read; try again", retry_after_s=RETRY_AFTER_S)
