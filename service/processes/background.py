"""Background tasks and threads: all of them are started here.

Nobody sees an error that ends a task or a thread; its work simply stops. So work that should never end is started
again, after a pause that doubles, with a line in the log:

    begin           a task whose creator awaits or cancels it, and so sees its error
    Tasks.keep      a task of an event loop that should never end
    Thread          a thread that ends when `stopping` is set
    begin_thread    a thread with one task; if it is vital and fails, the process ends

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

from pushforward.service.processes.outages import Backoff

log = logging.getLogger(__name__)

T = TypeVar("T")
STEADY_S = 60.0  # after which a task or thread has the shortest pause again
FAILURES = 20  # in a row, after which a thread ends its process
EX_SOFTWARE = 70
CANCEL_AGAIN_S = 0.2  # between two cancellations of a task


def end_process(reason: str) -> NoReturn:
    """End the process now, without cleanup: its state cannot be trusted any more."""
    log.critical("%s; the process ends", reason)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EX_SOFTWARE)


def begin(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task whose creator awaits or cancels it."""
    return asyncio.get_running_loop().create_task(work, name=name)


@final
class Tasks:
    """Tasks of one event loop that should never end."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run it until `close`, or until the loop ends; it is started again whenever it ends."""
        self._tasks.append(begin(self._kept(name, work), name))

    async def close(self) -> None:
        """Cancel all tasks; again where that had no effect: in Python 3.11 redis-py swallows some cancellations."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            _, left = await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN_S)
            self._tasks = list(left)

    async def _kept(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        backoff, task = Backoff(), cast("asyncio.Task[None]", asyncio.current_task())
        while True:
            since, how = monotonic(), "ended"
            try:
                await work()
            except asyncio.CancelledError:
                how = "was cancelled"
            except Exception:
                log.exception("the task %r failed; it begins again", name)
                how = ""
            if task.cancelling():  # by `close` or by a loop that ends; otherwise only what it awaited was cancelled
                raise asyncio.CancelledError
            if how:
                log.error("the task %r %s; it begins again", name, how)
            if monotonic() - since > STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_s())


class Thread(threading.Thread, ABC):
    """A thread that works until `stopping` is set; its work is started again after an error."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()

    @abstractmethod
    def work(self) -> None:
        """Work until `stopping` is set. It is called again after an error."""

    @final
    def run(self) -> None:
        """Called by `threading.Thread`."""
        backoff, failures = Backoff(), 0
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
                backoff.reset()
                failures = 0
            failures += 1
            if failures >= FAILURES:
                end_process(f"the thread {self.name!r} failed {failures} times in a row")
            self.stopping.wait(backoff.next_s())


def begin_thread(name: str, work: Callable[[], None], *, vital: bool) -> threading.Thread:
    """A thread with one task. If it is `vital`, its failure ends the process."""

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
