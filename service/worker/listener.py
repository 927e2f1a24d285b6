"""The socket at which a worker listens for gateways, and the messages that come from them.

The inference thread calls `poll` before each forward pass: it reads all that lies on the sockets, so requests gather
while the device computes, and an idle worker answers at once.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import final

from pushforward.service.dispatch.frames import decode_from_gateway, encode_message, encode_replies
from pushforward.service.dispatch.framing import MAX_FRAME_BYTES, MalformedFrame
from pushforward.service.dispatch.handshake import HANDSHAKE_S, is_proven, new_secret
from pushforward.service.dispatch.messages import (
    Cancelled,
    Farewell,
    Hello,
    Leaving,
    Previewed,
    Proof,
    Refusal,
    Replies,
    Requests,
)
from pushforward.service.domain.errors import Failed
from pushforward.service.settings import Settings
from pushforward.service.worker.address import BACKLOG, listen, reachable
from pushforward.service.worker.peer import Peer
from pushforward.service.worker.sender import Sender
from pushforward.service.worker.waker import Waker

log = logging.getLogger(__name__)

MAX_STRANGERS = 64  # connections without a proof
MAX_UNSENT_BYTES = 32 * 2**20  # to a gateway, above which no more of its requests are read
READ_BYTES = 64 * 2**20  # of one gateway, in one poll

Received = tuple[Peer, Requests | Cancelled | None]  # None: the gateway is gone


@final
class Listener:
    """For the inference thread, but for `wake`."""

    def __init__(self, settings: Settings, worker_id: str, sender: Sender) -> None:
        self.secret = new_secret()
        self._socket = listen(settings.worker_host, settings.worker_port)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self._settings = settings
        self._host: str | None = None
        self._id = worker_id
        self._sender = sender
        self._peers: list[Peer] = []
        self._held: list[Peer] = []  # not read, because they do not read
        self._waker = Waker()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._is_open = True

    @property
    def host(self) -> str:
        """What gateways are told. Until Redis can be found it is this host's name, which they may not know."""
        if self._host is None:
            self._host = reachable(self._settings)
        return self._host or socket.gethostname()

    def poll(self, wait_s: float) -> list[Received]:
        """What has come, after at most so long."""
        return list(self._poll(wait_s))

    def _poll(self, wait_s: float) -> Iterator[Received]:
        self._resume()
        for key, _ in self._selector.select(wait_s):
            if key.data is not None:
                yield from self._read(key.data)
            elif key.fileobj is self._waker:
                self._waker.drain()
            else:
                self._accept()
        if self._has_strangers:
            yield from self._turn_away(monotonic() - HANDSHAKE_S)

    def wake(self) -> None:
        """End a `poll` that waits. Thread-safe."""
        self._waker.wake()

    def send(self, peer: Peer, replies: Replies) -> None:
        """Send replies to a gateway, if it is still there."""
        if peer.is_closed:
            return
        try:
            frame = encode_replies(replies)
        except Exception:
            log.exception("replies could not be written as a frame; their requests are refused")
            error = Failed("the answer could not be sent; the worker's log tells why")
            ended = (reply.id for reply in replies.replies if not isinstance(reply, Previewed))
            frame = encode_replies(Replies(tuple(Refusal.of(each, error) for each in ended)))
        self._sender.send(peer, frame)

    def leave(self) -> None:
        """Accept no more gateways, and tell those that are here that the worker stops. Again without effect."""
        if not self._is_open:
            return
        self._is_open = False
        self._selector.unregister(self._socket)
        self._socket.close()
        for peer in self._peers:
            if peer.is_proven:
                self._sender.send(peer, encode_message(Leaving()))

    @property
    def is_left(self) -> bool:
        """Whether no gateway will send a request any more."""
        return not self._is_open and all(peer.said_farewell for peer in self._peers if peer.is_proven)

    def close(self) -> None:
        """Close all connections."""
        self.leave()
        for peer in list(self._peers):
            self._close(peer)
        self._selector.close()
        self._waker.close()

    # --- gateways ---

    @property
    def _has_strangers(self) -> bool:
        return not all(peer.is_proven for peer in self._peers)

    def _accept(self) -> None:
        """Greet all that wait, because some of them have given up during a long call."""
        with suppress(OSError):  # no more wait, or they have left already
            for _ in range(BACKLOG):
                sock, _ = self._socket.accept()
                self._greet(sock)

    def _greet(self, sock: socket.socket) -> None:
        if sum(not peer.is_proven for peer in self._peers) >= MAX_STRANGERS:
            sock.close()
            return
        peer = Peer(sock)
        self._peers.append(peer)
        self._selector.register(sock, selectors.EVENT_READ, peer)
        self._sender.send(peer, encode_message(Hello(self._id, peer.nonce)))

    def _read(self, peer: Peer) -> Iterator[Received]:
        n_bytes = 0
        try:
            while n_bytes < READ_BYTES:
                room = peer.buffer.room()
                try:
                    n = peer.sock.recv_into(room)
                except BlockingIOError:
                    break
                if not n:
                    raise OSError("it has closed the connection")
                n_bytes += n
                for frame in peer.buffer.received(n):
                    yield from self._take(peer, decode_from_gateway(frame))
                if n < len(room):
                    break
        except MalformedFrame as error:
            log.warning("a gateway sent what is no message: %s", error)
            yield from self._lose(peer)
        except OSError:
            yield from self._lose(peer)
        except Exception:
            log.exception("a message of a gateway could not be read; it will send its requests again")
            yield from self._lose(peer)
        else:
            self._hold(peer)

    def _take(self, peer: Peer, message: Requests | Cancelled | Proof | Farewell) -> Iterator[Received]:
        if not peer.is_proven:
            if not isinstance(message, Proof) or not is_proven(self.secret, peer.nonce, message):
                raise MalformedFrame("it does not know the secret")
            peer.is_proven, peer.buffer.most = True, MAX_FRAME_BYTES
            self._sender.add(peer)
            if not self._is_open:
                self._sender.send(peer, encode_message(Leaving()))
            return
        match message:
            case Requests() | Cancelled():
                yield peer, message
            case Farewell():
                peer.said_farewell = True
            case Proof():
                raise MalformedFrame("a second proof")

    def _turn_away(self, since: float) -> Iterator[Received]:
        """Close connections that have not proven that they may be here."""
        for peer in [peer for peer in self._peers if not peer.is_proven and peer.since < since]:
            yield from self._lose(peer)

    def _lose(self, peer: Peer) -> Iterator[Received]:
        self._close(peer)
        yield peer, None

    def _close(self, peer: Peer) -> None:
        if peer in self._held:
            self._held.remove(peer)
        else:
            self._selector.unregister(peer.sock)
        self._peers.remove(peer)
        self._sender.remove(peer)
        peer.close()

    # --- a gateway that does not read ---

    def _hold(self, peer: Peer) -> None:
        """Read no more of a gateway to which too much is unsent."""
        if peer.unsent_bytes > MAX_UNSENT_BYTES and peer not in self._held:
            self._held.append(peer)
            self._selector.unregister(peer.sock)

    def _resume(self) -> None:
        for peer in [peer for peer in self._held if peer.unsent_bytes <= MAX_UNSENT_BYTES]:
            self._held.remove(peer)
            self._selector.register(peer.sock, selectors.EVENT_READ, peer)
