"""Work beside the main line: every task of an event loop and every thread of ours begins here.

An error that ends a task or a thread goes to nobody, and what it did is simply no longer done. So what should run for
ever is begun again, after a pause that doubles, with a line in the log:

    begin           a task whose maker awaits or cancels it, and so sees its error
    Tasks.keep      a task of an event loop that should never end
    Thread          a thread that ends when it is told to
    begin_thread    a thread with one thing to do; where the process cannot do without it, the process ends

A process that cannot go on ends with exit code 70 (EX_SOFTWARE), and its parent starts another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, NoReturn, TypeVar, cast, final

from pushforward.service.processes.outages import Pauses

log = logging.getLogger(__name__)

T = TypeVar("T")
STEADY_S = 60.0  # who ran so long begins with the shortest pause again
FAILURES = 20  # in a row, after which a thread ends its process
EX_SOFTWARE = 70


def end_process(why: str) -> NoReturn:
    """Now, without cleaning up: whoever calls this cannot trust the process any more."""
    log.critical("%s; the process ends", why)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EX_SOFTWARE)


def begin(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task whose maker awaits or cancels it."""
    return asyncio.get_running_loop().create_task(work, name=name)


@final
class Tasks:
    """Those of one event loop that should never end."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it until `close`, or until the loop ends; it begins again whenever it ends."""
        self._tasks.append(begin(self._kept(name, work), name))

    async def close(self) -> None:
        """End them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        pauses, task = Pauses(), cast("asyncio.Task[None]", asyncio.current_task())
        while True:
            since, how = monotonic(), "ended"
            try:
                await work()
            except asyncio.CancelledError:
                how = "was cancelled"
            except Exception:
                log.exception("the task %r failed; it begins again", name)
                how = ""
            if task.cancelling():  # itself, by `close` or by a loop that ends; else what it waited for was
                raise asyncio.CancelledError
            if how:
                log.error("the task %r %s; it begins again", name, how)
            if monotonic() - since > STEADY_S:
                pauses.reset()
            await asyncio.sleep(pauses.next_s())


class Thread(threading.Thread, ABC):
    """A thread that works until `stopping` is set; what fails in it begins again."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()

    @abstractmethod
    def work(self) -> None:
        """Until `stopping` is set. It may be called again after it failed."""

    @final
    def run(self) -> None:
        """As `threading.Thread` calls it."""
        pauses, failures = Pauses(), 0
        while True:
            since = monotonic()
            try:
                self.work()
                return
            except BaseException:
                log.exception("the thread %r failed", self.name)
            if self.stopping.is_set():
                return
            if monotonic() - since > STEADY_S:
                pauses.reset()
                failures = 0
            failures += 1
            if failures >= FAILURES:
                end_process(f"the thread {self.name!r} failed {failures} times in a row")
            self.stopping.wait(pauses.next_s())


def begin_thread(name: str, work: Callable[[], None], *, vital: bool) -> threading.Thread:
    """A thread with one thing to do. Where it is `vital`, its failure ends the process."""

    def run() -> None:
        try:
            work()
        except BaseException:
            log.exception("the thread %r failed", name)
            if vital:
                end_process(f"the process cannot work without the thread {name!r}")

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
