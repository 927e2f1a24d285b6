"""A gateway's end of a connection, in the thread of a test."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from pushforward.service.dispatch.frames import decode_from_worker, encode_message, encode_requests
from pushforward.service.dispatch.framing import FrameBuffer
from pushforward.service.dispatch.handshake import proof
from pushforward.service.dispatch.messages import (
    Beat,
    Cancelled,
    Farewell,
    FramedRequest,
    FromWorker,
    Hello,
    Proof,
    Replies,
    Requests,
)
from pushforward.service.domain.inference import InferenceRequest
from tests.service.models_on_disk import MOONS

Said = Requests | Cancelled | Proof | Farewell | bytes
SECRET = "secret"


def requests(*ids: int, rows: int = 1, model: str = MOONS, sent_at: float = 0.0) -> Requests:
    """Samples, with their ids as seeds."""
    framed = (FramedRequest(each, InferenceRequest(model, "sample", rows, each), 60_000.0) for each in ids)
    return Requests(sent_at, tuple(framed))


def encoded(said: Said) -> bytes:
    if isinstance(said, bytes):
        return said
    return b"".join(encode_requests(said) if isinstance(said, Requests) else encode_message(said))


class RawGateway:
    """Blocks for at most 20 s."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(20)
        self.sock = sock
        self._buffer = FrameBuffer()
        self._messages: deque[FromWorker] = deque()

    def say(self, *said: Said) -> None:
        self.sock.sendall(b"".join(map(encoded, said)))

    def read(self) -> FromWorker:
        """The next message. Raises EOFError."""
        while not self._messages:
            n = self.sock.recv_into(self._buffer.room())
            if not n:
                raise EOFError
            self._messages += [decode_from_worker(frame) for frame in self._buffer.received(n)]
        return self._messages.popleft()

    def read_other(self) -> FromWorker:
        """The next message that is no beat."""
        while isinstance(message := self.read(), Beat):
            pass
        return message

    def read_replies(self) -> Replies:
        """The next ones; beats are passed over."""
        message = self.read_other()
        assert isinstance(message, Replies)
        return message

    def read_all(self, n: int) -> bytes:
        """So many bytes, whatever they are."""
        data = bytearray()
        while len(data) < n:
            data += self.sock.recv(2**20)
        return bytes(data)

    def greet(self, secret: str) -> Hello:
        """Prove that it may send."""
        hello = self.read()
        assert isinstance(hello, Hello)
        self.say(proof(secret, hello))
        return hello

    @property
    def is_cut_off(self) -> bool:
        """Whether the worker has ended the connection; what it said before is passed over."""
        try:
            while True:
                self.read()
        except (EOFError, ConnectionError):
            return True


@contextmanager
def raw_gateway(port: int, *, receives: int | None = None) -> Iterator[RawGateway]:
    """One that is connected; its socket holds about so many bytes that it has not read."""
    with socket.socket() as sock:
        if receives is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        sock.connect(("127.0.0.1", port))
        yield RawGateway(sock)
