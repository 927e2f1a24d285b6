"""The child process that compiles, as the worker sees it: one compilation after another, each in a child of its own."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, cast, final

from pushforward.service.engine.compile.packages import CompileOrder, PackageComparison

PATIENCE_S = 1800.0  # for one compilation
LAST_ERROR_BYTES = 500  # of what a failed child wrote to standard error


@final
class CompileChild:
    """Runs `service.engine.compile.child`; `close` may be called from another thread."""

    def __init__(self, folder: Path, nice: int) -> None:
        self._folder = folder
        self._nice = nice
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    @property
    def pid(self) -> int | None:
        """Of the child that compiles now."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Kill the child, and start no other."""
        self._closing.set()
        if (process := self._process) is not None:
            _kill(process)

    def compile(self, order: CompileOrder, file: Path) -> PackageComparison:
        """Wait until the package is in the file. Raises RuntimeError, TimeoutError, OSError."""
        environment = {
            **os.environ,
            "TMPDIR": str(self._folder),
            "TORCHINDUCTOR_CACHE_DIR": str(self._folder / "cache"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # in the child itself, not in a pool that would outlive it
        }
        with tempfile.TemporaryFile(dir=self._folder) as errors:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "pushforward.service.engine.compile.child", str(file), str(self._nice)],
                stdin=subprocess.PIPE,  # stays open: its end tells the child that the worker is gone
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            with process:
                output = self._output(process, order)
            self._process = None
            if process.returncode != 0:
                errors.seek(0)
                last = errors.read().decode(errors="replace").strip()[-LAST_ERROR_BYTES:]
                raise RuntimeError(f"its compilation ended with {process.returncode}: {last}")
        return PackageComparison.model_validate_json(output.splitlines()[-1])

    def _output(self, process: subprocess.Popen[bytes], order: CompileOrder) -> bytes:
        """What the child prints. It is killed if it takes too long, or after `close`."""
        stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        try:
            if self._closing.is_set():
                raise TimeoutError("the worker stops")
            with suppress(BrokenPipeError):
                stdin.write(order.model_dump_json().encode() + b"\n")
                stdin.flush()
            output = _read(stdout, monotonic() + PATIENCE_S)
            process.wait()
        finally:
            _kill(process)
        return output


def _read(stdout: IO[bytes], give_up: float) -> bytes:
    """All of the output. Raises TimeoutError."""
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, give_up - monotonic())):
            piece = os.read(stdout.fileno(), 65536)
            if not piece:
                return output
            output += piece
    raise TimeoutError(f"it took longer than {PATIENCE_S:g} s")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Together with the C++ compiler that it may have started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
