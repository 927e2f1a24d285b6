"""Ends a process whose main work makes no progress, so that its parent starts another.

A loop that hangs cannot say so itself, and a heartbeat beside it says that all is well. So the loop counts its rounds,
and a thread looks at the count. It counts its own looks, not seconds: a process that was stopped and goes on has not
hung.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import final

from pushforward.service.processes.background import Tasks, Thread, end_process
from pushforward.service.settings import Settings

LOOKS = 10  # within the time that a round may take
LONGEST_LOOK_S = 1.0


@final
class Watchdog(Thread):
    """Looks at `rounds`, the count of a loop, and ends the process once it has stood still for `patience_s`."""

    def __init__(self, what: str, patience_s: float, rounds: Callable[[], int]) -> None:
        super().__init__(f"watchdog of {what}")
        self._what = what
        self._patience_s = patience_s
        self._rounds = rounds

    def work(self) -> None:
        """Until `stop`."""
        look_s = min(LONGEST_LOOK_S, self._patience_s / LOOKS)
        seen, still_s = self._rounds(), 0.0
        while not self.stopping.wait(look_s):
            rounds = self._rounds()
            still_s = still_s + look_s if rounds == seen else 0.0
            seen = rounds
            if still_s >= self._patience_s:
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
                end_process(f"{self._what} has hung for {still_s:.0f} s (see the traces above)")

    def stop(self) -> None:
        """Look no more."""
        self.stopping.set()


@asynccontextmanager
async def watched_loop(settings: Settings) -> AsyncIterator[None]:
    """Watch the running event loop."""
    rounds, tasks = [0], Tasks()

    async def go_round() -> None:
        for rounds[0] in count():
            await asyncio.sleep(min(LONGEST_LOOK_S, settings.hang_s / LOOKS) / 2)

    tasks.keep("rounds of the event loop", go_round)
    watchdog = Watchdog("the event loop", settings.hang_s, lambda: rounds[0])
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()
        await tasks.close()
