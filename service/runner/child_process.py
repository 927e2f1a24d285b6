"""A child as its supervisor holds it: a process group, two pipes, and no way to outlive us."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Self, cast, final

from pushforward.service.runner.messages import Line, parse

LAST_WORDS_BYTES = 8192


@final
class JobProcess:
    """`python -m pushforward.service.runner.child ORDER`. Leaving the `with` block kills what still runs."""

    def __init__(self, order_file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pushforward.service.runner.child", str(order_file)],
            stdin=subprocess.PIPE,  # never written to: its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._stdout = cast(IO[bytes], self._process.stdout)
        self._stderr = cast(IO[bytes], self._process.stderr)
        self._pipes = selectors.DefaultSelector()
        for pipe in (self._stdout, self._stderr):
            self._pipes.register(pipe, selectors.EVENT_READ)
        self._unfinished = b""
        self._last_words = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.wait()
        self._pipes.close()
        for pipe in (self._process.stdin, self._stdout, self._stderr):
            if pipe is not None:
                pipe.close()

    @property
    def ended(self) -> bool:
        """Whether it is gone and all it said was read."""
        return not self._pipes.get_map() and self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal, None while it runs."""
        return self._process.returncode

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exited with {code}"
        return f"the process {how}"

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error: for the log, as it tells of this machine."""
        return self._last_words.decode(errors="replace").strip()

    def read(self, timeout_s: float) -> list[Line]:
        """What it said; waits for the first word for at most `timeout_s`."""
        if not self._pipes.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            return []
        for key, _ in self._pipes.select(timeout_s):
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._pipes.unregister(key.fileobj)
            elif key.fileobj is self._stderr:
                self._last_words = (self._last_words + chunk)[-LAST_WORDS_BYTES:]
            else:
                self._unfinished += chunk
        *lines, self._unfinished = self._unfinished.split(b"\n")
        return [line for line in map(parse, lines) if line is not None]

    def terminate(self) -> None:
        """Ask it to keep what is done, and to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End the whole process group."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
