"""What is away for a while: one line in the log when it goes and one when it is back, and pauses that pause.

Between attempts i = 1, 2, ... lie min(first 2^(i-1), longest) seconds, of which a random half is left out, so that
those who lost the same Redis do not all return to it at the same moment.

References:
    | Exponential Backoff And Jitter (Brooker, 2015), https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
"""

from __future__ import annotations

import logging
import random
from time import monotonic
from typing import final

FIRST_S, LONGEST_S = 0.1, 2.0


@final
class Pauses:
    """Pauses that double."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._pause_s = first_s
        self._random = random.Random()

    def next_s(self) -> float:
        """How long to wait now."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, self._longest_s)
        return pause_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """From the first again."""
        self._pause_s = self._first_s


@final
class Outage:
    """Of one thing, as one who needs it sees it."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._pauses = Pauses()
        self._since: float | None = None

    @property
    def lasts_s(self) -> float | None:
        """How long it has been away; None while it is there."""
        return None if self._since is None else monotonic() - self._since

    def failed(self, error: object) -> float:
        """It was tried in vain; how long to wait before the next attempt."""
        if self._since is None:
            self._since = monotonic()
            self._log.warning("%s does not answer: %s", self._what, error)
        return self._pauses.next_s()

    def over(self) -> None:
        """It answered."""
        if self._since is not None:
            self._log.warning("%s answers again, after %.1f s", self._what, monotonic() - self._since)
            self._since = None
            self._pauses.reset()
