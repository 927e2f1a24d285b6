"""How long a client waits for a service that is away."""

from __future__ import annotations

import time
from typing import final

from pushforward.service.client.errors import Unreachable

PATIENCE_S = 60.0
RETRY_S = 0.5


@final
class OutageTimer:
    """Waits between attempts, and gives up when the service has been away for `PATIENCE_S`."""

    def __init__(self) -> None:
        self._since: float | None = None

    def end(self) -> None:
        """The service is back."""
        self._since = None

    def wait(self, what: str, error: Exception) -> None:
        """Before the next attempt. Raises Unreachable: `what` cannot be done."""
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since > PATIENCE_S:
            raise Unreachable(f"{what}: {error}") from error
        time.sleep(RETRY_S)
