"""How late an event loop runs callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic


async def lags_s(every_s: float) -> AsyncIterator[float]:
    """By how much a wait of so long is late, again and again for ever."""
    while True:
        due = monotonic() + every_s
        await asyncio.sleep(every_s)
        yield monotonic() - due
