"""Outages of another process: one log line when it stops answering, one when it answers again; exponential backoff.

Between attempts i = 1, 2, ... lie min(first 2^(i-1), longest) seconds, of which a random part of up to one half is left
out, so that clients of one Redis do not all return at the same moment.

References:
    | Exponential Backoff And Jitter (Brooker, 2015),
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
"""

from __future__ import annotations

import logging
import random
from time import monotonic
from typing import final

FIRST_S, LONGEST_S = 0.1, 2.0


@final
class Backoff:
    """Pauses that double, with jitter."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._pause_s = first_s
        self._random = random.Random()

    def next_s(self) -> float:
        """The next pause."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, self._longest_s)
        return pause_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start from the shortest pause again."""
        self._pause_s = self._first_s


@final
class Outage:
    """The outages of one process, as one client sees them."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._pauses = Backoff()
        self._since: float | None = None

    @property
    def lasts_s(self) -> float | None:
        """How long it has not answered; None while it answers."""
        return None if self._since is None else monotonic() - self._since

    def failed(self, error: object) -> float:
        """An attempt failed; how long to wait before the next one."""
        if self._since is None:
            self._since = monotonic()
            self._log.warning("%s does not answer: %s", self._what, error)
        return self._pauses.next_s()

    def over(self) -> None:
        """An attempt succeeded."""
        if self._since is not None:
            self._log.warning("%s answers again, after %.1f s", self._what, monotonic() - self._since)
            self._since = None
            self._pauses.reset()
