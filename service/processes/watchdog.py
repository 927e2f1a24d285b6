"""Ends a process whose main loop hangs, so that its parent starts another.

A loop that hangs cannot report it, and a heartbeat from another thread would say that all is well. So the loop counts
its rounds, and a thread checks the count. The thread counts its own checks, not seconds: a process that was suspended
and goes on has not hung.
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

CHECKS = 10  # within the time that a round may take
LONGEST_CHECK_S = 1.0


@final
class Watchdog(Thread):
    """Checks `rounds`, the count of a loop, and ends the process if it does not change for `patience_s`."""

    def __init__(self, what: str, patience_s: float, rounds: Callable[[], int]) -> None:
        super().__init__(f"watchdog of {what}")
        self._what = what
        self._patience_s = patience_s
        self._rounds = rounds

    def work(self) -> None:
        """Check until `stop`."""
        check_s = min(LONGEST_CHECK_S, self._patience_s / CHECKS)
        seen, still_s = self._rounds(), 0.0
        while not self.stopping.wait(check_s):
            rounds = self._rounds()
            still_s = still_s + check_s if rounds == seen else 0.0
            seen = rounds
            if still_s >= self._patience_s:
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
                end_process(f"{self._what} has hung for {still_s:.0f} s (see the traces above)")

    def stop(self) -> None:
        """Stop checking."""
        self.stopping.set()


@asynccontextmanager
async def watched_loop(settings: Settings) -> AsyncIterator[None]:
    """Watch the running event loop."""
    rounds, tasks = [0], Tasks()

    async def go_round() -> None:
        for rounds[0] in count():
            await asyncio.sleep(min(LONGEST_CHECK_S, settings.hang_s / CHECKS) / 2)

    tasks.keep("rounds of the event loop", go_round)
    watchdog = Watchdog("the event loop", settings.hang_s, lambda: rounds[0])
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()
        await tasks.close()
