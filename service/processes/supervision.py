"""Child processes that are restarted when they die, after a pause that doubles while they keep dying."""

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

PAUSE_S = (0.5, 30.0)  # before a restart: the shortest and the longest
STEADY_S = 60.0  # after which a child has the shortest pause again


class StartError(RuntimeError):
    """A process cannot start; the message says why, and what to do."""


@final
@dataclass
class SupervisedProcess:
    """A child process that is restarted when it ends."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]  # raises StartError, OSError
    stop_s: float  # to drain, before SIGKILL
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = PAUSE_S[0]
    restart_at: float | None = field(default=None)

    def run(self) -> None:
        """Start the process."""
        self.process = self.start()
        self.started_at, self.restart_at = time.monotonic(), None

    def restart_if_ended(self, say: Callable[[str], None]) -> None:
        """Start the process again if it has ended and its pause is over."""
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
            except (StartError, OSError) as error:
                self.restart_at, self.pause_s = now + self.pause_s, min(2 * self.pause_s, PAUSE_S[1])
                say(f"{self.name} does not start: {error}")
            else:
                say(f"{self.name} runs again")

    def terminate(self) -> None:
        """Send SIGTERM, unless it has ended."""
        if self.process is not None:
            self.process.terminate()

    def stop(self, say: Callable[[str], None]) -> None:
        """Send SIGTERM, wait, and send SIGKILL if it has not ended."""
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
def stop_on_signal(stopping: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set the event; does nothing outside the main thread."""
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
