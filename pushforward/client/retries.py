"""When a request is sent again, and after how long.

Asks are functions of their request: the client draws a seed before the first try, so that a retry gives the same rows.
Requests that start jobs carry an idempotency key. Both may be sent twice without harm.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from random import SystemRandom
from typing import final

RETRIED = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
FIRST_S, LONGEST_S = 0.5, 8.0
LONGEST_TOLD_S = 60.0  # of what `Retry-After` asks for

_random = SystemRandom()


@final
@dataclass(frozen=True)
class Retries:
    """How often a request is sent again, within the client's time."""

    most: int

    def delay_s(self, tries: int, told_s: float | None) -> float | None:
        """How long to wait before the next try after so many; None where there is none.

        What the service tells, else full jitter over a doubling span: M. Brooker, Exponential Backoff And Jitter, 2015.
        """
        if tries > self.most:
            return None
        if told_s is not None:
            return told_s if told_s <= LONGEST_TOLD_S else None
        return _random.uniform(0.0, min(LONGEST_S, FIRST_S * 2 ** (tries - 1)))


def told_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`; a date is left alone."""
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def new_seed() -> int:
    """A seed that JSON numbers hold exactly."""
    return secrets.randbits(53)


def new_key() -> str:
    """An idempotency key."""
    return secrets.token_hex(16)
