"""Sends to gateways what the inference thread does not: large replies, what a full socket left over, and beats.

So the device computes the next part of a large answer while this one is sent, and a gateway that does not read holds up
nobody. Beats go on during a long call and say how long the inference thread has been in it.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import final

from pushforward.service.dispatch.frames import encode_message
from pushforward.service.dispatch.framing import Buffer
from pushforward.service.dispatch.messages import Beat
from pushforward.service.processes.background import Thread
from pushforward.service.worker.peer import Peer
from pushforward.service.worker.waker import Waker

log = logging.getLogger(__name__)

LARGE_BYTES = 128 * 1024  # to wake this thread costs as much as to send a smaller frame
STUCK_S = 5.0  # after which a gateway that takes nothing is cut off: it will send its requests again


@final
class Sender(Thread):
    """Writes to peers in the order of `send`."""

    def __init__(self, beat_s: float, stalled_s: Callable[[], float]) -> None:
        super().__init__("sender")
        self._beat_s = beat_s
        self._stalled_s = stalled_s
        self._peers: list[Peer] = []
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._beat_at = monotonic()

    def send(self, peer: Peer, parts: Sequence[Buffer]) -> None:
        """Send a frame: now if it is small and the socket takes it, else soon."""
        try:
            left = peer.write(parts, at_once=sum(map(len, parts)) < LARGE_BYTES)
        except OSError as error:
            _cut(peer, str(error))
            return
        if left:
            self._waker.wake()

    def add(self, peer: Peer) -> None:
        """Send beats to a gateway, too."""
        self._peers = [*self._peers, peer]

    def remove(self, peer: Peer) -> None:
        """Send it no more. The peer is closed afterwards, by its owner."""
        self._peers = [each for each in self._peers if each is not peer]
        self._waker.wake()

    @property
    def is_done(self) -> bool:
        """Whether everything is sent."""
        return not any(peer.unsent for peer in self._peers)

    def work(self) -> None:
        """Send until `stop`."""
        while not self.stopping.is_set():
            wait_s = max(0.0, self._beat_at - monotonic())
            for key, _ in self._selector.select(wait_s):
                if key.fileobj is self._waker:
                    self._waker.drain()
            self._write()
            if monotonic() >= self._beat_at:
                self._beat()

    def stop(self) -> None:
        """End the thread."""
        self.stopping.set()
        self._waker.wake()
        if self.is_alive():
            self.join()
        self._selector.close()
        self._waker.close()

    def _write(self) -> None:
        """Write to the peers that have something left, and wait for the sockets of those that are full."""
        waiting: set[Peer] = set()
        for peer in self._peers:
            try:
                if peer.unsent and peer.write_more():
                    waiting.add(peer)
            except OSError as error:
                _cut(peer, str(error))
        registered = {key.data: key.fileobj for key in self._selector.get_map().values() if key.data is not None}
        for peer in registered.keys() - waiting:
            self._selector.unregister(registered[peer])
        for peer in waiting - registered.keys():
            if not peer.is_closed:
                self._selector.register(peer.sock, selectors.EVENT_WRITE, peer)

    def _beat(self) -> None:
        self._beat_at = monotonic() + self._beat_s
        beat = encode_message(Beat(self._stalled_s()))
        for peer in self._peers:
            if not peer.unsent:
                self.send(peer, beat)
            elif monotonic() - peer.moved_at > STUCK_S:
                _cut(peer, f"it has taken nothing for {STUCK_S:g} s")


def _cut(peer: Peer, why: str) -> None:
    """End a connection; the inference thread reads its end, and forgets its requests."""
    log.warning("a gateway is cut off: %s", why)
    with peer.lock:
        peer.unsent.clear()
        peer.unsent_bytes = 0
        if not peer.is_closed:
            with suppress(OSError):  # it has ended already
                peer.sock.shutdown(socket.SHUT_RDWR)
