"""The supervisor's side of a child process: a process group and two pipes. The child cannot outlive its supervisor."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Self, cast, final

from pushforward.service.runner.messages import Message, parse

STDERR_BYTES = 8192


@final
class JobProcess:
    """`python -m pushforward.service.runner.child ORDER`. Leaving the `with` block kills it."""

    def __init__(self, order_file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pushforward.service.runner.child", str(order_file)],
            stdin=subprocess.PIPE,  # never written to: it closes when we end
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
        self._stderr_end = b""

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
        """Whether it has ended and all its messages were read."""
        return not self._pipes.get_map() and self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal, None while it runs."""
        return self._process.returncode

    @property
    def ending(self) -> str:
        """How it ended, as text."""
        code = self._process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exited with {code}"
        return f"the process {how}"

    @property
    def stderr_end(self) -> str:
        """The end of its standard error, for the log only: it may name paths of this machine."""
        return self._stderr_end.decode(errors="replace").strip()

    def read(self, timeout_s: float) -> list[Message]:
        """New messages; waits for the first one for at most `timeout_s`."""
        if not self._pipes.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            return []
        for key, _ in self._pipes.select(timeout_s):
            chunk = os.read(key.fd, 65536)
            if not chunk:
                self._pipes.unregister(key.fileobj)
            elif key.fileobj is self._stderr:
                self._stderr_end = (self._stderr_end + chunk)[-STDERR_BYTES:]
            else:
                self._unfinished += chunk
        *lines, self._unfinished = self._unfinished.split(b"\n")
        return [line for line in map(parse, lines) if line is not None]

    def terminate(self) -> None:
        """Ask it to write a checkpoint and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End the whole process group."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
