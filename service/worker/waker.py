"""Wakes a thread that waits in a selector."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import final


@final
class Waker:
    """Registered with the selector, it is readable once another thread has called `wake`."""

    def __init__(self) -> None:
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)

    def fileno(self) -> int:
        """For the selector."""
        return self._woken.fileno()

    def wake(self) -> None:
        """End the wait. Thread-safe."""
        with suppress(OSError):  # it is awake, or closed
            self._waker.send(b"\0")

    def drain(self) -> None:
        """Wait again from now on; for the thread that was woken."""
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._woken.close()
        self._waker.close()
