"""A gateway, as a worker sees it: its connection, and what is not sent to it yet."""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import final

from pushforward.service.dispatch.framing import Buffer, FrameBuffer
from pushforward.service.dispatch.handshake import HANDSHAKE_BYTES, new_nonce

IOV = 64  # buffers of one call
DRIFT = 1e-4  # of two clocks, at most
KEEPALIVE_S = (10, 5, 3)  # idle, between probes, and how many of them: then a host that vanished is known to be gone


@final
class Peer:
    """The inference thread reads; it and the sender write."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(sock)
        self.sock = sock
        self.nonce = new_nonce()
        self.since = monotonic()
        self.is_proven = False
        self.said_farewell = False
        self.is_closed = False
        self.buffer = FrameBuffer(HANDSHAKE_BYTES)
        self.lock = threading.Lock()  # of what follows, and of writing
        self.unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0
        self.moved_at = monotonic()  # when the gateway last took bytes
        self._offset_s = float("inf")  # this clock - the gateway's, at most
        self._offset_at = 0.0

    def sent_at(self, theirs: float) -> float:
        """When a frame was sent by our clock, from the time by theirs.

        Frames that waited in a socket came late, and the one that came fastest tells the difference of the clocks.
        """
        now = monotonic()
        self._offset_s = min(self._offset_s + DRIFT * (now - self._offset_at), now - theirs)
        self._offset_at = now
        return theirs + self._offset_s

    def write(self, parts: Sequence[Buffer], *, at_once: bool) -> bool:
        """Write as much as the socket takes now, if it is asked for at once; whether anything is left for later.

        Raises OSError where the connection is broken.
        """
        with self.lock:
            if self.is_closed:
                return False
            if not self.unsent:
                self.moved_at = monotonic()
            self.unsent.extend(memoryview(part) for part in parts)
            self.unsent_bytes += sum(len(part) for part in parts)
            if at_once and len(self.unsent) == len(parts):
                self._write()
            return bool(self.unsent)

    def write_more(self) -> bool:
        """Write what is left, as much as the socket takes now; whether anything is still left. Raises OSError."""
        with self.lock:
            self._write()
            return bool(self.unsent)

    def close(self) -> None:
        """Close the connection; nothing more is sent."""
        with self.lock:
            self.is_closed = True
            self.unsent.clear()
            self.unsent_bytes = 0
            self.sock.close()

    def _write(self) -> None:
        while self.unsent:
            parts = [self.unsent[i] for i in range(min(IOV, len(self.unsent)))]
            try:
                n = self.sock.sendmsg(parts)
            except BlockingIOError:
                return
            self.moved_at = monotonic()
            self.unsent_bytes -= n
            while self.unsent and n >= len(self.unsent[0]):
                n -= len(self.unsent.popleft())
            if n:
                self.unsent[0] = self.unsent[0][n:]


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        for option, value in zip(
            (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), KEEPALIVE_S, strict=True
        ):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
