"""Processes of ours that are started again when they die, after a pause that doubles while they keep dying."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

PAUSE_S = (0.5, 30.0)  # before a restart: the first, and the longest
STEADY_S = 60.0  # a child that ran so long starts from the first pause again


class CannotStart(RuntimeError):
    """What is in the way of a process, and what to do about it."""


@final
@dataclass
class SupervisedProcess:
    """A supervised process."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]  # raises CannotStart, OSError
    stop_s: float  # to drain, before SIGKILL
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = PAUSE_S[0]
    restart_at: float | None = field(default=None)

    def run(self) -> None:
        """Start the process."""
        self.process = self.start()
        self.started_at, self.restart_at = time.monotonic(), None

    def tend(self, say: Callable[[str], None]) -> None:
        """Start the process again if it died and its pause is over."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if self.restart_at is None:
            steady = now - self.started_at > STEADY_S
            pause = PAUSE_S[0] if steady else self.pause_s
            self.restart_at, self.pause_s = now + pause, min(2 * pause, PAUSE_S[1])
            say(f"{self.name} ended ({_ending(self.process.returncode)}); starting it again in {pause:g} s")
        elif now >= self.restart_at:
            try:
                self.run()
            except (CannotStart, OSError) as error:
                self.restart_at, self.pause_s = now + self.pause_s, min(2 * self.pause_s, PAUSE_S[1])
                say(f"{self.name} does not start: {error}")
            else:
                say(f"{self.name} runs again")

    def terminate(self) -> None:
        """SIGTERM; where it ended already, nothing."""
        if self.process is not None:
            self.process.terminate()

    def stop(self, say: Callable[[str], None]) -> None:
        """SIGTERM, wait, SIGKILL."""
        if self.process is None:
            return
        self.terminate()
        try:
            self.process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not end in {self.stop_s:g} s; killing it")
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def until_signal(stopping: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set the event; from another thread than the main one, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: stopping.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ending(returncode: int) -> str:
    return f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
